"""Attempts as the scheduler makes them: the real runner around a probe under test."""

import asyncio
import gc
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from agent.events import Observation
from agent.health.judge import Judge
from agent.scheduler.attempt import Runner
from probes.base import ProbeContext


class Attempts:
    """Runs one probe's attempts; remembers nothing but the probe."""

    def __init__(self, probe, seconds):
        self.probe = probe
        self._runner = Runner(probe, probe.context.name, Judge(), seconds, lambda *_: False)

    async def __call__(self, *, fresh=False, readings=True) -> Observation:
        return await self._runner.run(fresh=fresh, readings=readings)


@asynccontextmanager
async def attempts(cls, seconds=20.0, service="checkout", **options):
    """The attempts of a probe of this class with these options; its problems are none; closed at the end."""
    chosen = cls.options_type(**options)
    assert not list(chosen.problems())
    probe = cls(chosen, ProbeContext("it", service, seconds))
    await probe.open()
    try:
        yield Attempts(probe, seconds)
    finally:
        await probe.aclose()
        await probe.aclose()


def values(seen: Observation) -> dict[str, float | None]:
    """Reading name -> value."""
    return {reading.name: reading.value for reading in seen.measurement.readings}


def verdict(seen: Observation) -> tuple[str, str]:
    """(outcome, reason)."""
    return seen.outcome.value, seen.reason.value


@asynccontextmanager
async def nothing_left():
    """At the end there are no more files and tasks than at the beginning, and no error that nobody took."""
    await asyncio.sleep(0)
    tasks, before, untaken = len(asyncio.all_tasks()), _files(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: untaken.append(context))
    yield
    for _ in range(6000):
        if len(asyncio.all_tasks()) <= tasks and _files() <= before:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError(f"left: {asyncio.all_tasks()} {psutil.Process().net_connections()}")
    gc.collect(1)
    assert not untaken
    asyncio.get_running_loop().set_exception_handler(None)


def _files() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
