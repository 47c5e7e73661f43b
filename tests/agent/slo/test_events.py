"""Objectives over requests: exact counts, windows, and what is called for."""

import json
import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.slo.burn import Counts
from agent.slo.engine import SloEngine
from agent.slo.events import EventTrack, entry_seconds
from agent.slo.objective import Objective, Requests
from config.sections.sli import Sli, SpanSli
from config.sections.slos import Slo
from config.types import Bound, Ratio
from exporters.contract import METRICS
from tests.agent.slo.stream import BASE, attempt, objective, quick

WINDOWS = (3600, 300)
PERIOD = 86400
STORY = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(0, 9000), st.just(3 * PERIOD)),  # seconds since the one before
        st.one_of(st.none(), st.tuples(st.integers(0, 5000), st.integers(0, 50))),  # None: only time passes
    ),
    min_size=1,
    max_size=60,
)


def requests(percent="99.9", **options):
    """An objective on all server spans."""
    return objective(percent, **({"name": "web", "probe": "", "requests": Requests()} | options))


def serve(engine, start, end, good=10, bad=0, step=5):
    """So many requests each `step` seconds, judged each time; returns [(t, condition)]."""
    seen = []
    for t in range(start, end, step):
        engine.count("web", good, bad, BASE + t)
        seen.append((t, quick(engine.tick(BASE + t)[1][0])))
    return seen


def first(seen):
    """When it fires first; None for never."""
    return next((t for t, condition in seen if condition), None)


@settings(deadline=None)
@given(STORY)
def test_sums_equal_a_count_of_everything(steps):
    """However requests fall and time jumps, every window and the period hold exactly what was told."""
    track, now, told, watched = EventTrack(WINDOWS, PERIOD), 1_767_225_607, [], set()
    for wait, counts in steps:
        now += wait
        watched.add(now // 10)
        if counts is None:
            track.advance(now)
        else:
            told.append((now // 10, *counts))
            track.count(*counts, now)
    for window in WINDOWS:
        inside = [each for each in told if each[0] > now // 10 - window // 10]
        total, bad = sum(good + bad for _, good, bad in inside), sum(bad for _, _, bad in inside)
        there = sum(slot > now // 10 - window // 10 for slot in watched)
        assert track.window(window) == Counts(total, total, bad, bad, there, window // 10)
    kept = [each for each in told if each[0] // 30 > now // 300 - PERIOD // 300]
    bad = sum(bad for _, _, bad in kept)
    assert (track.period().total, track.period().bad) == (sum(good for _, good, _ in kept) + bad, bad)
    assert track.events == sum(good + bad for _, good, bad in told)
    assert track.bad_events == sum(bad for _, _, bad in told)


def test_exactly_on_budget_is_within_budget():
    """At 99 % and factor 14.4, 144 of 1,000 requests do not fire and 145 do."""
    for bad, condition in ((144, False), (145, True)):
        engine = SloEngine([requests("99")])
        serve(engine, -3600, 0, good=0)
        engine.count("web", 1000 - bad, bad, BASE)
        (row,) = engine.tick(BASE)[1]
        assert quick(row) is condition
        assert row.burn(3600) == Fraction(bad, 10)


def test_an_outage_pages_after_a_minute_and_the_page_ends_five_minutes_later():
    """In steady traffic the arithmetic of time holds: 51.84 s to fire, clear once five minutes are clean."""
    engine = SloEngine([requests(min_bad=3)])
    assert first(serve(engine, -3600, 0)) is None
    assert first(serve(engine, 0, 300, good=0, bad=10)) == 50
    seen = serve(engine, 300, 1200)
    assert [t for t, condition in seen if condition][-1] == 300 + 285


@pytest.mark.case("G9")
def test_a_young_agent_pages_for_an_outage_and_not_for_a_blip():
    """Three failures among the first five requests call nobody; an outage calls as soon as it would any other day."""
    blip = SloEngine([requests(min_bad=3)])
    blip.count("web", 2, 3, BASE)
    assert quick(blip.tick(BASE)[1][0]) is False
    assert first(serve(blip, 5, 3600)) is None
    assert first(serve(SloEngine([requests(min_bad=3)]), 0, 300, good=0, bad=10)) == 50


def test_no_traffic_is_not_recovery():
    """A window without a request tells nothing: the condition is None, neither true nor false."""
    engine = SloEngine([requests()])
    serve(engine, -3600, 0)
    serve(engine, 0, 120, bad=10)
    assert [quick(engine.tick(BASE + t)[1][0]) for t in (400, 405, 410, 420)] == [True, True, None, None]


def test_few_failures_and_few_requests_call_nobody():
    """`min_bad` failures are needed in the last hour, and `min_events` requests."""
    for options in ({"min_bad": 4}, {"min_events": 11}):
        engine = SloEngine([requests(**options)])
        serve(engine, -3600, 0, good=0)
        engine.count("web", 7, 3, BASE)
        assert quick(engine.tick(BASE)[1][0]) is False
        engine.count("web", 0, 1, BASE)
        assert quick(engine.tick(BASE)[1][0]) is True


def test_slots_that_nobody_watched_weigh_nothing():
    """After an hour's gap in the agent's life, failures count as they would with traffic and no fault in the gap."""
    engine = SloEngine([requests()])
    serve(engine, -7200, -3600)
    (row,) = serve(engine, 0, 5, good=5, bad=5) and engine.evaluations()
    assert (row.windows[3600].watched, row.windows[3600].whole, row.windows[3600].total) == (1, 360, 10)
    assert row.windows[3600].ratio == Fraction(1, 720)


@pytest.mark.case("I6")
def test_families_are_whole_before_the_first_request():
    """Counters are there with 0, so that the first failure is an increase by 1; labels follow the contract."""
    engine = SloEngine([requests(runbook_url="https://runbooks.example/web")])
    before = {name: list(samples) for name, samples in engine.samples()}
    assert before["outrider_slo_events_total"] == [(("shop", "web"), 0)]
    assert before["outrider_slo_bad_events_total"] == [(("shop", "web"), 0)]
    engine.count("web", 0, 1, BASE)
    after = {name: list(samples) for name, samples in engine.samples()}
    assert after["outrider_slo_bad_events_total"] == [(("shop", "web"), 1)]
    for name, samples in after.items():
        assert all(len(sample.labels) == len(METRICS[name].labels) for sample in samples)


def test_the_view_says_what_is_counted():
    """Requests and probes are shown alike; only one of them has a probe."""
    engine = SloEngine([requests(requests=Requests(route="/checkout", within=0.3)), objective()])
    engine.count("web", 990, 10, BASE)
    web, db = json.loads(json.dumps(engine.view(), allow_nan=False))
    assert (web["sli"], web["probe"]) == ("server spans of /checkout within 300ms", None)
    assert (web["events"], web["bad_events"], web["unknown_events"]) == (1000, 10, 0)
    assert (db["sli"], db["probe"]) == ("probe db", "db")


def test_each_objective_has_its_own_source():
    """Requests do not count for a probe's objective, attempts not for requests, and nothing for one that is gone."""
    engine = SloEngine([requests(), objective()])
    engine.count("db", 0, 5, BASE)
    engine.count("gone", 0, 5, BASE)
    engine.observe(attempt(0, "bad"))
    assert [row.period.bad for row in engine.evaluations()] == [0, 1]


def test_a_reload_keeps_counts_where_the_requests_are_the_same():
    """Another target keeps them; another route or limit starts anew."""
    engine = SloEngine([requests()])
    engine.count("web", 5, 5, BASE)
    engine.configure([requests("99")])
    assert engine.evaluations()[0].period.bad == 5
    engine.configure([requests(requests=Requests(within=0.5))])
    assert engine.evaluations()[0].period.bad == 0


def test_memory_is_small_and_fixed():
    """90 days of requests take less than 100 KB, and a million requests not a byte more."""
    track = EventTrack((300, 3600, 1800, 21600, 7200, 86400, 259200), 90 * 86400)

    def size():
        return sum(sys.getsizeof(column) for ring in (track._fine, track._coarse) for column in ring.columns)

    before = size()
    track.count(900_000, 100_000, BASE)
    assert size() == before < 100_000


@pytest.mark.parametrize(
    ("days", "windows", "step"),
    [(30, (3600, 86400), 300), (60, (3600, 86400), 600), (90, (3600, 86400), 900), (90, (3600, 87000), 600)],
)
def test_long_periods_are_counted_in_longer_steps(days, windows, step):
    """Those that divide them and their windows; what falls out of the period leaves it whole, also after a restart."""
    track, period = EventTrack(windows, days * 86400), days * 86400
    for at in (0, step, period - 10, period, period + step):
        track.count(9, 1, BASE + at)
        again = EventTrack(windows, period)
        again.restore(BASE + at, *track.dump(0))
        assert again.period() == track.period()
        left = {0: 1, step: 2, period - 10: 3, period: 3, period + step: 3}[at]
        assert (track.period().bad, track.period().total) == (left, 10 * left)
    assert entry_seconds(period, windows) == step


def test_from_the_file():
    """The file's words become the engine's; the limit in seconds."""
    sli = Sli(spans=SpanSli(kind="consumer", route="orders"), within=Bound(0.25, "seconds"))
    made = Objective.of("queue", "shop", Slo(objective=Ratio.parse("99%"), sli=sli))
    assert (made.probe, made.requests) == ("", Requests("consumer", "orders", 0.25))
    assert made.sli == "consumer spans of orders within 250ms"


def test_an_objective_counts_one_thing():
    """Neither both nor none."""
    for wrong in ({"probe": "db"}, {"requests": None}):
        with pytest.raises(ValueError, match="counts one thing"):
            requests(**wrong)
