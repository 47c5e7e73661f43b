"""The judge: thresholds, rates, concerns, inversion."""

import pytest

from agent.events import Outcome
from agent.health.judge import Bound, Judge
from probes.base import Kind, Measurement, Reading
from probes.reason import Reason


def used(value, item=""):
    return Measurement((Reading("used", value, "ratio", item=item),))


def deadlocks(value):
    return Measurement((Reading("deadlocks", value, kind=Kind.COUNTER),))


WARN = Bound("used", 0.8, above=True, outcome=Outcome.WARN, unit="ratio")
FAIL = Bound("used", 0.98, above=True, outcome=Outcome.FAIL)


@pytest.mark.parametrize(
    ("value", "outcome"), [(0.5, "pass"), (0.8, "pass"), (0.81, "warn"), (0.98, "warn"), (0.99, "fail")]
)
def test_a_bound_is_crossed_strictly_and_the_worst_wins(value, outcome):
    """A value on the limit is good; beyond both limits the worse one speaks."""
    ruling = Judge((WARN, FAIL)).passed(used(value), 0.1, 1.0)
    assert ruling.outcome == outcome
    assert ruling.reason is (Reason.OK if outcome == "pass" else Reason.THRESHOLD)


def test_the_detail_names_reading_item_value_and_limit():
    """A person reads what crossed what."""
    assert Judge((WARN,)).passed(used(0.9, "/data"), 0.1, 1.0).detail == "used[/data] 90 % is above 80 %"


def test_below_is_the_other_side():
    """degraded_below warns when a value falls under its limit."""
    bound = Bound("used", 0.1, above=False, outcome=Outcome.WARN)
    assert Judge((bound,)).passed(used(0.05), 0.1, 1.0).outcome is Outcome.WARN


def test_a_counter_is_compared_as_a_rate():
    """5/min: the first attempt knows no rate, growth is judged, a server restart counts from 0."""
    judge = Judge((Bound("deadlocks", 5 / 60, above=True, outcome=Outcome.WARN, per_second=True),))
    seen = [
        judge.passed(deadlocks(value), 0.1, at).outcome for value, at in [(1000, 0), (1000, 60), (1006, 120), (2, 180)]
    ]
    assert seen == ["pass", "pass", "warn", "pass"]


@pytest.mark.parametrize(("seconds", "outcome"), [(0.2, "pass"), (0.4, "warn")])
@pytest.mark.case("J22")
def test_duration_and_phases_are_readings(seconds, outcome):
    """How long it took, and each phase, can have a threshold like any reading."""
    judge = Judge((Bound("duration", 0.3, above=True, outcome=Outcome.WARN),))
    assert judge.passed(Measurement(), seconds, 1.0).outcome == outcome
    judge = Judge((Bound("phase.tls", 0.3, above=True, outcome=Outcome.WARN),))
    assert judge.passed(Measurement(phases={"tls": seconds}), 0.5, 1.0).outcome == outcome


def test_what_should_be_readable_and_is_not_is_a_warning():
    """A reading without a value warns and says which."""
    ruling = Judge().passed(used(None), 0.1, 1.0)
    assert (ruling.outcome, ruling.reason, ruling.detail) == ("warn", "unreadable", "used cannot be read")


def test_a_concern_is_a_warning_with_its_reason():
    """The probe's own doubt becomes the reason of the attempt."""
    ruling = Judge().passed(Measurement(concerns=(Reason.LINK_DOWN,), detail="no wal receiver"), 0.1, 1.0)
    assert (ruling.outcome, ruling.reason, ruling.detail) == ("warn", "link_down", "no wal receiver")


@pytest.mark.case("A16")
@pytest.mark.parametrize("invert", [False, True])
def test_waiting_is_neither_good_nor_bad(invert):
    """There is nothing to judge yet, whichever way round."""
    ruling = Judge(invert=invert).failed(Reason.WAITING, "no heartbeat came so far")
    assert (ruling.outcome, ruling.reason) == (Outcome.SKIPPED, Reason.WAITING)


def test_inverted_passes_when_the_target_fails():
    """`invert: true`: a failure passes, an answer fails."""
    judge = Judge(invert=True)
    assert judge.failed(Reason.CONNECT_REFUSED, "").outcome is Outcome.PASS
    assert judge.passed(Measurement(), 0.1, 1.0).outcome is Outcome.FAIL
