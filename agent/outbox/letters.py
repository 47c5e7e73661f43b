"""What receivers have yet to hear, in the state folder: a killed process forgets nobody's call."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import msgspec

from agent.outbox.store import Entry, Kind
from agent.state.database import Database, Schema, StateError
from exporters.base import Alert

log = logging.getLogger(__name__)

PATIENCE = 0.5  #: seconds that a call waits for the disk; then it goes out though a kill -9 might lose or repeat it
START, END = 2.0, 2.0  #: seconds that the start and the end wait
RETRY = 5.0  #: seconds after which a write that failed is tried again

SCHEMA = Schema(
    "outbox",
    1,
    (
        """CREATE TABLE letters (receiver TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, since REAL NOT NULL,
            heard INTEGER NOT NULL, said INTEGER NOT NULL, alert TEXT NOT NULL,
            PRIMARY KEY (receiver, kind, key)) STRICT""",
    ),
)


class Id(NamedTuple):
    """One row."""

    receiver: str
    kind: str
    key: str


class Letters:
    """`load`, then `claim` per receiver; `note` what changes, and `settled` before it is acted upon.

    A folder that fails, or hangs, says so itself, and holds nobody up: then everything is kept in memory alone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: dict[Id, Entry] = {}  # as the file is to be
        self._unwritten: set[Id] = set()
        self._writing: asyncio.Future[None] | None = None
        self._noted = self._safe = 0  # how many notes there were, and how many of them are in the file
        self._failing = self._late = self._closed = False
        self._generation = 0

    @property
    def trouble(self) -> str:
        """Why not everything is kept; "" while all is well."""
        return self._database.trouble

    async def load(self) -> None:
        """Read what an earlier process left; before anything is claimed."""
        try:
            async with asyncio.timeout(START):
                rows = await self._database.read(_read)
        except (StateError, sqlite3.Error, TimeoutError) as error:
            if not self._database.trouble:  # which has been told already
                log.warning("what waited for receivers is not known: %s", str(error) or "the disk does not answer")
            return
        self._generation = self._database.generation
        damaged = []
        for row in rows:
            try:
                self._entries |= _letter(row)
            except (ValueError, RecursionError):
                damaged.append(row[0])
        if damaged:
            log.warning("%d alerts that waited for receivers cannot be read, and are lost", len(damaged))
            removed = self._database.write(partial(_remove, damaged))
            removed.add_done_callback(lambda done: done.cancelled() or done.exception())  # else they are told of again

    def reconcile(self, firing: Collection[str], now: float) -> None:
        """After a restart: what was to be called for, and is not known to fire (by key), is told to be over."""
        firing = {*firing, *(entry.alert.key for id_, entry in self._entries.items() if id_.kind == Kind.BROKEN)}
        strays = [
            id_
            for id_, entry in self._entries.items()
            if entry.alert.firing and entry.alert.key not in firing and id_.kind != Kind.BROKEN
        ]
        for id_ in strays:
            entry = self._entries.pop(id_)
            if id_.kind == Kind.QUEUE:
                self._entries[id_] = replace(entry, alert=_over(entry.alert, now))
        if strays:
            self._change(strays)

    def claim(self, receiver: str, kind: Kind) -> list[Entry]:
        """What is kept for a receiver; of a kind that it is not any more nothing."""
        return [entry for id_, entry in self._entries.items() if id_.receiver == receiver and id_.kind == kind]

    def broken(self) -> dict[str, Alert]:
        """What others were told of receivers that refuse for good, also of those that are not in the file any more."""
        return {id_.receiver: entry.alert for id_, entry in self._entries.items() if id_.kind == Kind.BROKEN}

    def retain(self, receivers: Mapping[str, Kind]) -> None:
        """Forget receivers that are not in the file any more, or are of another kind; tell what nobody will hear."""
        gone = [
            id_
            for id_ in self._entries
            if id_.receiver not in receivers or id_.kind not in {Kind.BROKEN, receivers[id_.receiver]}
        ]
        unsaid = sum(not self._entries.pop(id_).said and id_.kind != Kind.BROKEN for id_ in gone)
        if unsaid:
            names = ", ".join(sorted({id_.receiver for id_ in gone}))
            log.warning("%d alerts are dropped: the receivers they waited for have gone or changed: %s", unsaid, names)
        if gone:
            self._change(gone)

    def note(self, receiver: str, kind: Kind, changes: Mapping[str, Entry | None]) -> None:
        """Keep what changed. Never blocks, never fails."""
        ids = []
        for key, entry in changes.items():
            id_ = Id(receiver, kind, key)
            if entry is not None:
                self._entries[id_] = entry
            elif self._entries.pop(id_, None) is None:
                continue  # it never was there
            ids.append(id_)
        if ids:
            self._change(ids)

    async def settled(self, patience: float = PATIENCE) -> None:
        """Wait until everything noted so far is in the file; not for a disk that fails, and never long."""
        wanted, loop = self._noted, asyncio.get_running_loop()
        end = loop.time() + patience
        while self._safe < wanted and self._writing is not None and not (self._failing or self._late):
            done, _ = await asyncio.wait({self._writing}, timeout=end - loop.time())
            if not done:
                self._late = True  # until it answers: one wait for one hanging disk
                return
            await asyncio.sleep(0)  # what is done when it is done comes first

    async def aclose(self) -> None:
        """Write what is left, before the database is closed."""
        self._late = False
        with suppress(TimeoutError):
            async with asyncio.timeout(END):
                await self.settled(END)
        self._closed = True

    def _change(self, ids: Iterable[Id]) -> None:
        self._unwritten.update(ids)
        self._noted += 1
        self._write()

    def _write(self) -> None:
        if self._writing is not None or not self._unwritten or self._closed:
            return
        batch = {id_: self._entries.get(id_) for id_ in self._unwritten}
        self._unwritten.clear()
        self._writing = self._database.write(partial(_apply, batch))
        self._writing.add_done_callback(partial(self._written, batch, self._noted))

    def _written(self, batch: Mapping[Id, Entry | None], noted: int, done: "asyncio.Future[None]") -> None:
        self._writing, self._late = None, False
        self._failing = done.cancelled() or done.exception() is not None
        if self._failing:
            self._unwritten.update(batch)
            if not self._closed:
                asyncio.get_running_loop().call_later(RETRY, self._write)
            return
        self._safe = noted
        if self._database.generation != self._generation:  # a new file: it lacks all the rest
            self._generation = self._database.generation
            self._unwritten.update(self._entries)
        self._write()


_Row = tuple[int, bytes, bytes, bytes, float, int, int, bytes]


def _read(db: sqlite3.Connection) -> list[_Row]:
    # Bytes: one text that is not UTF-8, and SQLite would give none of the rows.
    texts = ("receiver", "kind", "key", "alert")
    receiver, kind, key, alert = (f"CAST({name} AS BLOB)" for name in texts)
    columns = f"rowid, {receiver}, {kind}, {key}, since, heard, said, {alert}"
    return db.execute(f"SELECT {columns} FROM letters ORDER BY since").fetchall()  # noqa: S608 - our own words


def _letter(row: _Row) -> dict[Id, Entry]:
    """Raises ValueError or RecursionError when it is damaged."""
    _, receiver, kind, key, since, heard, said, text = msgspec.convert(row, _Row)  # a damaged row may hold NULL
    alert = msgspec.convert(json.loads(text), Alert)
    return {Id(receiver.decode(), kind.decode(), key.decode()): Entry(alert, since, bool(heard), bool(said))}


def _remove(rows: Iterable[int], db: sqlite3.Connection) -> None:
    db.executemany("DELETE FROM letters WHERE rowid = ?", [(row,) for row in rows])


def _over(alert: Alert, now: float) -> Alert:
    said = alert.annotations.get("summary", alert.name)
    texts = {**alert.annotations, "summary": f"{said} (Outrider was restarted since, and does not see it any more)"}
    return replace(alert, resolved_at=max(now, alert.started_at), annotations=texts)


def _apply(batch: Mapping[Id, Entry | None], db: sqlite3.Connection) -> None:
    # The alert as it is, order and all: what is sent after a restart is the same to the byte.
    db.executemany(
        "INSERT OR REPLACE INTO letters VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (*id_, entry.since, entry.heard, entry.said, json.dumps(msgspec.to_builtins(entry.alert)))
            for id_, entry in batch.items()
            if entry is not None
        ],
    )
    db.executemany(
        "DELETE FROM letters WHERE receiver = ? AND kind = ? AND key = ?",
        [id_ for id_, entry in batch.items() if entry is None],
    )
