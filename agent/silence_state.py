"""Silences over restarts, and what was held back: nobody is woken by a new process, and no alert is forgotten."""

import asyncio
import logging
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

import msgspec
from msgspec import Struct

from agent.alerting.hush import Hush
from agent.alerting.matchers import Matcher
from agent.alerting.row import Notice
from agent.alerting.silences import Silence, Silences, Where
from agent.state.database import Database, Schema, StateError

log = logging.getLogger(__name__)

PATIENCE = 2.0  #: seconds that the start, and the end, wait for a disk

SCHEMA = Schema(
    "silences",
    1,
    (
        "CREATE TABLE silences (number INTEGER PRIMARY KEY, kept BLOB NOT NULL) STRICT",
        "CREATE TABLE held (number INTEGER PRIMARY KEY, notice BLOB NOT NULL) STRICT",
    ),
)


class KeptSilence(Struct, frozen=True, kw_only=True):
    """One silence, in plain values; times are Unix seconds."""

    id: str
    matchers: tuple[str, ...]
    starts: float
    ends: float
    by: str
    why: str
    where: Where


class SilenceState:
    """Keeps both. A database that fails says so itself, and changes nothing."""

    def __init__(self, silences: Silences, hush: Hush, database: Database) -> None:
        self._silences, self._hush, self._database = silences, hush, database
        self._news = asyncio.Event()

    async def restore(self, firing: Collection[str]) -> None:
        """Before the first evaluation, and once it is known which alerts (by key) fire."""
        try:
            async with asyncio.timeout(PATIENCE):
                silences, held = await self._database.read(_read)
        except (StateError, TimeoutError) as error:
            if not self._database.trouble:  # which has been told already
                log.warning("silences are not known: %s", str(error) or "the disk does not answer")
            return
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("what was kept of silences cannot be read, and is forgotten: %s", error)
            return
        self._silences.restore(silences)
        self._hush.restore(held, firing)

    def soon(self) -> None:
        """A silence was made or ended, or an alert was held back: write now."""
        self._news.set()

    async def run(self) -> None:
        """Write whenever there is news, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.save()

    async def save(self) -> None:
        """Write what is in force now in the place of what was."""
        write = partial(_write, self._silences.every(0.0), tuple(self._hush.held.values()))
        with suppress(StateError):
            await self._database.write(write)

    async def settled(self) -> None:
        """Write now and wait for it, but not for a disk that hangs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.save()

    async def aclose(self) -> None:
        """Write once more, before the database is closed."""
        await self.settled()


def _read(connection: sqlite3.Connection) -> tuple[list[Silence], list[Notice]]:
    silences = connection.execute("SELECT kept FROM silences ORDER BY number")
    held = connection.execute("SELECT notice FROM held ORDER BY number")
    return (
        [_silence(msgspec.json.decode(kept, type=KeptSilence)) for (kept,) in silences],
        [msgspec.json.decode(notice, type=Notice) for (notice,) in held],
    )


def _write(silences: Sequence[Silence], held: Sequence[Notice], connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM silences")
    connection.execute("DELETE FROM held")
    kept = [(msgspec.json.encode(_kept(each)),) for each in silences]
    connection.executemany("INSERT INTO silences (kept) VALUES (?)", kept)
    connection.executemany("INSERT INTO held (notice) VALUES (?)", [(msgspec.json.encode(each),) for each in held])


def _kept(silence: Silence) -> KeptSilence:
    return KeptSilence(
        id=silence.id,
        matchers=tuple(map(str, silence.matchers)),
        starts=silence.starts,
        ends=silence.ends,
        by=silence.by,
        why=silence.why,
        where=silence.where,
    )


def _silence(kept: KeptSilence) -> Silence:
    matchers = tuple(map(Matcher.parse, kept.matchers))
    return Silence(kept.id, matchers, kept.starts, kept.ends, kept.by, kept.why, kept.where)
