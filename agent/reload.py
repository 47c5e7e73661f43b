"""Reading the file again: when it changed on disk, on SIGHUP, or when asked. A bad file changes nothing."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.assemble import Plan
from agent.web.desk import ReloadResult
from config.errors import ConfigError
from exporters.base import Sample

log = logging.getLogger(__name__)

POLL = 1.0  #: seconds between two looks at the files
SETTLED = 5.0  #: seconds that a reload in progress may take to end when the agent stops
SETTLE = 0.2  #: seconds the files must rest before they are read: an editor or a kubelet may be in the middle

Print = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from. `read` raises ConfigError; `masked` is what the API shows of it."""

    read: Callable[[], Plan]
    seen: Print  # the files as they were when the first plan was read
    files: Callable[[], Iterable[Path]]
    masked: Callable[[], Mapping[str, Any]]
    in_force: Callable[[], None] = lambda: None  # called when what was read last has been put in force


def fingerprint(files: Iterable[Path]) -> Print:
    """What tells that a file is another one: inode, size, time. Looked up by name each time, through symbolic links.

    Kubernetes swaps a ConfigMap by renaming a link above the file; a watch on the file itself would go blind there.
    """
    prints = []
    for file in sorted(files):
        try:
            stat = file.stat()
        except OSError:
            prints.append((str(file), 0, 0, 0))
        else:
            prints.append((str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(prints)


@dataclass(slots=True)
class Reloader:
    """`read` gives the plan of the file as it is now or raises ConfigError; `swap` puts it in force."""

    read: Callable[[], Plan]
    swap: Callable[[Plan], Awaitable[tuple[str, ...]]]
    files: Callable[[], Iterable[Path]]
    known: Print  #: the files as they were before what is in force was read
    successful: bool = True
    loaded_at: float = field(default_factory=time.time)
    _stopping: bool = False
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _running: set[asyncio.Task[ReloadResult]] = field(default_factory=set)

    async def reload(self) -> ReloadResult:
        """Read and swap, once at a time. What is wrong is in the result, and in the log.

        It goes on to its end when who asked goes away: half a swap would be neither the old nor the new.
        """
        return await asyncio.shield(self.soon())

    def soon(self) -> asyncio.Task[ReloadResult]:
        """The same without waiting for it."""
        task = asyncio.create_task(self._reload(), name="reload")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _reload(self) -> ReloadResult:
        async with self._busy:
            if self._stopping:
                return ReloadResult(problems=("the agent is stopping: nothing is read any more",))
            try:
                # In a thread: plug-ins are imported, and a large file or a slow disk would hold up the loop.
                changes = await self.swap(await asyncio.to_thread(self.read))
            except ConfigError as error:
                self.successful = False
                problems = tuple(str(problem) for problem in error.problems)
                log.error("the new configuration is refused, the old one stays in force: %s", "; ".join(problems))
                return ReloadResult(problems=problems)
            except Exception as error:
                self.successful = False
                log.exception("the new configuration could not be put in force as a whole; the next reload tries again")
                return ReloadResult(problems=(f"it could not be put in force: {type(error).__name__}; see the log",))
            self.successful, self.loaded_at = True, time.time()
            log.info("configuration loaded: %s", "; ".join(changes) or "nothing changed")
            return ReloadResult(changes=changes)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(POLL)
            now = await self._look()
            if now == self.known:
                continue
            await asyncio.sleep(SETTLE)
            if await self._look() != now:
                continue
            self.known = now
            await self.reload()
            if {name for name, *_ in now} != {str(file) for file in self.files()}:
                self.known = await self._look()  # the new configuration names other files

    async def aclose(self) -> None:
        """The agent stops: what runs comes to its end, and nothing is read or opened any more."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running, timeout=SETTLED)

    async def _look(self) -> Print:
        return await asyncio.to_thread(fingerprint, self.files())

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        yield "outrider_config_last_reload_successful", [Sample((), float(self.successful))]
        yield "outrider_config_last_reload_success_timestamp_seconds", [Sample((), self.loaded_at)]
