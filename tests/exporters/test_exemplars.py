"""Exemplars: in OpenMetrics alone, and never a reason to lose a page."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporters.base import Exemplar, Histogram
from exporters.exposition import OPENMETRICS, TEXT, encoded
from exporters.families import span_duration_family
from exporters.prometheus import snapshot
from tests.exporters.sources import EXEMPLAR, Told

FAMILY = span_duration_family((0.1, 0.3, float("inf")))


def page(content_type, *exemplars):
    """One histogram with these exemplars."""
    histogram = Histogram(("checkout", "server", ""), (1, 2, 3), 0.75, exemplars)
    source = Told([(FAMILY, [histogram])])
    return b"".join(encoded(snapshot([source]), content_type, 100)).decode()


def buckets(families):
    """The buckets of the histogram."""
    return [sample for family in families for sample in family.samples if sample.name.endswith("_bucket")]


def test_openmetrics_shows_them():
    """With their labels, value and time, at their bucket."""
    first, second, third = buckets(parse_openmetrics(page(OPENMETRICS, None, EXEMPLAR, None)))
    assert (first.exemplar, third.exemplar) == (None, None)
    assert second.exemplar.labels == dict(EXEMPLAR.labels)
    assert (second.exemplar.value, float(second.exemplar.timestamp)) == (0.25, 1.5)


def test_the_text_format_does_not():
    """It has no word for them: the page is the same as without."""
    assert page(TEXT, None, EXEMPLAR, None) == page(TEXT)
    assert len(buckets(parse_text(page(TEXT, EXEMPLAR)))) == 3


@pytest.mark.parametrize(
    "exemplar",
    [
        Exemplar((("trace_id", "x" * 129),), 0.25, 1.5),
        Exemplar((("not a name", "x"),), 0.25, 1.5),
        Exemplar((("trace_id", None),), 0.25, 1.5),
        Exemplar((("trace_id", "x"),), "much", 1.5),
        Exemplar(3, 0.25, 1.5),
        "no exemplar",
    ],
)
def test_a_bad_exemplar_costs_itself_alone(exemplar):
    """Too long, wrongly named, of the wrong kind: the bucket stays."""
    found = buckets(parse_openmetrics(page(OPENMETRICS, exemplar)))
    assert [sample.value for sample in found] == [1, 2, 3]
    assert all(sample.exemplar is None for sample in found)


def test_more_exemplars_than_buckets():
    """What has no bucket is not shown."""
    assert len(buckets(parse_openmetrics(page(OPENMETRICS, *[EXEMPLAR] * 9)))) == 3
