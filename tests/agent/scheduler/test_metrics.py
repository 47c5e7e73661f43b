"""Attempts on the metrics page: counted, and nothing shown that is not known."""

import pytest

from agent.health.board import Board, Member
from agent.scheduler.metrics import ProbeMetrics
from probes.base import Kind, Measurement, Probe, Reading, ReadingSpec
from tests.agent.observed import attempt


class Queue(Probe):
    """A kind with a reading by item, a counter, and a fact."""

    readings = {
        "depth": ReadingSpec("Messages waiting.", item="queue"),
        "lag": ReadingSpec("Behind by.", unit="seconds"),
        "lost": ReadingSpec("Messages lost.", kind=Kind.COUNTER),
    }
    facts = ("version",)

    async def check(self, attempt):
        """Never called here."""


@pytest.fixture
def stage():
    """A board and metrics with one probe."""
    board = Board()
    metrics = ProbeMetrics(lambda: board.view(0.0))
    member = Member("db", "queue", steady=True)
    board.enter(member, 0.0)
    metrics.enter(member, Queue)

    def see(*args, **kwargs):
        seen = attempt(*args, **kwargs)
        board.record(seen)
        metrics.observe(seen)

    return metrics, see


def page(metrics):
    """(family, labels) -> value."""
    return {
        (family if isinstance(family, str) else family.name, sample.labels): sample
        for family, samples in metrics.samples()
        for sample in samples
    }


def test_counters_are_there_before_anything_happened(stage):
    """One pass and one fail series at 0, so that the first failure is an increase."""
    shown = page(stage[0])
    for outcome, reason in (("pass", "ok"), ("fail", "read_timeout")):
        key = ("outrider_probe_attempts_total", ("db", "queue", "pooled", "", outcome, reason))
        assert shown[key].value == 0
    assert shown["outrider_probe_state", ("db", "queue", "unknown")].value == 1


def test_exactly_one_state_is_one(stage):
    """The state set follows the state."""
    metrics, see = stage
    see("S", path="pooled")
    states = {labels[2]: s.value for (name, labels), s in page(metrics).items() if name == "outrider_probe_state"}
    assert states == {"unknown": 0, "up": 1, "degraded": 0, "down": 0, "stale": 0, "flapping": 0, "maintenance": 0}
    assert page(metrics)["outrider_probe_up", ("db", "queue")].value == 1


def test_passes_fill_the_histogram_and_failures_do_not(stage):
    """Cumulative buckets, and the sum of what passed."""
    metrics, see = stage
    see("S", seconds=0.02, path="pooled")
    see("W", seconds=0.7, path="pooled")
    see("F", seconds=3.0, path="pooled")
    histogram = page(metrics)["outrider_probe_duration_seconds", ("db", "queue")]
    assert histogram.buckets == (0, 1, 1, 1, 2, 2, 2)
    assert histogram.total == pytest.approx(0.72)
    assert page(metrics)["outrider_probe_last_duration_seconds", ("db",)].value == 3.0


def test_phases_add_up(stage):
    """Seconds by phase over all attempts."""
    metrics, see = stage
    for _ in range(3):
        see("S", path="pooled", measurement=Measurement(phases={"connect": 0.5}))
    assert page(metrics)["outrider_probe_phase_seconds_total", ("db", "connect")].value == 1.5


def test_readings_are_families_by_rule(stage):
    """Unit and `_total` in the name, the item as a label, facts on the info family."""
    metrics, see = stage
    readings = (
        Reading("depth", 7, item="mail"),
        Reading("lag", 2.5, "seconds"),
        Reading("lost", 3, kind=Kind.COUNTER),
        Reading("own", 1.0, item="x"),
    )
    see("S", path="pooled", measurement=Measurement(readings, facts={"version": "9"}))
    shown = page(metrics)
    assert shown["outrider_queue_depth", ("db", "mail")].value == 7
    assert shown["outrider_queue_lag_seconds", ("db",)].value == 2.5
    assert shown["outrider_queue_lost_total", ("db",)].value == 3
    assert shown["outrider_queue_own", ("db", "x")].value == 1
    assert shown["outrider_queue_info", ("db", "9")].value == 1


def test_what_cannot_be_read_is_not_shown_and_a_failure_ends_what_was(stage):
    """No sample for None; a check of a new connection keeps the readings, a failure drops them."""
    metrics, see = stage
    measured = Measurement((Reading("lag", 2.5, "seconds"), Reading("depth", None)))
    see("W", path="pooled", measurement=measured)
    assert ("outrider_queue_depth", ("db",)) not in page(metrics)
    see("S", path="fresh")
    assert ("outrider_queue_lag_seconds", ("db",)) in page(metrics)
    see("F", path="pooled")
    assert ("outrider_queue_lag_seconds", ("db",)) not in page(metrics)


def test_a_probe_that_left_takes_its_series_along(stage):
    """Nothing of it stays, and a late attempt brings nothing back."""
    metrics, see = stage
    metrics.leave("db")
    see("S", path="pooled")
    assert page(metrics) == {}
