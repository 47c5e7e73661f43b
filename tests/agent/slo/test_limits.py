"""Readings against a limit: what one attempt says, and when a promise on freshness calls."""

import pytest

from agent.events import Observation, Outcome
from agent.slo.engine import SloEngine
from agent.slo.sli import Limit, Verdict, within
from config.types import Bound
from probes.base import Measurement, Reading
from probes.reason import Reason
from tests.agent.slo.stream import BASE, H, every, first, objective

LAG = Limit("lag", Bound(10.0, "seconds"))
BAD, GOOD, UNKNOWN = Verdict.BAD, Verdict.GOOD, Verdict.UNKNOWN


def seen(*values, outcome=Outcome.PASS, t=0.0, seconds=0.0, **measured):
    """One attempt of `db` that read these values of `lag`, each of an item of its own."""
    readings = tuple(Reading("lag", value, "seconds", item=str(number)) for number, value in enumerate(values))
    found = Measurement((Reading("other", 99.0), *readings), **measured)
    return Observation("db", "x", 1, t - seconds, t, BASE + t, outcome, Reason.OK, measurement=found)


@pytest.mark.parametrize(
    ("attempt", "verdict"),
    [
        (seen(0.0), GOOD),
        (seen(10.0), GOOD),
        (seen(10.001), BAD),
        (seen(float("nan")), BAD),
        (seen(1.0, 9.0), GOOD),
        (seen(1.0, 11.0, 2.0), BAD),
        (seen(11.0, outcome=Outcome.WARN), BAD),
        (seen(1.0, outcome=Outcome.FAIL), GOOD),
        (seen(outcome=Outcome.FAIL), BAD),
        (seen(None, outcome=Outcome.WARN), BAD),
        (seen(1.0, None), BAD),
        (seen(), None),
        (seen(outcome=Outcome.WARN), None),
        (seen(1.0, outcome=Outcome.INCONCLUSIVE), UNKNOWN),
        (seen(outcome=Outcome.SKIPPED), UNKNOWN),
    ],
)
def test_one_attempt_says(attempt, verdict):
    """On the limit is good; the worst item decides; what the target did not say is bad, what was not asked nothing."""
    assert within(LAG, attempt) is verdict


@pytest.mark.parametrize(
    ("reading", "attempt", "verdict"),
    [
        ("duration", seen(seconds=0.25), GOOD),
        ("duration", seen(seconds=0.5), BAD),
        ("duration", seen(seconds=0.001, outcome=Outcome.FAIL), BAD),
        ("duration", seen(seconds=0.001, outcome=Outcome.INCONCLUSIVE), UNKNOWN),
        ("phase.connect", seen(phases={"connect": 0.1, "tls": 0.9}), GOOD),
        ("phase.tls", seen(phases={"connect": 0.1, "tls": 0.9}), BAD),
        ("phase.connect", seen(phases={"connect": 0.1}, outcome=Outcome.FAIL), BAD),
        ("phase.connect", seen(phases={"query": 0.1}), None),
    ],
)
def test_time_is_a_reading_of_what_passed(reading, attempt, verdict):
    """What fails fast is not fast; an attempt without that phase says nothing of it."""
    assert within(Limit(reading, Bound(0.25, "seconds")), attempt) is verdict


def last_update_at_0(t):
    """The age of what was written at 0."""
    return seen(float(max(0, t)), t=t)


@pytest.mark.case("V31")
def test_what_grows_old_calls_at_the_exact_attempt():
    """Sampled each 60 s against 900 s: 960 is the first bad sample, and each pair fires where the vector says."""
    fresh = objective("99", slot_seconds=60, reads=Limit("lag", Bound(900.0, "seconds")))
    engine, said = SloEngine([fresh]), []
    for t in range(-6 * H, 3 * H, 60):
        engine.observe(last_update_at_0(t))
        said.append((t, every(engine.tick(BASE + t)[1][0])))
    assert [first([(t, each[pair]) for t, each in said]) for pair in range(4)] == [1440, 2220, 3540, 3540]


@pytest.mark.case("V31")
def test_freshness_does_not_look_good_because_the_database_is_down():
    """Ages that nobody can read are bad: an outage calls as soon as old ones would."""
    fresh = objective("99", slot_seconds=60, reads=Limit("lag", Bound(900.0, "seconds")))
    engine, said = SloEngine([fresh]), []
    for t in range(-6 * H, H, 60):
        engine.observe(seen(5.0, t=t) if t < 960 else seen(t=t, outcome=Outcome.FAIL))
        said.append((t, every(engine.tick(BASE + t)[1][0])))
    assert first([(t, each[0]) for t, each in said]) == 1440


def test_an_attempt_that_did_not_measure_it_ends_nothing():
    """Another replica reads for all: what was known holds for a while, and is unknown after that, never bad."""
    engine = SloEngine([objective("99", reads=LAG, stale_after=60.0)])
    engine.observe(seen(1.0, t=0))
    for t in range(10, 301, 10):
        engine.observe(seen(t=t))
    row = engine.tick(BASE + 300)[1][0]
    assert (row.period.known, row.period.bad) == (6, 0)
    assert row.last.at == BASE + 300


def test_each_objective_on_a_probe_has_its_own_verdict():
    """One probe, up and behind: its availability is good, its freshness bad."""
    engine = SloEngine([objective(name="up"), objective(name="fresh", reads=LAG)])
    engine.observe(seen(11.0))
    assert [row.period.bad for row in engine.evaluations()] == [0, 1]
    assert [row["sli"] for row in engine.view()] == ["probe db", "db.lag within 10s"]
