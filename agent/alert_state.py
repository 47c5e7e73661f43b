"""Alerts over restarts: who was called for what, so that a new process neither calls twice nor forgets the end."""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import msgspec

from agent.alerting.engine import AlertEngine
from agent.alerting.kept import KeptAlert
from agent.state.database import Database, Schema, StateError

log = logging.getLogger(__name__)

EVERY = 60.0  #: seconds between two writes where nobody was called meanwhile
PATIENCE = 2.0  #: seconds that the start, and the end, wait for a disk

SCHEMA = Schema("alerts", 1, ("CREATE TABLE alerts (number INTEGER PRIMARY KEY, kept BLOB NOT NULL) STRICT",))


class AlertState:
    """Keeps what an engine believes of its alerts. A database that fails says so itself, and changes nothing."""

    def __init__(self, engine: AlertEngine, database: Database) -> None:
        self._engine, self._database = engine, database
        self._news = asyncio.Event()

    async def restore(self) -> None:
        """Before the first evaluation, and once the objectives are in force and counted on."""
        try:
            async with asyncio.timeout(PATIENCE):
                rows = await self._database.read(_read)
        except (StateError, sqlite3.Error, TimeoutError) as error:
            if not self._database.trouble:  # which has been told already
                log.warning("what is known of alerts starts anew: %s", str(error) or "the disk does not answer")
            return
        damaged = 0
        for row in rows:
            try:
                self._engine.restore([msgspec.json.decode(row, type=KeptAlert)])
            except (ValueError, KeyError, TypeError):  # no JSON, no UTF-8; no such state; NULL
                damaged += 1
        if damaged:
            log.warning("%d alerts of an earlier process cannot be read, and start anew", damaged)

    def soon(self) -> None:
        """Somebody was called, or told that it is over: write now."""
        self._news.set()

    async def run(self) -> None:
        """Write whenever there is news, and each minute, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._news.wait()
            self._news.clear()
            await self.save()

    async def save(self) -> None:
        """Write what is believed now in the place of what was."""
        with suppress(StateError, sqlite3.Error):
            await self._database.write(partial(_write, self._engine.dump()))

    async def aclose(self) -> None:
        """Write once more, before the database is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.save()


def _read(connection: sqlite3.Connection) -> list[bytes]:
    return [kept for (kept,) in connection.execute("SELECT kept FROM alerts ORDER BY number")]


def _write(alerts: Sequence[KeptAlert], connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM alerts")
    connection.executemany("INSERT INTO alerts (kept) VALUES (?)", [(msgspec.json.encode(each),) for each in alerts])
