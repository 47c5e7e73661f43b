"""The database file, opened: its settings, its rooms, its log. Used by one thread."""

import os
import sqlite3
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agent.state.folder import NAME, free_bytes, sync
from agent.state.trouble import StateError

LAYOUT = 1  #: PRAGMA user_version: what all rooms share (the table `rooms`)
PAGE = 4096
RESERVE = 1 << 20  #: bytes of the disk that stay free: what is settled must be written even when nothing else fits
_AMPLE = 64 << 20  # bytes with which nothing that is written at once can be too much
_FRAME = PAGE + 24  # a page in the log has a header
_LOOK = 1.0  # seconds between two looks at how much room there is
_PRAGMAS = (
    f"page_size = {PAGE}",
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "wal_autocheckpoint = 0",  # it would hide the error of a failing disk: `checkpoint` does it, and is heard
    "secure_delete = OFF",  # some builds write zeros over what is deleted: every body twice
    "temp_store = MEMORY",
    "cache_size = -2000",
)


@dataclass(frozen=True, slots=True)
class Schema:
    """One room's tables. `statements` bring a file without them, or with an older version of them, to `version`."""

    name: str
    version: int
    statements: Sequence[str]


class File:
    """One connection. Every method may raise sqlite3.Error or OSError."""

    def __init__(self, folder: Path, schemas: Sequence[Schema], *, host: bool) -> None:
        """Open or begin it (`begun`). Raises StateError for a file of a newer Outrider, and leaves that as it is."""
        self._folder = folder
        self._path = folder / NAME
        _refuse_newer(self._path, schemas)
        # Ours alone from its first byte on; the log and its index take their mode from it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._place = self._path.stat().st_ino
        self._looked_at, self._free = 0.0, free_bytes(folder)
        self.db = sqlite3.connect(self._path, isolation_level=None, timeout=0.2)
        try:
            self.begun = _prepare(self.db, schemas, host=host)
            # What an earlier process left in the log moves into the file, and the log begins anew: see `Database`.
            _empty_log(self.db)
            if host and self.begun:
                sync(folder)
            # SQLite's locks on the index belong to the process, and any close() of the file would drop them: this one
            # stays open as long as the connection does.
            self._index = os.open(f"{self._path}-shm", os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        """What is in the log moves into the file as far as that is possible."""
        self.db.close()
        os.close(self._index)

    def there(self) -> bool:
        """Whether the file still has its name: what is written to a removed one is lost."""
        now = time.monotonic()
        try:
            if now - self._looked_at >= _LOOK:
                self._free, self._looked_at = free_bytes(self._folder), now
            return self._path.stat().st_ino == self._place
        except FileNotFoundError:
            return False

    def log_bytes(self) -> int:
        """What is in the log and not yet in the file."""
        frames, moved = self._frames()
        return max(0, frames - moved) * _FRAME

    def fits(self, size: int) -> bool:
        """Whether it, and everything in the log, finds room in the file, and the reserve stays."""
        if self._free < _AMPLE:
            self._free = free_bytes(self._folder)
        if self._free >= _AMPLE:
            return True
        pages, loose = self._pages()
        frames, moved = self._frames()
        file = max(0, pages * PAGE - self._path.stat().st_size) + max(0, size - loose * PAGE)
        log = (frames * _FRAME if frames > moved else 0) + size - Path(f"{self._path}-wal").stat().st_size
        return file + max(0, log) + RESERVE <= self._free

    def narrow(self) -> bool:
        """Whether the disk has so little room that the log had better be short."""
        return self._free < _AMPLE

    def _frames(self) -> tuple[int, int]:
        """How many pages the log holds, and how many of these are in the file already."""
        # The index begins with its header: the first number is at 16, the other at 96 (see "WAL-mode File Format" in
        # SQLite's documentation). The size of the log says nothing: it is overwritten.
        head = os.pread(self._index, 100, 0)
        if len(head) < 100:
            return 0, 0
        frames: int = struct.unpack_from("=I", head, 16)[0]
        moved: int = struct.unpack_from("=I", head, 96)[0]
        return frames, moved

    def _pages(self) -> tuple[int, int]:
        """How many pages there are, and how many of these are free."""
        pages: int = self.db.execute("PRAGMA page_count").fetchone()[0]
        loose: int = self.db.execute("PRAGMA freelist_count").fetchone()[0]
        return pages, loose

    def checkpoint(self) -> bool:
        """Move the log into the file, and write it from its beginning again. False: a reader is in the way."""
        _, frames, moved = self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(frames == moved)

    def loose_pages(self) -> int:
        """Free pages that are worth giving back: many, and more than are in use."""
        pages, loose = self._pages()
        return loose if loose > 1024 and loose * 2 > pages else 0

    def give_back(self, pages: int) -> None:
        """Return free pages at the end of the file to the disk, at most so many."""
        self.db.executescript(f"PRAGMA incremental_vacuum({pages})")  # execute() would end after one page


def _empty_log(db: sqlite3.Connection) -> None:
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise  # on a full disk the log stays as it is, and what it holds can be read and delivered


def read_only(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection that changes nothing, also beside a running agent. Raises sqlite3.Error.

    `immutable`: nobody else has it open, so no lock and no index are needed, and a read-only folder will do.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None)


def _refuse_newer(path: Path, schemas: Sequence[Schema]) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    db = read_only(path)
    try:
        layout = db.execute("PRAGMA user_version").fetchone()[0]
        if layout > LAYOUT:
            raise StateError(f"{path} has layout {layout}, and this Outrider knows {LAYOUT}; {_RIGHT}")
        rooms = _rooms(db)
    finally:
        db.close()
    for schema in schemas:
        if rooms.get(schema.name, 0) > schema.version:
            has = f"version {rooms[schema.name]} of `{schema.name}`"
            raise StateError(f"{path} has {has}, and this Outrider knows {schema.version}; {_RIGHT}")


_RIGHT = "run the newer one again, or move the file away"


def _rooms(db: sqlite3.Connection) -> dict[str, int]:
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'rooms'").fetchone():
        return {}
    return dict(db.execute("SELECT name, version FROM rooms"))


def _prepare(db: sqlite3.Connection, schemas: Sequence[Schema], *, host: bool) -> bool:
    """Settings and tables; whether the file was empty."""
    for pragma in _PRAGMAS:
        db.execute(f"PRAGMA {pragma}").fetchall()
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        raise StateError("its file system takes no write-ahead log; use a local disk")
    # FULL: the log is on the disk before a commit returns. NORMAL: before it is moved into the file.
    db.execute(f"PRAGMA synchronous = {'FULL' if host else 'NORMAL'}")
    known = _rooms(db)
    if known and all(known.get(schema.name) == schema.version for schema in schemas):
        return False
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE IF NOT EXISTS rooms(name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
    for schema in schemas:
        if known.get(schema.name, 0) < schema.version:
            for statement in schema.statements:
                db.execute(statement)
            db.execute("INSERT OR REPLACE INTO rooms VALUES (?, ?)", (schema.name, schema.version))
    db.execute(f"PRAGMA user_version = {LAYOUT}")
    db.execute("COMMIT")
    return not known
