"""Tasks that die are restarted and counted, and nobody else notices."""

import asyncio
import contextlib
import itertools

from agent.guard import Guard
from tests.virtual import run


def test_what_dies_is_started_again_later_each_time(caplog):
    """Five deaths, five counted restarts with growing pauses, the sixth life goes on."""
    lives = []

    async def mortal():
        lives.append(asyncio.get_running_loop().time())
        if len(lives) <= 5:
            raise RuntimeError("our bug")
        await asyncio.sleep(3600)

    async def main():
        guard = Guard(chance=lambda: 1.0)
        guard.start("relay", mortal)
        await asyncio.sleep(120)
        await guard.aclose()
        return dict(guard.samples())["outrider_task_restarts_total"]

    assert [sample.value for sample in run(main())] == [5]
    assert [later - sooner for sooner, later in itertools.pairwise(lives)] == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_what_returns_has_done_its_work():
    """A task that ends by itself is not started again."""
    runs = []

    async def once():
        runs.append(1)

    async def main():
        guard = Guard()
        guard.start("once", once)
        await asyncio.sleep(60)
        await guard.aclose()
        return guard.restarts

    assert run(main()) == {"once": 0}
    assert runs == [1]


def test_stopping_waits_for_the_end():
    """A stopped task has cleaned up before stop returns."""
    ended = []

    async def tidy():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.5)
            ended.append(1)

    async def main():
        guard = Guard()
        guard.start("tidy", tidy)
        await asyncio.sleep(1)
        await guard.stop("tidy", "unknown")

    run(main())
    assert ended == [1]


def test_a_cancellation_that_nobody_asked_for_is_a_death():
    """A part that lets one out is started again; a stop still ends it."""
    lives = []

    async def confused():
        lives.append(1)
        if len(lives) < 3:
            raise asyncio.CancelledError
        await asyncio.sleep(3600)

    async def main():
        guard = Guard()
        guard.start("relay", confused)
        await asyncio.sleep(60)
        await guard.aclose()
        return guard.restarts

    assert run(main()) == {"relay": 2}


def test_a_task_that_will_not_end_is_left_behind(caplog):
    """Stopping takes two seconds at most, and says who was left."""

    async def stubborn():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    async def main():
        guard, loop = Guard(), asyncio.get_running_loop()
        guard.start("outbox", stubborn)
        await asyncio.sleep(1)
        began = loop.time()
        await guard.stop("outbox")
        return loop.time() - began

    assert run(main()) == 2.0
    assert "task outbox ignored its cancellation" in caplog.text
