"""Root tasks that must not end: what dies is started again, later each time, counted, and never touches a verdict."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from exporters.base import Sample

log = logging.getLogger(__name__)

FIRST, MOST = 0.5, 30.0  #: seconds before a restart: the first, and at most
PATIENCE = 2.0  #: seconds a cancelled task has to end
SETTLED = 60.0  #: seconds of life after which the next restart is a first one again


@dataclass(slots=True)
class Guard:
    """Runs named tasks. A coroutine that returns has done its work; one that raises is started again."""

    chance: Callable[[], float] = random.random
    restarts: dict[str, int] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start one task under this name; its restart counter exists from now on."""
        self.restarts.setdefault(name, 0)
        self._tasks[name] = asyncio.create_task(self._run(name, work), name=name)

    async def stop(self, *names: str) -> None:
        """Cancel these and wait until they ended; one that ignores it is left behind."""
        leaving = [task for name in names if (task := self._tasks.pop(name, None)) is not None]
        for task in leaving:
            task.cancel()
        if leaving:
            _, stuck = await asyncio.wait(leaving, timeout=PATIENCE)
            for task in stuck:
                log.error("task %s ignored its cancellation and was abandoned", task.get_name())

    async def aclose(self) -> None:
        """Cancel all and wait until they ended."""
        await self.stop(*self._tasks)

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        yield "outrider_task_restarts_total", [Sample((name,), count) for name, count in self.restarts.items()]

    async def _run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        loop, delay = asyncio.get_running_loop(), FIRST
        while True:
            began = loop.time()
            try:
                await work()
            except asyncio.CancelledError:
                # A plug-in may let out a cancellation that nobody asked us for: that is a death as any other.
                if _asked_to_end():
                    raise
                log.exception("task %s was cancelled by a part of its own and starts again", name)
            except Exception:
                log.exception("task %s died and starts again", name)
            else:
                return
            self.restarts[name] += 1
            delay = FIRST if loop.time() - began > SETTLED else min(MOST, delay * 2)
            await asyncio.sleep(delay * (0.5 + self.chance() / 2))


def _asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
