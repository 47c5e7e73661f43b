"""Counters and histograms of a page become events: what grew, what fell, what was never there, what cannot be."""

import asyncio
import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as Observed

from agent.events import Observation, Outcome
from agent.slo.counters import Counters, Growth, Histogram
from agent.slo.engine import SloEngine
from config.types import Bound
from exporters.contract import METRICS
from probes.base import Buckets, Kind, Measurement, Reading
from probes.prometheus.options import Series
from probes.prometheus.page import read
from probes.prometheus.select import Selection
from tests.agent.slo.stream import BASE, objective, quick

ERRORS = Counters("errors", "requests")
LATENCY = Histogram("latency", Bound(0.3, "seconds"))


def seen(number, bad=None, total=None, *, buckets=None, outcome=Outcome.PASS):
    """One attempt of the probe `db`, each 10 s; None: the page does not have the series."""
    counters = [("errors", bad), ("requests", total)]
    readings = tuple(Reading(name, value, kind=Kind.COUNTER) for name, value in counters)
    found = Measurement(readings, histograms={"latency": buckets} if buckets else {})
    t = 10.0 * number
    return Observation("db", "prometheus", number, t, t, BASE + t, outcome, measurement=found)


def told(reads, *attempts):
    """(good, bad) of each attempt, and what follows them."""
    growth = Growth(reads)
    return [growth.take(each) for each in attempts], growth


def counted(*pairs):
    """The same for pairs of bad and total."""
    return told(ERRORS, *(seen(number, *pair) for number, pair in enumerate(pairs, 1)))


def buckets(within, total, bounds=(0.1, 0.3, math.inf)):
    """A histogram of which so many observations were at most 300 ms, none of them at most 100 ms."""
    return Buckets(bounds, (0.0, within, total)[-len(bounds) :])


@pytest.mark.case("C17")
def test_a_counter_that_falls_began_again():
    """100, 110, 120, 5, 15: first nothing, then 10, 10, 5 and 10."""
    rows, growth = counted((0, 100), (0, 110), (0, 120), (0, 5), (0, 15))
    assert rows == [(0, 0), (10, 0), (10, 0), (5, 0), (10, 0)]
    assert not growth.problem


@pytest.mark.case("P03")
def test_a_series_that_was_never_made_has_counted_nothing():
    """Requests without a series of errors are good; the first error there is counts."""
    rows, _ = counted((None, 100), (None, 110), (3, 120), (None, 130), (4, 140))
    assert rows == [(0, 0), (10, 0), (7, 3), (10, 0), (9, 1)]


def test_without_a_total_there_are_no_events():
    """Also a failed attempt tells of none; what grew meanwhile is counted with the next."""
    rows, _ = counted((1, 10), (2, None), (3, 30))
    assert rows == [(0, 0), None, (18, 2)]


def test_an_error_may_be_counted_later_than_its_request():
    """A request that hangs is a request at once and an error when it ends: it was good and is bad."""
    rows, growth = counted((0, 0), (0, 1), (1, 1), (1, 2), (2, 2))
    assert rows == [(0, 0), (1, 0), (-1, 1), (1, 0), (-1, 1)]
    assert (growth.corrupt, growth.problem) == (0, "")


def test_more_errors_than_requests_cannot_be():
    """Then all requests are bad, and no more than there were; it is counted, and told until it is right again."""
    rows, growth = counted((0, 0), (8, 5), (10, 6))
    assert rows == [(0, 0), (0, 5), (0, 1)]
    assert growth.corrupt == 2
    assert growth.problem.startswith("errors of requests: there are more bad events than events")
    assert growth.take(seen(4, 10, 20)) == (14, 0)
    assert (growth.corrupt, growth.problem) == (2, "")


def test_a_probe_that_begins_anew_has_sums_of_its_own():
    """Attempts count from 1 again: what its counters say then is where they begin."""
    rows, _ = told(ERRORS, seen(1, 0, 100), seen(2, 0, 110), seen(1, 0, 9000), seen(2, 1, 9010))
    assert rows == [(0, 0), (10, 0), (0, 0), (9, 1)]


def test_what_another_replica_has_counted_is_not_counted_again():
    """While another one reads for all this one does not ask; what grew until it asks again is not its own."""
    unasked = replace(seen(3), measurement=Measurement())
    rows, _ = told(ERRORS, seen(1, 0, 0), seen(2, 0, 10), unasked, seen(4, 0, 40), seen(5, 0, 50))
    assert rows == [(0, 0), (10, 0), None, (0, 0), (10, 0)]


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_a_page_that_did_not_answer_is_made_up_for(outcome):
    """Nobody else counts what the service counted meanwhile, whoever was at fault."""
    failed = replace(seen(3), measurement=Measurement(), outcome=outcome)
    rows, _ = told(ERRORS, seen(1, 0, 0), seen(2, 0, 10), failed, seen(4, 3, 40))
    assert rows == [(0, 0), (10, 0), None, (27, 3)]


def test_what_nobody_can_judge_is_passed_over():
    """Growth up to an inconclusive attempt (planned maintenance) is neither good nor bad, nor made up for later."""
    rows, _ = told(ERRORS, seen(1, 0, 0), seen(2, 9, 9, outcome=Outcome.INCONCLUSIVE), seen(3, 9, 19))
    assert rows == [(0, 0), None, (10, 0)]


@pytest.mark.parametrize("hostile", [math.inf, math.nan, -5.0, 1e300, 1e15])
def test_what_is_no_number_of_events_is_none(hostile):
    """Infinite, negative and enormous counters count nothing that a track could not hold, and break nothing."""
    engine = SloEngine([objective(reads=ERRORS)])
    values = [(0.0, 10.0), (0.0, hostile), (hostile, 20.0), (hostile, hostile), (0.0, 30.0), (1.0, 31.0)]
    for number, pair in enumerate(values, 1):
        engine.observe(seen(number, *pair))
    row = engine.evaluations()[0]
    assert 0 <= row.period.bad <= row.period.total <= 100


def test_a_counter_of_bytes_is_told():
    """What grows faster than a track can hold is no count of events."""
    rows, growth = counted((0, 0), (0, 60_000_000), (0, 60_000_010))
    assert rows == [(0, 0), None, (10, 0)]
    assert (growth.corrupt, growth.problem) == (1, "")


def test_fractions_add_up():
    """Seconds of a `_seconds_total` are events too, once they are whole."""
    rows, _ = counted((0, 0), (0.25, 0.5), (0.5, 1.0), (1.0, 2.5))
    assert rows == [(0, 0), (0, 0), (1, 0), (0, 1)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans()), max_size=40))
def test_bad_events_are_never_more_than_events(steps):
    """However they grow, vanish and fall, the sums are whole, and all that grew while it was there is in them."""
    rows, _ = counted(*((bad if there else None, total) for bad, total, there in steps))
    good, bad = sum(each[0] for each in rows), sum(each[1] for each in rows)
    totals = [total for _, total, _ in steps]
    assert good + bad == sum(now - before if now >= before else now for before, now in pairwise(totals))
    assert good >= 0
    assert bad >= 0


@pytest.mark.case("C16")
def test_a_histogram_is_cut_at_the_limit():
    """Of 1,000 observations 985 were in time: 15 bad ones, 1.5 % of them, a burn rate of 1.5 at 99 %."""
    engine = SloEngine([objective("99", reads=LATENCY)])
    for number in range(1, 361):
        engine.observe(seen(number, buckets=buckets(50, 60)))
    engine.observe(seen(361, buckets=buckets(50 + 985, 60 + 1000)))
    row = engine.evaluations()[0]
    assert (row.period.bad, row.period.total, row.windows[300].ratio) == (15, 1000, Fraction(15, 1000))
    assert row.burn(300) == Fraction(3, 2)


@pytest.mark.case("C16")
def test_exactly_on_the_limit_is_in_time():
    """300.0 ms are good and 300.1 ms are not, on a real page of prometheus_client, from its first observation on."""
    registry = CollectorRegistry()
    observed = Observed("latency_seconds", "Durations.", buckets=(0.1, 0.3, 1.0), registry=registry)
    selection = Selection(Series(metric="latency_seconds", kind="histogram"))
    growth, rows = Growth(LATENCY), []
    for number, seconds in enumerate((None, 0.3, 0.3001), 1):
        if seconds:
            observed.observe(seconds)
        page = asyncio.run(read(generate_latest(registry), {selection.metric}))
        rows.append(growth.take(seen(number, buckets=selection.buckets(page))))
    assert rows == [(0, 0), (1, 0), (0, 1)]


def test_a_histogram_that_was_empty_counts_from_its_first_observation():
    """Before it there are no buckets, which is no fault."""
    rows, growth = told(LATENCY, seen(1, buckets=Buckets((math.inf,), (0.0,))), seen(2, buckets=buckets(7, 9)), seen(3))
    assert rows == [(0, 0), (7, 2), None]
    assert not growth.problem


def test_other_buckets_are_a_new_beginning():
    """After a deployment that changed them the sums say nothing of those before."""
    rows, _ = told(
        LATENCY, seen(1, buckets=buckets(90, 100)), seen(2, buckets=buckets(40, 45)), seen(3, buckets=buckets(41, 47))
    )
    assert rows == [(0, 0), (0, 0), (1, 1)]


def test_a_limit_that_is_no_bucket_leaves_the_objective_unknown():
    """It is told once, with the buckets beside it, and nobody is called for it."""
    engine = SloEngine([objective("99", reads=Histogram("latency", Bound(0.25, "seconds")))])
    for number in range(1, 4):
        engine.observe(seen(number, buckets=buckets(0, 100 * number)))
        (row,) = engine.tick(BASE + 10 * number)[1]
    assert quick(row) is None
    text = "latency within 250ms: no bucket ends there; use the bound of one: 100 ms or 300 ms"
    assert engine.problems() == {"db": text}
    assert (engine.view()[0]["problem"], engine.view()[0]["events"]) == (text, 0)
    assert dict(engine.samples())["outrider_slo_corrupt_total"] == [(("shop", "db"), 3)]


def test_slots_in_which_the_page_did_not_answer_are_not_watched():
    """After an hour without it three errors among five requests are no reason to call, as after a start."""
    engine = SloEngine([objective(reads=ERRORS, stale_after=30.0)])
    for number in range(1, 361):
        engine.observe(seen(number, 0, 10 * number))
        engine.tick(BASE + 10 * number)
    assert engine.evaluations()[0].windows[3600].watched == 360
    for number in range(361, 721):
        engine.observe(seen(number, outcome=Outcome.FAIL))
        engine.tick(BASE + 10 * number)
    engine.observe(seen(721, 3, 3605))
    hour = engine.tick(BASE + 7210)[1][0].windows[3600]
    assert (hour.bad, hour.total, hour.watched) == (3, 5, 2)
    assert quick(engine.evaluations()[0]) is False


def test_what_is_wrong_with_no_objective_is_no_sample():
    """The family has one series for each objective on counters, at 0 from the start, and none for others."""
    both = SloEngine([objective(reads=ERRORS), objective(name="up")])
    family = dict(both.samples())["outrider_slo_corrupt_total"]
    assert family == [(("shop", "db"), 0)]
    assert len(family[0].labels) == len(METRICS["outrider_slo_corrupt_total"].labels)
    assert both.view()[1]["problem"] is None
    assert "outrider_slo_corrupt_total" not in dict(SloEngine([objective()]).samples())


def test_a_reload_goes_on_where_the_counters_are_the_same():
    """Another target keeps counts and the place of the counters; another counter, or another probe, begins anew."""
    engine = SloEngine([objective(reads=ERRORS)])
    engine.observe(seen(1, 0, 10))
    engine.configure([objective("99", reads=ERRORS)])
    engine.observe(seen(2, 0, 15))
    assert engine.evaluations()[0].period.total == 5
    engine.configure([objective("99", reads=Counters("timeouts", "requests"))])
    engine.observe(seen(3, 0, 25))
    assert engine.evaluations()[0].period.total == 0


def test_what_is_kept_is_of_the_same_counters():
    """Over a restart counts go on for the same pair of counters, and for no other measure of the same probe."""
    engine = SloEngine([objective(reads=ERRORS)])
    engine.observe(seen(1, 0, 10))
    engine.observe(seen(2, 5, 20))
    measures = set()
    for reads, total in ((ERRORS, 10), (Counters("requests", "errors"), 0), (LATENCY, 0), (None, 0)):
        after = SloEngine([objective(reads=reads)])
        after.restore(engine.dump())
        assert after.evaluations()[0].period.known == total
        measures |= set(after.measures().values())
    assert len(measures) == 4
