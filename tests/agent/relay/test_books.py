"""Whatever happens in whatever order, the books balance: chance plays the senders, upstreams, disks and reloads."""

import asyncio
import contextlib
import random
import sqlite3

import pytest

from agent.guard import Guard
from agent.relay import breaker, lane
from agent.relay.entry import Signal
from agent.relay.journal import SCHEMA, Journal
from agent.relay.relay import Refused, Relay
from agent.relay.settings import JournalSettings, Limits, Settings
from agent.relay.store import LaneKey
from agent.state import database as state
from config.net.retry import Backoff
from exporters.base import Delivery, Permanent, Retryable
from tests.agent.pipeline import balanced
from tests.pipeline.ends import body_of, ids_of

NAMES = "abc"
STEPS = 250
POISON = 97  # whatever holds a number that this divides is refused for good


class Sender:
    """An upstream in some mood: `well`, `away` or `odd`."""

    def __init__(self, play):
        self._play = play

    async def send(self, body, signal="traces", headers=()):
        chance, mood = self._play.chance, self._play.mood
        await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01)))
        if mood == "away":
            raise Retryable("connect", "nobody there")
        draw = chance.random() if mood == "odd" else 1.0
        for least, reason in ((0.15, "503"), (0.2, "auth"), (0.25, "too_large"), (0.27, "answer")):
            if draw < least:
                raise (Retryable if reason == "503" else Permanent)(reason, "so it is")
        if mood == "odd" and any(number % POISON == 0 for number in ids_of(body)):
            raise Permanent("invalid", "one of them is odd")
        return Delivery(chance.choice((1, 2, 10**6)), "not all") if draw < 0.3 else Delivery()

    async def aclose(self):
        pass


class Play:
    """One agent's relay over its restarts."""

    def __init__(self, folder, seed):
        self.folder, self.chance, self.mood, self.next = folder, random.Random(seed), "odd", 1
        self.locked, self.names = contextlib.ExitStack(), {"a", "b"}

    def limits(self):
        chance = self.chance
        return Limits(
            memory=chance.choice((8_000, 40_000, 10**7)),
            disk=chance.choice((1 << 16, 1 << 18, 1 << 28)),
            max_age=chance.choice((1e9, 1e9, 0.5)),
            on_full=chance.choice((None, "refuse", "drop_oldest")),
        )

    async def start(self):
        self.guard = Guard()
        self.database = state.Database(self.folder, [SCHEMA], settings=state.Settings(retry=0.02, tell=0.0))
        await self.database.open()
        self.journal = Journal(self.database, settings=JournalSettings(settle=0.003, retry=0.02))
        await self.journal.open([LaneKey(Signal.TRACES, name) for name in self.names])
        settings = Settings(linger=0.002, tidy=0.02, merge_bytes=30_000, read_bytes=5_000)
        self.relay = Relay({}, store=self.journal, limits=self.limits(), settings=settings)
        self.guard.start("relay", self.relay.run)
        for name in self.names:
            self.add(name)

    async def stop(self):
        self.locked.close()
        await self.guard.aclose()
        await self.relay.aclose()
        if await self.journal.flush():
            assert await self.journal.verify() == []
        await self.journal.aclose()
        await self.database.aclose()

    def add(self, name):
        self.names.add(name)
        self.guard.start(name, self.relay.add(name, Sender(self)).run)

    async def remove(self, name, *, keep):
        await self.guard.stop(name)
        await self.relay.remove(name, keep=keep)
        self.names.discard(name)
        if keep:
            self.add(name)

    async def submit(self):
        number = self.chance.choice((1, 1, 3, 20, 60))
        ids = range(self.next, self.next + number)
        self.next += number
        body, headers = body_of(ids, self.chance.choice((0, 20, 300))), (("tenant", self.chance.choice("xyz")),)
        with contextlib.suppress(Refused):
            await self.relay.submit(Signal.TRACES, body, number, headers, sampled=self.chance.choice((0, 0, 2)))

    def lock(self):
        """Somebody else's transaction: nothing can be written until it ends."""
        other = sqlite3.connect(self.folder / "outrider.db", isolation_level=None, timeout=1)
        self.locked.callback(other.close)
        with contextlib.suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")

    async def step(self):
        """Something happens."""
        draw = self.chance.random()
        if draw < 0.7:
            task = asyncio.create_task(self.submit())
            await (task if self.chance.random() < 0.5 else asyncio.sleep(0))
        elif draw < 0.8:
            await asyncio.sleep(self.chance.choice((0, 0.001, 0.01)))
        elif draw < 0.86:
            self.mood = self.chance.choice(("odd", "away", "well"))
        elif draw < 0.9:
            name = self.chance.choice(NAMES)
            if name in self.names:
                await self.remove(name, keep=self.chance.random() < 0.5)
            else:
                self.add(name)
        elif draw < 0.93:
            self.locked.close() if self.chance.random() < 0.6 else self.lock()
        elif draw < 0.95:
            self.relay.limits = self.limits()
        elif draw < 0.96:
            await self.stop()
            await self.start()
        elif draw < 0.963:
            self.locked.close()
            for path in self.folder.glob("outrider.db*"):
                path.unlink()

    def check(self):
        """True at every moment, of what is owed by lanes with and without a destination."""
        assert balanced(self.relay)
        ledger = self.relay.ledger
        for account in (*ledger.lanes.values(), *ledger.gone.values()):
            queue = account.queue
            assert queue.items >= queue.backlog_items >= 0
            assert queue.items - queue.backlog_items == sum(entry.items for entry in queue.in_memory_before())


@pytest.mark.parametrize("seed", range(4))
async def test_the_books_balance_whatever_happens(tmp_path, monkeypatch, seed):
    """Reloads, restarts, full and failing disks, odd upstreams: each step balances, and in the end nothing is left."""
    monkeypatch.setattr(breaker, "_QUICK", Backoff(base=0.001, cap=0.005))
    monkeypatch.setattr(breaker, "_PATIENT", Backoff(base=0.002, cap=0.01))
    monkeypatch.setattr(lane, "_DISK_PAUSE", 0.01)
    play = Play(tmp_path, seed)
    await play.start()
    for _ in range(STEPS):
        await play.step()
        play.check()
    play.locked.close()
    play.mood = "well"
    for name in set(NAMES) - play.names:
        play.add(name)
    async with asyncio.timeout(60):
        while any(account.queue.items for account in play.relay.ledger.lanes.values()):
            await asyncio.sleep(0.01)
            play.check()
        while not await play.journal.flush():
            await asyncio.sleep(0.01)
    assert play.relay.memory.bytes == play.journal.bytes == 0
    assert await play.database.read(lambda db: db.execute("SELECT count(*) FROM requests").fetchone()) == (0,)
    await play.stop()
