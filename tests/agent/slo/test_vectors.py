"""The conformance vectors, attempt by attempt through the whole engine, for all four pairs."""

import pytest

from agent.alerting.lifecycle import Lifecycle
from agent.slo.burn import Counts, holds
from agent.slo.engine import SloEngine
from agent.slo.objective import Requests
from agent.slo.windows import workbook
from exporters.base import Severity
from tests.agent.slo.stream import BASE, D, H, bad_while, by_pair, conditions, edges, every, first, objective

ALWAYS = bad_while(lambda t: True)


def case(id_, *values):
    """One row of a table, under its id."""
    return pytest.param(*values, id=id_, marks=pytest.mark.case(id_))


def firsts(seen):
    """When each pair fires first; None for never."""
    return [first([(t, said[number]) for t, said in seen]) for number in range(len(seen[0][1]))]


@pytest.mark.parametrize(
    ("percent", "step", "end", "options", "fires"),
    [
        case("V01", "99.9", 10, H, {}, [50, 120, 250, 250]),
        case("V02", "99.9", 30, H, {}, [30, 120, 240, 240]),
        case("V03", "99.9", 60, H, {}, [0, 120, 240, 240]),
        case("V04", "99", 30, H, {}, [510, 1290, 2580, 2580]),
        case("V05", "99.99", 30, H, {}, [0, 0, 0, 0]),
        case("V06", "99.5", 15, H, {}, [255, 645, 1290, 1290]),
        case("V07", "90", 30, 9 * H, {}, [None, 12960, 25920, 25920]),
        case("V08", "99.9", 30, H, {"window_seconds": 28 * D}, [30, 120, 240, 240]),
    ],
)
def test_outage_fires_at_the_exact_attempt(percent, step, end, options, fires):
    """A full outage from t = 0 fires each pair at the attempt that the exact arithmetic names, or never."""
    assert firsts(conditions(objective(percent, slot_seconds=step, **options), end, ALWAYS, said=every)) == fires


@pytest.mark.parametrize(
    ("bad", "end", "min_bad", "expected"),
    [
        case(
            "V09",
            lambda t: t < 600,
            23_000,
            0,
            [
                [(30, "F"), (870, "c")],
                [(120, "F"), (2370, "c")],
                [(240, "F"), (7770, "c")],
                [(240, "F"), (22170, "c")],
            ],
        ),
        case("V10", lambda t: t < 180, 2 * H, 0, [[(30, "F"), (450, "c")], [(120, "F"), (1950, "c")], [], []]),
        case("V11", lambda t: t == 0, 2 * H, 0, [[], [], [], []]),
        case("V12", lambda t: t in {0, 3000}, 2 * H, 0, [[(3000, "F"), (3300, "c")], [], [], []]),
        case("V12", lambda t: t in {0, 3000}, 2 * H, 3, [[], [], [], []]),
        case("V13", lambda t: t in {0, 3720}, 3 * H, 0, [[], [], [], []]),
    ],
)
def test_faults_fire_and_clear_at_the_exact_attempt(bad, end, min_bad, expected):
    """Short faults at 30 s and 99.9 %: each pair fires, clears and stays silent exactly where the vectors say."""
    target = objective(slot_seconds=30, min_bad=min_bad)
    assert by_pair(conditions(target, end, bad_while(bad), said=every)) == expected


@pytest.mark.case("V09")
@pytest.mark.parametrize(("severity", "expected"), [("page", (30, 2370)), ("ticket", (240, 22170))])
def test_one_pair_of_a_severity_is_enough(severity, expected):
    """The page is out as long as either of its pairs holds, and so is the ticket."""

    def said(row):
        return row.condition(Severity(severity))

    fire, clear = expected
    seen = conditions(objective(slot_seconds=30), 23_000, bad_while(lambda t: t < 600), said=said)
    assert edges(seen) == [(fire, "F"), (clear, "c")]


def minutes(end, bad, total=lambda m: 10_000):
    """What each pair says at the end of each minute of requests."""
    engine = SloEngine([objective(probe="", requests=Requests())])
    seen = []
    for minute in range(end + 1):
        count = total(minute)
        engine.count("db", count - bad(minute), bad(minute), BASE + minute * 60)
        for part in range(10, 60, 10):
            at = BASE + minute * 60 + part
            rows = engine.tick(at)[1] if part == 50 else engine.count("db", 0, 0, at)
        seen.append((minute, every(rows[0])))
    return seen


@pytest.mark.parametrize(
    ("bad", "fires"),
    [
        case("V14", 500, [17, 43, 86, 86]),
        case("V15", 100, [None, 216, 432, 432]),
        case("V16", 50, [None, None, 864, 864]),
        case("V17", 20, [None, None, None, 2160]),
        case("V18", 11, [None, None, None, 3927]),
        case("V19", 10, [None] * 4),
        case("V20", 9, [None] * 4),
    ],
)
def test_a_steady_share_of_failed_requests_fires_at_the_exact_minute(bad, fires):
    """From 5 % down to what is on budget: the minute that the closed form names, or never."""
    assert firsts(minutes(4000, lambda minute: bad)) == fires


@pytest.mark.case("V23")
def test_half_an_hour_of_failed_requests_ends_pair_by_pair():
    """Each pair ends once its short window is clean enough."""
    assert by_pair(minutes(400, lambda minute: 10_000 if minute < 30 else 0)) == [
        [(0, "F"), (34, "c")],
        [(2, "F"), (59, "c")],
        [(4, "F"), (149, "c")],
        [(4, "F"), (389, "c")],
    ]


@pytest.mark.case("V28")
def test_no_traffic_does_not_end_a_page():
    """Ten bad minutes, then silence: nobody can tell any more, and nothing says that it is over."""
    seen = minutes(180, lambda m: 100 if m < 10 else 0, lambda m: 100 if m < 10 else 0)
    quickest = [(minute, said[0]) for minute, said in seen]
    assert edges(quickest) == [(0, "F")]
    assert dict(quickest)[13] is True
    assert dict(quickest)[14] is None


@pytest.mark.case("V30")
def test_one_replica_of_three_in_pooled_requests():
    """A third of all fails: the pooled view fires later than the replica that is blind."""
    engine = SloEngine([objective(probe="", requests=Requests(), slot_seconds=30)])
    seen = []
    for t in range(0, 1200, 30):
        engine.count("db", 2, 1, BASE + t)
        seen.append((t, every(engine.tick(BASE + t)[1][0])))
    assert firsts(seen) == [150, 360, 750, 750]


@pytest.mark.case("V31")
def test_a_stale_source_fires_at_the_exact_attempt():
    """Sampled each minute, too old from 960 s on, 99 %."""
    seen = conditions(objective("99", slot_seconds=60), 2 * H, bad_while(lambda t: t > 900), said=every)
    assert firsts(seen) == [1440, 2220, 3540, 3540]


@pytest.mark.parametrize(
    ("bad_per_minute", "fires"), [case("V21", 144, None), case("V22", 145, 59), case("C19", 14449, 59)]
)
def test_a_ratio_on_the_threshold_is_within_budget(bad_per_minute, fires):
    """1.44 % exactly never fires, 1.45 % fires at the last possible minute: strict, and never rounded."""
    per_minute = 10_000 if bad_per_minute < 1000 else 1_000_000
    threshold = workbook(30 * D)[0].threshold(objective().budget)

    def window(minute, length):
        slots = length * per_minute
        return Counts(slots, slots, min(minute + 1, length) * bad_per_minute, 0)

    fired = [m for m in range(120) if holds(window(m, 60), window(m, 5), threshold)]
    assert (fired[0] if fired else None) == fires


@pytest.mark.case("V24")
def test_sparse_failures_flap_without_keep_firing_and_not_with_it():
    """One failure in ten minutes makes the bare condition flap; keep_firing_for 15m makes it one episode."""
    seen = conditions(objective(slot_seconds=30), 8400, bad_while(lambda t: t % 600 == 0 and t < 2 * H), said=every)
    quickest, slow, *_ = by_pair(seen)
    assert quickest[:6] == [(600, "F"), (900, "c"), (1200, "F"), (1500, "c"), (1800, "F"), (2100, "c")]
    assert slow[0] == (2400, "F")
    life = Lifecycle(keep_firing_seconds=900)
    told = [(t, change) for t, said in seen if (change := life.step(said[0], t)) is not None]
    assert told == [(600, True), (7800, False)]


@pytest.mark.case("V25")
def test_sampling_makes_the_slow_pair_flap_and_keep_firing_ends_that():
    """A steady 1 % at 10 s: 33 changes in eight hours; with its short window as keep_firing_for one alert."""
    seen = conditions(objective(slot_seconds=10), 8 * H - 10, bad_while(lambda t: t % 1000 == 0), said=every)
    slow = by_pair(seen)[1]
    assert slow[:4] == [(12000, "F"), (12800, "c"), (13000, "F"), (13800, "c")]
    assert len(slow) == 33
    life = Lifecycle(keep_firing_seconds=1800)
    assert [(t, change) for t, said in seen if (change := life.step(said[1], t)) is not None] == [(12000, True)]


@pytest.mark.case("V26")
def test_a_young_agent_does_not_page_on_its_first_attempt():
    """No history, the first attempt fails: expected slots are the denominator, so one bad one is one of many."""
    seen = conditions(objective(slot_seconds=30), 9000, bad_while(lambda t: t == 0), history=False, said=every)
    assert by_pair(seen) == [[], [], [], []]


@pytest.mark.case("V27")
def test_a_young_agent_pages_as_fast_as_an_old_one():
    """No history and a full outage: the same second as with history."""
    seen = conditions(objective(slot_seconds=30), 9000, ALWAYS, history=False, said=every)
    assert firsts(seen) == [30, 120, 240, 240]


@pytest.mark.case("V29")
@pytest.mark.parametrize("blind", ["unknown", None], ids=["inconclusive", "silent"])
def test_blindness_is_neither_an_end_nor_a_second_outage(blind):
    """Bad until 1200, the agent blind from 300 to 900: unknown is held over, one fire at 30, one clear at 1470."""

    def what(t):
        return blind if 300 <= t < 900 else "bad" if t < 1200 else "good"

    seen = conditions(objective(slot_seconds=30, stale_after=30), 2640, what)
    assert dict(seen)[630] is None
    assert edges(seen) == [(30, "F"), (1470, "c")]
