"""The table of metric names keeps Prometheus' manners."""

import re

import pytest

from exporters.contract import METRICS, PROBE_BUCKETS, UNITS
from exporters.families import facts_family, reading_family, service_family

EACH = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@EACH
def test_names_and_labels_are_plain_snake_case(metric):
    """A name or label that needs quoting would be unusable in rules; `le` belongs to the histograms."""
    assert re.fullmatch(r"outrider_[a-z][a-z0-9_]*", metric.name)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)
    assert "le" not in metric.labels


@EACH
def test_counters_and_only_counters_end_in_total(metric):
    """The suffix tells a reader whether rate() makes sense."""
    assert metric.name.endswith("_total") == (metric.kind == "counter")


@EACH
def test_help_is_a_sentence(metric):
    """HELP is what a person sees first: it begins and ends like a sentence."""
    assert re.match(r"[A-Z0-9]", metric.help)
    assert metric.help.endswith(".")


@EACH
def test_units_are_base_units(metric):
    """Milliseconds, percents and megabytes make rules wrong by a factor."""
    assert not re.search(r"(millis|_ms|percent|_mb|_kb|minutes|hours|days)", metric.name)
    assert metric.unit in {"", *UNITS}


@EACH
def test_buckets_belong_to_histograms_and_grow_to_infinity(metric):
    """A histogram without +Inf has no count."""
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.buckets[-1:] in {(), (float("inf"),)}


def test_probe_histogram_stays_small():
    """Each bucket costs a series for each probe."""
    assert len(PROBE_BUCKETS) <= 8


@pytest.mark.parametrize(
    ("arguments", "name", "labels"),
    [
        (("redis", "memory_used", "ratio", "gauge", ""), "outrider_redis_memory_used_ratio", ("probe",)),
        (("redis", "used_bytes", "bytes", "gauge", ""), "outrider_redis_used_bytes", ("probe",)),
        (("postgres", "deadlocks", "", "counter", ""), "outrider_postgres_deadlocks_total", ("probe",)),
        (("memory", "stalled", "seconds", "counter", ""), "outrider_memory_stalled_seconds_total", ("probe",)),
        (("celery", "depth", "", "gauge", "queue"), "outrider_celery_depth", ("probe", "queue")),
        (("my_pkg.checks:Ftp", "files", "", "gauge", "probe"), "outrider_my_pkg_checks_Ftp_files", ("probe", "probe_")),
    ],
)
def test_reading_families_follow_the_rule(arguments, name, labels):
    """A reading's name is made of its type, its name and its unit, each once; the item is the second label."""
    metric = reading_family(*arguments, "said of it")
    assert (metric.name, metric.labels, metric.help) == (name, labels, "Said of it.")


def test_facts_and_service_families_follow_the_rule():
    """Label names come from people and plug-ins: what Prometheus would refuse is put right, doubles are told apart."""
    assert facts_family("http", ("tls-version", "probe")).labels == ("probe", "tls_version", "probe_")
    assert facts_family("http", ()).name == "outrider_http_info"
    service = service_family(("team", "app.kubernetes.io/part-of", "service", "9p", "", "a-b", "a.b"))
    assert service.name == "outrider_info"
    assert service.labels == ("service", "team", "app_kubernetes_io_part_of", "service_", "_9p", "_", "a_b", "a_b_")
