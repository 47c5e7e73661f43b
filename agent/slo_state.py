"""The counts of objectives over restarts: read once at the start, written each minute and at the end."""

import asyncio
import logging
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from agent.slo.engine import SloEngine
from agent.slo.kept import Kept
from agent.slo.objective import MAX_WINDOW_SECONDS
from agent.state.database import Database, Schema, StateError

log = logging.getLogger(__name__)

EVERY = 60.0  #: seconds between two writes; so much is unknown after a kill -9
PATIENCE = 2.0  #: seconds that the start, and the end, wait for a disk
_DAY = 86400
_LARGEST = 1 << 20  # bytes that one row may unpack to

#: A day of an objective is a row of its own: each minute writes the last slots and today, not the whole period.
SCHEMA = Schema(
    "slo",
    1,
    (
        """CREATE TABLE slo_counts (name TEXT NOT NULL, measure TEXT NOT NULL, at REAL NOT NULL, shift REAL NOT NULL,
            recent BLOB NOT NULL, PRIMARY KEY (name, measure)) STRICT""",
        """CREATE TABLE slo_days (name TEXT NOT NULL, measure TEXT NOT NULL, day INTEGER NOT NULL, sums BLOB NOT NULL,
            PRIMARY KEY (name, measure, day)) STRICT""",
    ),
)


class SloState:
    """Keeps what an engine counts in the state folder. A database that fails says so itself, and changes nothing."""

    def __init__(self, engine: SloEngine, database: Database) -> None:
        self._engine = engine
        self._database = database
        self._since = 0  # the first day, since the epoch, that the file may lack something of
        self._generation = -1  # of the file that has what is older

    async def restore(self) -> None:
        """Before anything is counted: go on from what was kept, wherever what is measured, and how, is the same."""
        try:
            async with asyncio.timeout(PATIENCE):
                rows = await self._database.read(partial(_read, self._engine.measures()))
        except (StateError, sqlite3.Error, TimeoutError) as error:
            if not self._database.trouble:  # which has been told already
                log.warning("the counts of objectives start anew: %s", str(error) or "the disk does not answer")
            return
        unfit = self._engine.restore(rows)
        if unfit:
            log.warning("what was kept of %s cannot be read; counting starts anew", ", ".join(unfit))
            with suppress(StateError, sqlite3.Error):
                await self._database.write(partial(_forget, [(name, rows[name].measure) for name in unfit]))
        if rows:
            self._since, self._generation = min(int(row.at // _DAY) for row in rows.values()), self._database.generation

    async def run(self) -> None:
        """Write each minute, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            await self.save()

    async def save(self) -> None:
        """Write what has changed since the last time; all of it when the file is a new one."""
        generation = self._database.generation
        kept = self._engine.dump(self._since if generation == self._generation else 0)
        if not kept:
            return
        with suppress(StateError, sqlite3.Error):
            await self._database.write(partial(_write, kept))
            self._since, self._generation = max(int(one.at // _DAY) for one in kept.values()), generation

    async def aclose(self) -> None:
        """Write once more, before the database is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.save()


def _read(measures: Mapping[str, str], connection: sqlite3.Connection) -> dict[str, Kept]:
    found = {}
    for wanted in measures.items():
        row = connection.execute(
            "SELECT at, shift, recent FROM slo_counts WHERE name = ? AND measure = ?", wanted
        ).fetchone()
        if row is None:
            continue
        at, shift, recent = row
        days = connection.execute(
            "SELECT day, sums FROM slo_days WHERE name = ? AND measure = ? AND day >= ?", (*wanted, _oldest(at))
        )
        found[wanted[0]] = Kept(wanted[1], at, shift, _unpacked(recent), {day: _unpacked(sums) for day, sums in days})
    return found


def _write(kept: Mapping[str, Kept], connection: sqlite3.Connection) -> None:
    for name, one in kept.items():
        row = (name, one.measure, one.at, one.shift, zlib.compress(one.recent, 1))
        connection.execute("INSERT OR REPLACE INTO slo_counts VALUES (?, ?, ?, ?, ?)", row)
        connection.executemany(
            "INSERT OR REPLACE INTO slo_days VALUES (?, ?, ?, ?)",
            [(name, one.measure, day, zlib.compress(sums, 1)) for day, sums in one.days.items()],
        )
    # What is older than any window has no use, also of objectives that are no longer in the file.
    oldest = _oldest(max(one.at for one in kept.values()))
    connection.execute("DELETE FROM slo_days WHERE day < ?", (oldest,))
    connection.execute("DELETE FROM slo_counts WHERE at < ?", (oldest * _DAY,))


def _forget(unfit: Sequence[tuple[str, str]], connection: sqlite3.Connection) -> None:
    for table in ("slo_counts", "slo_days"):
        connection.executemany(f"DELETE FROM {table} WHERE name = ? AND measure = ?", unfit)  # noqa: S608 - our names


def _oldest(at: float) -> int:
    """The first day that the longest window can reach."""
    return int(at - MAX_WINDOW_SECONDS) // _DAY


def _unpacked(packed: bytes) -> bytes:
    """The bytes that were kept; none, which fit nothing, where they are damaged."""
    try:
        return zlib.decompressobj().decompress(packed, _LARGEST)
    except zlib.error:
        return b""
