"""One SQLite file for all rooms, written by one thread: the loop never waits for a disk, and never fails for one."""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agent.state.file import Schema
from agent.state.trouble import StateError
from agent.state.writer import Failed, Settings, Writer
from exporters.base import Sample

__all__ = ["Database", "Schema", "Settings", "StateError"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class _Job(NamedTuple):
    """What the thread is asked. `work` None: close."""

    work: Callable[[sqlite3.Connection], Any] | None
    writes: bool
    future: asyncio.Future[Any]


class Database:
    """`await open()`, then `write` and `read` from one event loop, then `await aclose()`.

    `host`: a transaction is on the disk before its `write` is done, and survives power loss; otherwise it is with the
    kernel, and survives the death of the process.
    """

    def __init__(
        self, folder: Path, schemas: Sequence[Schema], *, host: bool = False, settings: Settings | None = None
    ) -> None:
        self.folder = folder
        self._settings = settings or Settings()
        self._writer = Writer(folder, schemas, self._settings, host=host)
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def trouble(self) -> str:
        """Why nothing, or not much, can be written now, with the folder's name; "" while all is well."""
        return self._writer.trouble()

    @property
    def generation(self) -> int:
        """1 for the first file; grows when one is begun anew, and whatever a room believes of the old one is void."""
        return self._writer.generation

    async def open(self) -> None:
        """Start the thread, and wait until the file is open or known to be in trouble, but never long."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="state", daemon=True).start()  # a disk that hangs must not keep us
        with contextlib.suppress(StateError, TimeoutError):
            await asyncio.wait_for(self.read(lambda _: None), self._settings.patience)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` in the thread, in a transaction that it shares with whatever else waits; done once it is safe.

        It may be run twice, and the second time must have the same effect. Raises StateError, and then nothing of it
        was kept, or what the work itself raised.
        """
        return self._ask(work, writes=True)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work` in the thread, outside of any transaction. Raises StateError, or what the work itself raised."""
        return self._ask(work, writes=False)

    def room_for(self, size: int) -> bool:
        """For a work that writes much: whether the disk has room for so many bytes. If not, `trouble` says so."""
        return self._writer.room_for(size)

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        yield "outrider_state_degraded", [Sample((), 1 if self.trouble else 0)]
        yield "outrider_state_set_aside_total", [Sample((), self._writer.set_aside)]

    async def aclose(self) -> None:
        """Write what waits, move the log into the file, close. Safe twice, and without `open`."""
        if self._closed or self._loop is None:
            return
        self._closed = True
        done: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put(_Job(None, writes=False, future=done))
        try:
            await asyncio.wait_for(done, self._settings.farewell)
        except TimeoutError:
            _logger.error("state folder %s: the disk does not answer, so it was not closed", self.folder)

    def _ask(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> asyncio.Future[T]:
        loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._closed or self._loop is None:
            future.set_exception(StateError(f"{self.folder}: it is closed"))
        else:
            self._jobs.put(_Job(work, writes, future))
        return future

    # The thread.

    def _run(self) -> None:
        waits: float | None = None
        while True:
            jobs = self._take(waits)
            closing = [job for job in jobs if job.work is None]
            answers = self._answers(jobs)
            if closing:
                self._writer.close()
            if jobs and self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                    self._loop.call_soon_threadsafe(_resolve, answers)
            if closing:
                return
            waits = self._writer.tidy(idle=not jobs)

    def _take(self, waits: float | None) -> list[_Job]:
        """Everything that waits; nothing when nothing came in time."""
        jobs = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self._jobs.get(timeout=waits))
            while True:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _answers(self, jobs: list[_Job]) -> list[tuple[asyncio.Future[Any], Any]]:
        writes = [job for job in jobs if job.work is not None and job.writes]
        reads = [job for job in jobs if job.work is not None and not job.writes]
        answers: list[tuple[asyncio.Future[Any], Any]] = []
        if writes or reads:
            try:
                written, read = self._writer.perform(
                    [job.work for job in writes if job.work], [job.work for job in reads if job.work]
                )
                answers = [(job.future, answer) for job, answer in zip(writes + reads, written + read, strict=True)]
            except Exception as error:  # a mistake of ours must leave nobody waiting
                _logger.exception("state folder %s: the work could not be done", self.folder)
                answers = [(job.future, StateError(f"{self.folder}: {error}")) for job in writes + reads]
        return answers + [(job.future, None) for job in jobs if job.work is None]


def _resolve(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answers:
        if future.done():
            continue  # whoever wanted it has gone
        if isinstance(answer, Failed):
            future.set_exception(answer.error)
        elif isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
