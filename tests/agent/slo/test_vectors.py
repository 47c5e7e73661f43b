"""The page-quick column of the conformance vectors, attempt by attempt through the whole engine."""

import pytest

from agent.alerting.lifecycle import Lifecycle
from agent.slo.burn import Counts, holds
from tests.agent.slo.stream import bad_while, conditions, edges, first, objective

H, D = 3600, 86400
ALWAYS = bad_while(lambda t: True)


def case(id_, *values):
    """One row of a table, under its id."""
    return pytest.param(*values, id=id_, marks=pytest.mark.case(id_))


@pytest.mark.parametrize(
    ("percent", "step", "end", "options", "fires"),
    [
        case("V01", "99.9", 10, 2 * H, {}, 50),
        case("V02", "99.9", 30, 2 * H, {}, 30),
        case("V03", "99.9", 60, 2 * H, {}, 0),
        case("V04", "99", 30, 2 * H, {}, 510),
        case("V05", "99.99", 30, 2 * H, {}, 0),
        case("V06", "99.5", 15, 2 * H, {}, 255),
        case("V07", "90", 30, 9 * H, {}, None),
        case("V08", "99.9", 30, 2 * H, {"window_seconds": 28 * D}, 30),
    ],
)
def test_outage_fires_at_the_exact_attempt(percent, step, end, options, fires):
    """A full outage from t = 0 fires at the attempt that the exact arithmetic names, or never."""
    assert first(conditions(objective(percent, slot_seconds=step, **options), end, ALWAYS)) == fires


@pytest.mark.parametrize(
    ("bad", "end", "min_bad", "expected"),
    [
        case("V09", lambda t: t < 600, 2 * H, 0, [(30, "F"), (870, "c")]),
        case("V10", lambda t: t < 180, 2 * H, 0, [(30, "F"), (450, "c")]),
        case("V11", lambda t: t == 0, 2 * H, 0, []),
        case("V12", lambda t: t in {0, 3000}, 2 * H, 0, [(3000, "F"), (3300, "c")]),
        case("V12", lambda t: t in {0, 3000}, 2 * H, 3, []),
        case("V13", lambda t: t in {0, 3720}, 3 * H, 0, []),
    ],
)
def test_faults_fire_and_clear_at_the_exact_attempt(bad, end, min_bad, expected):
    """Short faults at 30 s and 99.9 %: fires, clears and stays silent exactly where the vectors say."""
    seen = conditions(objective(slot_seconds=30, min_bad=min_bad), end, bad_while(bad))
    assert edges(seen) == expected


@pytest.mark.parametrize(
    ("bad_per_minute", "fires"), [case("V21", 144, None), case("V22", 145, 59), case("C19", 14449, 59)]
)
def test_a_ratio_on_the_threshold_is_within_budget(bad_per_minute, fires):
    """1.44 % exactly never fires, 1.45 % fires at the last possible minute: strict, and never rounded."""
    per_minute = 10_000 if bad_per_minute < 1000 else 1_000_000
    threshold = objective().threshold

    def window(minute, minutes):
        slots = minutes * per_minute
        return Counts(slots, slots, min(minute + 1, minutes) * bad_per_minute, 0)

    fired = [m for m in range(120) if holds(window(m, 60), window(m, 5), threshold)]
    assert (fired[0] if fired else None) == fires


@pytest.mark.case("V24")
def test_sparse_failures_flap_without_keep_firing_and_not_with_it():
    """One failure in ten minutes makes the bare condition flap; keep_firing_for 15m makes it one episode."""
    seen = conditions(objective(slot_seconds=30), 8400, bad_while(lambda t: t % 600 == 0 and t < 2 * H))
    assert edges(seen)[:6] == [(600, "F"), (900, "c"), (1200, "F"), (1500, "c"), (1800, "F"), (2100, "c")]
    life = Lifecycle(keep_firing_seconds=900)
    told = [(t, change) for t, condition in seen if (change := life.step(condition, t)) is not None]
    assert told == [(600, True), (7800, False)]


@pytest.mark.case("V26")
def test_a_young_agent_does_not_page_on_its_first_attempt():
    """No history, the first attempt fails: expected slots are the denominator, so one bad one is one of many."""
    seen = conditions(objective(slot_seconds=30), 9000, bad_while(lambda t: t == 0), history=False)
    assert edges(seen) == []


@pytest.mark.case("V27")
def test_a_young_agent_pages_as_fast_as_an_old_one():
    """No history and a full outage: the same second as with history."""
    assert first(conditions(objective(slot_seconds=30), 9000, ALWAYS, history=False)) == 30


@pytest.mark.case("V29")
@pytest.mark.parametrize("blind", ["unknown", None], ids=["inconclusive", "silent"])
def test_blindness_is_neither_an_end_nor_a_second_outage(blind):
    """Bad until 1200, the agent blind from 300 to 900: unknown is held over, one fire at 30, one clear at 1470."""

    def what(t):
        return blind if 300 <= t < 900 else "bad" if t < 1200 else "good"

    seen = conditions(objective(slot_seconds=30, stale_after=30), 2640, what)
    assert dict(seen)[600] is None
    assert edges(seen) == [(30, "F"), (1470, "c")]
