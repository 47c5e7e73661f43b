"""What the state folder's thread does: opens the file, runs what is asked of it, and finds back after an error.

Why an error of the disk is answered by opening the file again. After a failed fsync the kernel forgets that those pages
were dirty, and a second fsync says yes although they were never written. So it is not asked again. The transaction that
failed is rolled back; whoever wanted it gets StateError and writes it anew. Opening moves everything that the log holds
into the file (`File`): bytes that are written once more, and a fsync that is about these. Only then the log begins
anew, at its first frame and with new checksums, so nothing that is written from now on stands behind a frame that may
never have reached the disk. One thing follows for the rooms: a transaction that failed may be found as done after
opening, as its frames may have reached the log. What they write anew must therefore be the same the second time.
"""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.state.file import File, Schema
from agent.state.folder import Lock, set_aside
from agent.state.trouble import Remedy, StateError, explain

Work = Callable[[sqlite3.Connection], Any]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Code-only. Times in seconds."""

    retry: float = 3.0  #: between two attempts to use a folder that cannot be used
    patience: float = 1.0  #: that opening may take before the agent goes on without; it goes on in the thread
    farewell: float = 5.0  #: that closing may take
    idle: float = 5.0  #: without work, after which the log is moved into the file
    tell: float = 60.0  #: between two log lines about the same trouble
    log: int = 8 << 20  #: bytes in the log after which they are moved into the file
    pages: int = 1024  #: given back to the disk at a time


class Failed(Exception):  # noqa: N818 - a parcel, not an error
    """What a work raised that is no fault of the disk; `error` is for whoever wanted the work."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Writer:
    """Used by one thread; the loop may look at `generation`, `broken`, `short` and `set_aside`."""

    def __init__(self, folder: Path, schemas: Sequence[Schema], settings: Settings, *, host: bool) -> None:
        self.generation = 0  #: grows when a file is begun anew
        self.broken = "it is not open yet"  #: why nothing can be written or read
        self.short = ""  #: why much cannot be written, though little can
        self.set_aside = 0  #: damaged files
        self._folder, self._schemas, self._settings, self._host = folder, schemas, settings, host
        self._lock: Lock | None = None
        self._file: File | None = None
        self._retry_at = 0.0
        self._log_limit = settings.log
        self._told, self._told_at = "", 0.0

    def perform(self, writes: Sequence[Work], reads: Sequence[Work]) -> tuple[list[Any], list[Any]]:
        """What each returned, or an exception. All writes share one transaction, and are safe when this returns."""
        if not self._ready():
            error = StateError(self.trouble())
            return [error] * len(writes), [error] * len(reads)
        written = self._attempt(writes, around=True) if writes else []
        if len(writes) > 1 and any(isinstance(answer, Failed) for answer in written):
            # One of them is wrong: it alone shall fail.
            written = [self._attempt([work], around=True)[0] for work in writes]
        return written, [self._attempt([work], around=False)[0] for work in reads]

    def trouble(self) -> str:
        """In words; "" while all is well."""
        words = self.broken or self.short
        return f"{self._folder}: {words}" if words else ""

    def room_for(self, size: int) -> bool:
        """Whether the disk has room for so many bytes more; `short` says so if not."""
        enough = self._file is not None and self._file.fits(size)
        self.short = "" if enough else "the disk is nearly full"
        self._tell()
        return enough

    def tidy(self, *, idle: bool) -> float | None:
        """Move the log, give space back, try again. Returns seconds until there is something to do; None: nothing."""
        try:
            return self._mend(idle=idle) if self.broken or self.short else self._sweep(idle=idle)
        except Exception as error:  # noqa: BLE001 - nothing that a disk does may end the thread
            self._fail(error)
            return self._settings.retry

    def close(self) -> None:
        """Move the log into the file and let the folder go."""
        self._shut()
        self._let_go()

    def _attempt(self, works: Sequence[Work], *, around: bool) -> list[Any]:
        if self._file is None:
            return [StateError(self.trouble())] * len(works)
        db = self._file.db
        try:
            if around:
                db.execute("BEGIN IMMEDIATE")
            answers = [work(db) for work in works]
            if around:
                db.execute("COMMIT")
                self._well()
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for it
            return [self._undo(error)] * len(works)
        return answers

    def _undo(self, error: Exception) -> Exception:
        """Back to a known state; what to answer."""
        if self._file is not None and self._file.db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._file.db.execute("ROLLBACK")
        if isinstance(error, StateError) or explain(error) is None:
            return Failed(error)
        self._fail(error)
        return StateError(self.trouble())

    def _fail(self, error: Exception) -> None:
        """Remember what is wrong, and prepare for the next attempt."""
        words, remedy = explain(error) or (str(error), Remedy.REOPEN)
        self.broken = words
        self._retry_at = time.monotonic() + self._settings.retry
        if remedy is not Remedy.WAIT:
            self._shut()
        if remedy is not Remedy.SET_ASIDE or not self._begin_anew():
            self._tell()

    def _begin_anew(self) -> bool:
        """Put a damaged file out of the way; False when even that cannot be done."""
        try:
            target = set_aside(self._folder)
        except OSError as error:
            self.broken += f", and cannot be renamed: {(error.strerror or '').lower()}"
            return False
        _logger.error("state folder %s: %s; it was renamed to %s", self._folder, self.broken, target.name)
        self.set_aside += 1
        self._retry_at = 0.0
        return True

    def _let_go(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _shut(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(sqlite3.Error, OSError):
                file.close()

    def _ready(self) -> bool:
        """Whether there is an open file, or one could be opened."""
        self._look()
        if self.broken and time.monotonic() < self._retry_at:
            return False
        # A second time after a damaged file was set aside.
        if self._file is None and not self._open() and not (self._retry_at == 0.0 and self._open()):
            return False
        file = self._file
        if file is not None and file.narrow() and file.log_bytes() > self._settings.log >> 5:
            self._checkpoint(file)  # then the log is written from its beginning again, and takes no more room
        return self._file is not None

    def _look(self) -> None:
        """Whether the file is still where it was."""
        try:
            if self._file is not None and not self._file.there():
                self._fail(StateError("the file was removed"))
                self._retry_at = 0.0
        except OSError as error:
            self._fail(error)

    def _open(self) -> bool:
        try:
            if self._lock is not None and not self._lock.there(self._folder):
                self._let_go()
            self._lock = self._lock or Lock(self._folder)
            self._file = File(self._folder, self._schemas, host=self._host)
        except Exception as error:  # noqa: BLE001 - nothing that a disk does may end the thread
            self._fail(error)
            return False
        self.generation += self._file.begun or not self.generation
        self._well()
        return True

    def _well(self) -> None:
        if self.broken:
            self.broken = ""
            self._tell()

    def _tell(self) -> None:
        """One line when it begins and one when it ends, but not each time when it comes and goes."""
        words, now = self.broken or self.short, time.monotonic()
        if words == self._told or (words and self._told_at and now - self._told_at < self._settings.tell):
            return
        if words:
            _logger.error("state folder %s: %s; what would be written waits in memory", self._folder, words)
            self._told_at = now
        else:
            _logger.warning("state folder %s: it can be written again", self._folder)
        self._told = words

    def _checkpoint(self, file: File) -> None:
        try:
            done = file.checkpoint()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
        else:
            # A reader that stays (a person's shell) must not be asked to go after every transaction.
            self._log_limit = self._settings.log if done else max(self._settings.log, file.log_bytes() * 3 // 2)

    def _mend(self, *, idle: bool) -> float:
        """While nobody writes, nobody would notice that it works again."""
        if idle and self._ready():
            if self.short:
                self.room_for(self._settings.log >> 5)
            self._attempt([_probe], around=True)
        return self._settings.retry if self.broken or self.short else self._settings.idle

    def _sweep(self, *, idle: bool) -> float | None:
        file = self._file
        if file is None:
            return self._settings.retry
        log = file.log_bytes()
        if log > self._log_limit or (idle and log):
            self._checkpoint(file)
            if self._file is file and file.loose_pages():
                file.give_back(self._settings.pages)
                return 0.02
            log = file.log_bytes() if self._file is file else 0
        return self._settings.idle if log else None


def _probe(db: sqlite3.Connection) -> None:
    """The least that can be written."""
    db.execute("UPDATE rooms SET version = version")
