"""What is given up when too much waits: the oldest, in exact numbers, and told."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.relay.entry import Entry
from agent.relay.ledger import ITEMS, Ledger
from agent.relay.memory import Memory
from agent.relay.queue import Queue
from agent.relay.settings import Limits
from agent.relay.store import LaneKey, Store

_LOG_EVERY = 60.0  # seconds between two lines of one lane and reason
_SHARE = 16  # of a full queue so much is dropped at once, so that not every request has to make room
_AT_ONCE = 512 * 1024  # bytes of the entries that are dropped between two turns of the loop
_WORDS = {
    "queue_full": "the queue is full (traces.queue)",
    "too_old": "they are older than traces.queue.max_age",
    "removed": "the destination is gone",
}

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Loss:
    """What was dropped and not told yet; `first` and `last` are in Unix time."""

    items: int = 0
    first: float = 0.0
    last: float = 0.0
    quiet_until: float = float("-inf")

    def add(self, items: int, first: float, last: float) -> None:
        self.first = min(self.first, first) if self.items else first
        self.last = max(self.last, last) if self.items else last
        self.items += items

    def told(self, quiet_until: float) -> None:
        self.items, self.quiet_until = 0, quiet_until


class Caps:
    """Drops from queues, accounts and disk together. `clock` is in seconds, `wall` gives Unix time."""

    def __init__(
        self,
        ledger: Ledger,
        memory: Memory,
        store: Store,
        limits: Limits,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.limits = limits
        self.wanted = asyncio.Event()
        self._ledger = ledger
        self._memory = memory
        self._store = store
        self._clock = clock
        self._wall = wall
        self._losses: dict[tuple[LaneKey, str], _Loss] = {}

    @property
    def on_disk(self) -> bool:
        """Whether what comes now goes to disk."""
        return self._store.durable and not self._store.trouble

    @property
    def drops_memory(self) -> bool:
        """Whether what is in memory only gives way to what is new."""
        return self.limits.on_full == "drop_oldest"

    @property
    def drops_disk(self) -> bool:
        """Whether what is on disk gives way to what is new."""
        return self.limits.on_full != "refuse"

    # -- memory --------------------------------------------------------------------------------------------------------

    def room(self, size: int) -> bool:
        """Make room in memory for a body of `size` bytes; False when that cannot be done now."""
        memory = self._memory
        while not memory.room(size):
            oldest = memory.oldest()
            if oldest is None:
                return self.on_disk  # larger than the whole memory: it is there until it is written
            if self._store.on_disk(oldest.seq):
                self._shelve(oldest)
            elif self.on_disk or not self.drops_memory or not self._drop_oldest(size):
                return False
        return True

    def _shelve(self, entry: Entry) -> None:
        for account in self._ledger.lanes.values():
            account.queue.shelve(entry)
        self._memory.forget(entry.seq)

    def _drop_oldest(self, size: int) -> bool:
        """Give up the oldest in memory that are not on their way upstream; False when all of them are."""
        excess = max(size, self._memory.limit // _SHARE)
        found: list[Entry] = []
        for entry in self._memory:
            if excess <= 0:
                break
            if not any(entry.seq in account.queue.wire for account in self._ledger.lanes.values()):
                found.append(entry)
                excess -= entry.size
        for key, account in self._ledger.lanes.items():
            self.drop(key, account.queue.owed(found), "queue_full")  # some lanes may have settled some of them
        return bool(found)

    # -- disk ----------------------------------------------------------------------------------------------------------

    async def enforce(self) -> None:
        """Drop what is too old, and what is more than the disk may hold; tell of it."""
        self.wanted.clear()
        await self._too_old()
        await self._too_much()
        self.tell()

    async def _too_old(self) -> None:
        before = self._wall() - self.limits.max_age
        for key, account in self._ledger.lanes.items():
            self.drop(key, account.queue.in_memory_before(before), "too_old")
        if any(queue.oldest_seconds() > self.limits.max_age for queue in self._queues()):
            while await self._drop_stored("too_old", before):
                pass

    async def _too_much(self) -> None:
        if self._store.bytes <= self.limits.disk or not self.drops_disk:
            return
        while self._store.bytes > self.limits.disk - self.limits.disk // _SHARE:
            if not await self._drop_stored("queue_full") or not await self._store.flush():
                return  # all of it is on its way upstream, or the disk is in trouble

    async def _drop_stored(self, reason: str, before: float = float("inf")) -> bool:
        """Drop some of what is oldest on disk, as far as it came before that; whether there was any."""
        by_lane: dict[LaneKey, list[Entry]] = {}
        with ExitStack() as watching:
            for queue in self._queues():
                watching.enter_context(queue.watching())
            for entry, owners in await self._store.oldest(min(_AT_ONCE, self.limits.disk // _SHARE)):
                if entry.at < before:
                    for key in owners:
                        by_lane.setdefault(key, []).append(entry)
            return sum(self.drop(key, entries, reason) for key, entries in by_lane.items()) > 0

    def _queues(self) -> list[Queue]:
        return [account.queue for account in (*self._ledger.lanes.values(), *self._ledger.gone.values())]

    # -- all of it -----------------------------------------------------------------------------------------------------

    def drop(self, key: LaneKey, entries: Iterable[Entry], reason: str, *, quietly: bool = False) -> int:
        """Give up what this lane owes of these, unless it is on its way upstream. Returns how many entries that was."""
        account = self._ledger.lanes.get(key) or self._ledger.gone.get(key)
        gone = [entry for entry in entries if account is None or account.queue.drop(entry)]
        if not gone:
            return 0
        items = sum(entry.items for entry in gone)
        deltas = {("dropped", reason): items}
        if account is not None:
            account.book(deltas)
        self._store.settle(key, gone, deltas)
        if not quietly:
            loss = self._losses.setdefault((key, reason), _Loss())
            loss.add(items, gone[0].at, gone[-1].at)
        return len(gone)

    def tell(self, *, at_once: bool = False) -> None:
        """A line of what was dropped since the last one: at most one a minute of a lane and a reason."""
        now = self._clock()
        for (key, reason), loss in self._losses.items():
            if loss.items and (at_once or now >= loss.quiet_until):
                text = "%s to %s: dropped %d %s that came from %s to %s: %s"
                words, first, last = _WORDS.get(reason, reason), _time(loss.first), _time(loss.last)
                _logger.warning(text, key.signal, key.dest, loss.items, ITEMS[key.signal], first, last, words)
                loss.told(now + _LOG_EVERY)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
