"""A large fleet asks a shared target less often each: the cap on the rate of all together."""

import asyncio
import random

import pytest

from agent.health.board import Member
from agent.health.state import State
from agent.scheduler.timetable import Pace, next_wait
from tests.agent.scheduler.probes import DOWN, Scripted
from tests.agent.scheduler.stage import Stage
from tests.virtual import run

PACE = Pace(interval=10.0, fast=2.0, slow=30.0)


@pytest.mark.parametrize(
    ("state", "changing", "down_for", "stretch", "wait"),
    [
        (State.UP, False, 0, 4.0, 10.0),
        (State.UP, False, 0, 25.0, 25.0),
        (State.UP, True, 0, 4.0, 4.0),
        (State.UP, True, 0, 1.0, 2.0),
        (State.DOWN, False, 301, 25.0, 30.0),
        (State.DOWN, False, 301, 40.0, 40.0),
    ],
)
def test_the_longer_wait_counts_in_every_state(state, changing, down_for, stretch, wait):
    """Regular, fast and slow are all at least as long as the fleet needs, with the same jitter."""
    for chance, share in ((0.0, 0.9), (0.5, 1.0), (1.0, 1.1)):
        found = next_wait(PACE, state, changing=changing, down_for=down_for, chance=chance, stretch=stretch)
        assert found == pytest.approx(wait * share)


def test_a_fleet_together_keeps_the_rate():
    """500 replicas at a cap of 20/s, all in a hurry: over five minutes the target is asked 20 times a second."""
    chance, asked = random.Random(3), 0
    for _ in range(500):
        at = 25.0 * chance.random()
        while at < 300:
            asked += 1
            at += next_wait(PACE, State.UP, changing=True, down_for=0, chance=chance.random(), stretch=500 / 20)
    assert asked / 300 == pytest.approx(20, rel=0.02)


def played(probe, seconds, stretch, pokes=()):
    """Start times, and the board's view at the end."""

    async def main():
        stage = Stage(stretch=lambda _: stretch)
        stage.start(probe)
        for at in pokes:
            await asyncio.sleep(1000 + at - stage.clock())
            stage.scheduler.poke("db")
        await asyncio.sleep(1000 + seconds - stage.clock())
        view = stage.board.view(stage.clock())["db"]
        await stage.scheduler.aclose()
        return view

    view = run(main())
    return [at - 1000 for at in probe.starts], view


def test_a_stretched_probe_waits_longer_and_is_not_stale_for_that():
    """Asked each 40 s instead of 10 s: at 75 s, 30 s after its last attempt, it is as fresh as ever."""
    starts, view = played(Scripted(), 84, 40.0)
    assert starts == [5, 45]
    assert (view.stale, view.stale_after) == (False, 121.0)


def test_a_poke_is_not_stretched():
    """Evidence is worth an attempt, however large the fleet."""
    starts, _ = played(Scripted([DOWN]), 100, 40.0, pokes=[10])
    assert starts == [5, 10, 50, 90]


def test_without_a_stretch_it_is_stale_as_before():
    """Three intervals and the timeout, slow ones while it is down, and never less for a small fleet."""
    member = Member("db", "scripted", interval=10.0, slow_interval=30.0, timeout=1.0)
    assert [member.stale_after(state) for state in (State.UP, State.DOWN)] == [31.0, 91.0]
    assert member.stale_after(State.UP, 2.0) == 31.0
