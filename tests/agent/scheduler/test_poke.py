"""One attempt more at once: exact in simulated time, never two at once, never more than one a second."""

import asyncio

import pytest

from probes.base import Measurement
from tests.agent.scheduler.probes import DOWN, Scripted
from tests.agent.scheduler.stage import Stage
from tests.virtual import run


def starts(probe, pokes, until, **kwargs):
    """When its attempts started, in seconds, if it is poked at these times; and what was counted as skipped."""

    async def main():
        stage, begin = Stage(), asyncio.get_running_loop().time()
        stage.start(probe, **kwargs)
        for at in pokes:
            await asyncio.sleep(begin + at - asyncio.get_running_loop().time())
            stage.scheduler.poke("db")
        await stage.play(begin + until - asyncio.get_running_loop().time())
        return stage.scheduler.counters["db"].skipped

    skipped = run(main())
    return [pytest.approx(at - 1000) for at in probe.starts], skipped


def test_a_poke_is_one_attempt_at_once_and_the_timetable_goes_on_from_it():
    """Poked at 17 between 15 and 25: asked at 17, then at 27 and 37; nothing counts as skipped."""
    assert starts(Scripted(), [17], 40) == ([5, 15, 17, 27, 37], 0)


def test_before_the_first_attempt_it_is_the_first():
    """Evidence does not wait for the random first delay."""
    assert starts(Scripted(), [1], 20) == ([1, 11], 0)


def test_an_attempt_that_runs_started_too_early_and_is_followed_by_one_more():
    """Poked three times in the middle of an attempt: it ends, then there is one more, and one only."""
    assert starts(Scripted([0.8]), [5.1, 5.2, 5.3], 20) == ([5, 5.8, 15.8], 0)


def test_at_most_one_extra_attempt_a_second():
    """Poked every 0.1 s for 3 s: one a second, the last poke answered too."""
    pokes = [7 + number / 10 for number in range(30)]
    assert starts(Scripted(), pokes, 15) == ([5, 7, 8, 9, 10], 0)


def test_a_regular_attempt_answers_a_poke_that_waits():
    """Poked at 10.4 and 10.5: the second waits for 11.4, and the regular attempt at 11.2 is all that comes."""
    found, _ = starts(Scripted(), [10.4, 10.5], 11.9, interval=0.8, fast=0.8)
    assert found[-3:] == [10.0, 10.4, 11.2]


def test_pokes_never_overlap_attempts():
    """However it is poked, no two attempts of a probe run at once."""
    running, most = [0], [0]

    class Slow(Scripted):
        async def check(self, attempt):
            running[0] += 1
            most[0] = max(most[0], running[0])
            await super().check(attempt)
            await asyncio.sleep(0.7)
            running[0] -= 1
            return Measurement()

    found, _ = starts(Slow(), [number / 7 for number in range(140)], 20)
    assert len(found) > 15
    assert most == [1]


def test_a_failing_probe_may_be_poked_by_what_listens():
    """A listener that pokes at every failure gets one attempt a second, not a loop without end."""
    probe = Scripted([DOWN])

    async def main():
        stage = Stage()
        stage.scheduler.listeners.append(lambda seen: stage.scheduler.poke(seen.probe))
        stage.start(probe)
        await stage.play(20)

    run(main())
    assert [at - 1005 for at in probe.starts] == [0, *range(15)]


def test_unknown_and_stopped_probes_are_not_poked():
    """A poke for a probe that is not there, or not any more, is nothing."""

    async def main():
        stage = Stage()
        stage.scheduler.poke("nobody")
        stage.start(Scripted())
        await stage.scheduler.stop(["db"])
        stage.scheduler.poke("db")
        stage.scheduler.forget("db")
        stage.scheduler.poke("db")
        await asyncio.sleep(30)
        return stage.seen

    assert run(main()) == []
