"""A snapshot keeps what is sound, leaves off what is not, and counts it."""

import logging

import pytest

from exporters import prometheus
from exporters.base import Histogram, Sample
from exporters.contract import METRICS, Metric
from exporters.exposition import OPENMETRICS, TEXT, encoded
from exporters.families import facts_family, reading_family
from exporters.prometheus import LABEL_LIMIT, label, snapshot
from tests.exporters.sources import Everything, Told

READY = ("outrider_ready", [Sample((), 1)])


def text(*sources, **settings):
    """The page in the text format, in one go."""
    return b"".join(encoded(snapshot(sources, **settings), TEXT, 10**9)).decode()


def left_off(page):
    """Count by reason, as the page itself tells."""
    found = {}
    for line in page.splitlines():
        if line.startswith("outrider_metrics_left_off{"):
            found[line.split('"')[1]] = float(line.split()[-1])
    return found


def test_every_family_of_the_contract_reaches_the_page():
    """No name of the table is lost on its way, and nothing is left off."""
    page = text(Everything())
    assert all(f"# TYPE {metric.name} {metric.kind}\n" in page for metric in METRICS.values())
    assert left_off(page) == {"duplicate": 0, "malformed": 0, "source": 0}


def test_sources_of_one_family_are_merged():
    """Two sources, or one that comes twice, share one HELP and one TYPE."""
    one = Told([("outrider_probe_up", [Sample(("a", "http"), 1)])])
    two = Told([("outrider_probe_up", [Sample(("b", "http"), 0)]), ("outrider_probe_up", [Sample(("c", "http"), 1)])])
    page = text(one, two)
    assert page.count("# TYPE outrider_probe_up gauge") == 1
    assert [line for line in page.splitlines() if line.startswith("outrider_probe_up{")] == [
        'outrider_probe_up{probe="a",type="http"} 1.0',
        'outrider_probe_up{probe="b",type="http"} 0.0',
        'outrider_probe_up{probe="c",type="http"} 1.0',
    ]


def test_contract_order_first_then_rule_made_by_name():
    """The page reads the same whatever order the sources come in."""
    families = [
        (facts_family("redis", ("role",)), [Sample(("cache", "master"), 1)]),
        (reading_family("memory", "used", "ratio", "gauge", "", "Used."), [Sample(("memory",), 0.5)]),
        READY,
        ("outrider_probe_up", [Sample(("a", "http"), 1)]),
    ]
    forward, backward = text(Told(families)), text(Told(reversed(families)))
    assert forward == backward
    assert [line.split()[2] for line in forward.splitlines() if line.startswith("# TYPE")] == [
        "outrider_probe_up",
        "outrider_ready",
        "outrider_memory_used_ratio",
        "outrider_redis_info",
        "outrider_metrics_left_off",
    ]


def test_a_family_without_samples_is_not_shown():
    """HELP and TYPE with nothing under them tell nobody anything."""
    assert "outrider_probe_up" not in text(Told([("outrider_probe_up", [])]))


def test_doubles_keep_the_first_and_are_counted():
    """A series twice makes Prometheus refuse the whole page."""
    twice = [Sample(("a", "http"), 1), Sample(("a", "http"), 0)]
    page = text(Told([("outrider_probe_up", twice)]), Told([("outrider_probe_up", twice)]))
    assert page.count("outrider_probe_up{") == 1
    assert 'outrider_probe_up{probe="a",type="http"} 1.0' in page
    assert left_off(page)["duplicate"] == 3


def test_values_that_cleaning_makes_equal_are_doubles():
    """Two endless values that differ after the limit must not become one series twice."""
    long = "x" * LABEL_LIMIT
    page = text(Told([("outrider_task_restarts_total", [Sample((f"{long}1",), 1), Sample((f"{long}2",), 1)])]))
    assert left_off(page)["duplicate"] == 1


@pytest.mark.parametrize(
    ("family", "sample"),
    [
        ("outrider_no_such", Sample((), 1)),
        (Metric("outrider_ready", "counter", "Not what the table says."), Sample((), 1)),
        (Metric("outrider bad", "gauge", "A name no parser takes."), Sample((), 1)),
        (Metric("up", "gauge", "Not ours to say."), Sample((), 1)),
        (Metric("outrider_x", "gauge", "A label no parser takes.", ("a.b",)), Sample(("v",), 1)),
        (Metric("outrider_x", "gauge", "One label twice.", ("a", "a")), Sample(("v", "w"), 1)),
        (Metric("outrider_x", "gauge", "The histograms' own label.", ("le",)), Sample(("v",), 1)),
        ("outrider_probe_up", Sample(("a",), 1)),
        ("outrider_probe_up", Sample(("a", 7), 1)),
        ("outrider_probe_up", Sample(("a", None), 1)),
        ("outrider_probe_up", Histogram(("a", "http"), (1,), 1)),
        ("outrider_probe_up", Sample(("a", "http"), None)),
        ("outrider_probe_up", Sample(("a", "http"), "many")),
        ("outrider_probe_up", Sample(("a", "http"), 10**400)),
        ("outrider_probe_up", 3),
        ("outrider_probe_duration_seconds", Sample(("a", "http"), 1)),
        ("outrider_probe_duration_seconds", Histogram(("a", "http"), (1, 2), 1)),
    ],
)
def test_malformed_samples_cost_themselves_alone(family, sample):
    """Whatever a plug-in hands over, the other families stand and the fault is counted."""
    page = text(Told([READY, (family, [sample])]))
    assert "outrider_ready 1.0" in page
    assert left_off(page) == {"duplicate": 0, "malformed": 1, "source": 0}


def test_families_that_clash_in_openmetrics_are_malformed():
    """There a counter's family name has no `_total`, so a gauge of that name would be the same family again."""
    counter = reading_family("x", "jobs", "", "counter", "", "Counted.")
    gauge = reading_family("x", "jobs", "", "gauge", "", "Now.")
    page = text(Told([(counter, [Sample(("a",), 1)]), (gauge, [Sample(("a",), 2)])]))
    assert "outrider_x_jobs_total" in page
    assert left_off(page)["malformed"] == 1


class Broken:
    """Says one thing and falls over."""

    def samples(self):
        """One family, then an exception."""
        yield "outrider_live", [Sample((), 1)]
        raise RuntimeError("out of order")


def test_a_source_that_fails_is_counted_and_logged_once(caplog, monkeypatch):
    """What it had said stays, the other sources are heard, and the log is not filled with every scrape."""
    monkeypatch.setattr(prometheus, "_told", set())
    with caplog.at_level(logging.ERROR):
        pages = [text(Broken(), Told([READY])) for _ in range(3)]
    assert all("outrider_live 1.0" in page and "outrider_ready 1.0" in page for page in pages)
    assert [left_off(page)["source"] for page in pages] == [1, 1, 1]
    assert len(caplog.records) == 1
    assert "Broken" in caplog.text
    assert "out of order" in caplog.text


def test_slices_can_be_made_twice():
    """Encoding changes nothing in the snapshot: faults are not counted again."""
    now = snapshot([Told([("outrider_ready", [Sample((), 1), Sample((), 1)])])])
    assert b"".join(encoded(now, TEXT, 1)) == b"".join(encoded(now, TEXT, 1))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("Grüße ✓ 日本", "Grüße ✓ 日本"),
        ("a\ud800b", "a\ufffdb"),
        ("a\0b\rc\x1b[31m", "a b c [31m"),
        ("two\nlines", "two lines"),
    ],
)
def test_labels_are_cleaned(given, shown):
    """Text from outside cannot break the page; text in any language stays."""
    assert label(given) == shown


def test_labels_are_bounded():
    """A megabyte in one label is a megabyte in every scrape."""
    assert len(label("x" * 10**6)) == LABEL_LIMIT


def test_blackbox_names_are_off_until_asked_for():
    """They double series: only who needs them pays."""
    assert "\nprobe_" not in text(Everything())


def test_blackbox_names_say_ours_again(monkeypatch):
    """Dashboards made for blackbox_exporter find the same values; expiry becomes a point in time."""
    monkeypatch.setattr(prometheus.time, "time", lambda: 1000.0)
    expiry = reading_family("http", "certificate_expiry", "seconds", "gauge", "", "Left.")
    page = text(
        Told(
            [
                ("outrider_probe_up", [Sample(("app", "http"), 1)]),
                ("outrider_probe_last_duration_seconds", [Sample(("app",), 0.25)]),
                (reading_family("http", "status", "", "gauge", "", "Code."), [Sample(("app",), 204)]),
                (expiry, [Sample(("app",), 500.5)]),
            ]
        ),
        blackbox_names=True,
    )
    assert 'probe_success{probe="app"} 1.0' in page
    assert 'probe_duration_seconds{probe="app"} 0.25' in page
    assert 'probe_http_status_code{probe="app"} 204.0' in page
    assert 'probe_ssl_earliest_cert_expiry{probe="app"} 1500.5' in page
    assert "probe_http_redirects" not in page
    assert left_off(page) == {"duplicate": 0, "malformed": 0, "source": 0}


def test_openmetrics_tells_units():
    """Units are metadata there, and must agree with the name."""
    page = b"".join(encoded(snapshot([Everything()]), OPENMETRICS, 10**9)).decode()
    assert "# UNIT outrider_probe_duration_seconds seconds\n" in page
    assert "# UNIT outrider_slo_objective_ratio ratio\n" in page
