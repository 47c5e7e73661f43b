"""When a probe is asked: spread, paced by what is believed, never in bursts."""

import random

import pytest

from agent.health.state import State
from agent.scheduler.timetable import FreshTurns, Pace, first_delay, next_wait

PACE = Pace(interval=10.0, fast=2.0, slow=30.0)


@pytest.mark.case("R11")
def test_sidecars_started_together_are_spread():
    """200 first attempts in 10 s: no second gets more than twice its share."""
    chance = random.Random(7)
    slots = [0] * 10
    for _ in range(200):
        slots[int(first_delay(PACE, chance.random(), shared=True))] += 1
    assert max(slots) < 40


def test_what_nobody_shares_is_asked_soon():
    """A restarted agent knows its own app within the fast interval, however long the interval is."""
    assert first_delay(PACE, 0.999, shared=False) < PACE.fast < PACE.interval


@pytest.mark.case("R12")
def test_they_do_not_fall_into_step_again():
    """After ten minutes of jittered waits the attempts are still spread."""
    chance = random.Random(7)
    slots = [0] * 10
    for _ in range(200):
        at = first_delay(PACE, chance.random(), shared=True)
        while at < 600:
            at += next_wait(PACE, State.UP, changing=False, down_for=0, chance=chance.random())
        slots[int(at - 600) % 10] += 1
    assert max(slots) < 40


@pytest.mark.parametrize(
    ("state", "changing", "down_for", "base"),
    [
        (State.UP, False, 0, 10.0),
        (State.UP, True, 0, 2.0),
        (State.DOWN, False, 60, 10.0),
        (State.DOWN, False, 301, 30.0),
        (State.DOWN, True, 301, 2.0),
    ],
)
@pytest.mark.case("A20")
def test_the_interval_follows_the_state(state, changing, down_for, base):
    """Fast while belief may change, slow after five minutes down, each within 10 %."""
    for chance in (0.0, 0.5, 0.999):
        wait = next_wait(PACE, state, changing=changing, down_for=down_for, chance=chance)
        assert base * 0.9 <= wait <= base * 1.1


def test_a_new_connection_every_sixth_attempt_or_minute_whichever_is_later():
    """At 10 s: the seventh attempt, a minute in; at 2 s: only after a minute; at 60 s: every seventh."""
    for interval, turn in ((10.0, 6), (2.0, 30), (60.0, 6)):
        turns = FreshTurns(60.0)
        taken = [turns.take(number * interval, doubt=False) for number in range(turn + 1)]
        assert taken == [False] * turn + [True]


def test_in_doubt_the_paths_take_turns():
    """While new connections fail, every other attempt tries one."""
    turns = FreshTurns(60.0)
    assert [turns.take(float(at), doubt=True) for at in range(5)] == [False, False, True, False, True]
