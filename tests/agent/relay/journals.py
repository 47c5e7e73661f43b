"""Journals of these tests, and entries to put into them."""

import asyncio
import contextlib
from pathlib import Path

from agent.relay.entry import Entry, Signal
from agent.relay.journal import SCHEMA, Journal
from agent.relay.settings import JournalSettings as Settings
from agent.relay.store import LaneKey
from agent.state import database as state

A, B = LaneKey(Signal.TRACES, "a"), LaneKey(Signal.TRACES, "b")
LOGS = LaneKey(Signal.LOGS, "a")
QUICK = Settings(settle=0.005, retry=0.02, patience=30.0)
BODY = b"\x0a\x02" * 500


@contextlib.asynccontextmanager
async def journal(folder: Path, *lanes, host=False, settings=QUICK, **options):
    """A journal in this folder, closed at the end, and its books looked at."""
    database = state.Database(folder, [SCHEMA], host=host, settings=state.Settings(retry=0.02, tell=0.0))
    await database.open()
    opened = Journal(database, settings=settings, **options)
    await opened.open(lanes or (A,))
    try:
        yield opened
        if not opened.trouble:
            assert await opened.flush()
            assert await opened.verify() == []
    finally:
        await opened.aclose()
        await database.aclose()


def entry(journal, body=BODY, items=10, signal=Signal.TRACES, headers=(), at=1000.0):
    """The next entry."""
    made = Entry(journal.next_seq, signal, body, items, at, headers)
    journal.next_seq += 1
    return made


async def put(journal, *lanes, **what):
    """Appends one entry that these lanes owe; it must be safe."""
    made = entry(journal, **what)
    assert await journal.append(made, lanes or (A,), {"http": made.items})
    return made


def delivered(*entries):
    """The numbers of their delivery."""
    return {("delivered", ""): sum(one.items for one in entries)}


async def until(store):
    """Wait until all of it is on disk."""
    async with asyncio.timeout(60):
        while store.trouble or not await store.flush():
            await asyncio.sleep(0.005)
