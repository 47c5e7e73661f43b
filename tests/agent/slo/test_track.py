"""Slots: what one holds, whatever the rhythm of attempts."""

import sys

import pytest

from agent.events import Outcome
from agent.slo.burn import Counts
from agent.slo.sli import Verdict, availability
from agent.slo.timeline import Timeline
from agent.slo.track import Track, slot_seconds
from tests.agent.slo.stream import objective

BAD, GOOD, UNKNOWN = Verdict.BAD, Verdict.GOOD, Verdict.UNKNOWN


def track(stale_after=60.0):
    """Slots of 10 s, a period of a day."""
    return Track(10, (3600, 300), 86400, stale_after)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome.PASS, GOOD),
        (Outcome.WARN, GOOD),
        (Outcome.FAIL, BAD),
        (Outcome.INCONCLUSIVE, UNKNOWN),
        (Outcome.SKIPPED, UNKNOWN),
    ],
)
def test_outcomes_become_verdicts(outcome, verdict):
    """A warning is available; the agent's own fault says nothing of the target."""
    assert availability(outcome) is verdict


def test_a_slot_takes_the_worst():
    """Fast attempts do not weigh more: one failure among passes makes one bad slot."""
    kept = track()
    for at, verdict in [(0, GOOD), (2, BAD), (4, GOOD), (6, UNKNOWN), (12, GOOD), (14, UNKNOWN)]:
        kept.record(verdict, at)
    assert kept.window(300) == Counts(30, 2, 1, 1)


def test_slow_attempts_fill_the_slots_between():
    """A down probe asked every 30 s burns as fast as one asked every 10 s, but is a third of the evidence."""
    kept = track()
    for at in range(0, 300, 30):
        kept.record(BAD, at)
    kept.advance(300)
    assert kept.window(300) == Counts(30, 30, 30, 10)


def test_what_is_held_grows_stale():
    """60 s after the last attempt nobody knows any more."""
    kept = track()
    kept.record(GOOD, 5)
    kept.advance(200)
    assert (kept.events, kept.unknown_events) == (7, 13)


def test_an_inconclusive_attempt_ends_the_holding():
    """Once the agent says that it cannot tell, older words do not stand in for it."""
    kept = track()
    kept.record(BAD, 0)
    kept.record(UNKNOWN, 10)
    kept.advance(50)
    assert (kept.events, kept.bad_events, kept.unknown_events) == (1, 1, 4)


def test_a_jump_ahead_is_unknown_and_cheap():
    """A clock that jumps ten years leaves unknown slots, and does not walk through them."""
    kept = track()
    kept.record(BAD, 0)
    kept.advance(10 * 365 * 86400)
    assert kept.window(3600) == Counts(360, 0, 0, 0)
    assert kept.period().known == 0
    assert kept.unknown_events == 10 * 365 * 8640 - 6


@pytest.mark.parametrize(
    ("interval", "slot"), [(0.5, 10), (10, 10), (11, 12), (30, 30), (31, 50), (60, 60), (299, 300), (300, 300)]
)
def test_slots_divide_five_minutes_and_have_an_attempt(interval, slot):
    """The slot is the shortest that fits the windows and is no shorter than the interval."""
    assert slot_seconds(interval, (300, 3600)) == slot


def test_a_long_interval_is_refused_with_a_way_out():
    """An hourly probe cannot carry an objective that looks at five minutes."""
    with pytest.raises(
        ValueError,
        match=r"1h is too long .* the last 5m in slots of 5m; use an interval of at most 5m, or longer windows",
    ):
        slot_seconds(3600, (300, 3600))


@pytest.mark.parametrize(
    ("interval", "windows", "slot"),
    [(1, (5, 60), 5), (5, (5, 60), 5), (1, (10, 120), 10), (1, (45, 600), 15), (1, (25, 300), 25), (20, (60, 90), 30)],
)
def test_short_windows_ask_for_short_slots(interval, windows, slot):
    """A demo's window of 5 s is a slot of its own; ten seconds stay the least where they divide all windows."""
    assert slot_seconds(interval, windows) == slot


def test_an_interval_above_a_short_window_is_refused_with_a_way_out():
    """A window of 5 s needs an attempt each 5 s."""
    with pytest.raises(ValueError, match=r"10s is too long .* last 5s in slots of 5s; use an interval of at most 5s"):
        slot_seconds(10, (5, 60))


def test_a_window_of_one_slot_never_hangs_on_the_instant():
    """As long as nothing was seen in the open slot the window is the closed one before it."""
    kept = Track(5, (60, 5), 86400, 0.0)
    kept.record(BAD, 1)
    assert kept.window(5) == Counts(1, 1, 1, 1)
    kept.advance(6)
    assert kept.window(5) == Counts(1, 1, 1, 1)
    kept.record(GOOD, 7)
    assert kept.window(5) == Counts(1, 1, 0, 0)


@pytest.mark.case("C20")
@pytest.mark.parametrize(("days", "least"), [(30, 30_000), (90, 84_000)])
def test_memory_is_small_and_fixed(days, least):
    """One objective of 90 days keeps less than 100 KB of numbers; one of 30 days a third of it."""
    kept = Track(10, objective(window_seconds=days * 86400).windows, days * 86400, 60.0)
    assert sum(sys.getsizeof(part) for part in (*kept._coarse.columns, kept._fine._codes)) < least


def test_time_never_goes_back():
    """A small step back is waited out; after a large one time goes on from where it stood."""
    line = Timeline()
    assert [line.advance(wall) for wall in (1000, 990, 1001, 1002)] == [1000, 1000, 1001, 1002]
    assert [line.advance(wall) for wall in (2, 5, 500)] == [1002, 1005, 1500]


def test_a_second_step_back_is_as_harmless_as_the_first():
    """A clock that is set twice still gives time that only grows."""
    line = Timeline()
    seen = [line.advance(wall) for wall in (10_000, 5_000, 5_010, 100, 110, 105, 111)]
    assert seen == [10_000, 10_000, 10_010, 10_010, 10_020, 10_020, 10_021]


def test_a_clock_that_is_put_right_is_believed():
    """A machine that booted in 1970 and hears the time later: the time is the clock's again, and nothing is added."""
    line = Timeline(now=50_000.0)
    assert [line.advance(wall) for wall in (10, 20, 50_100, 50_110)] == [50_000, 50_010, 50_100, 50_110]
