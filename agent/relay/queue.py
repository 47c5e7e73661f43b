"""What one lane owes: the newest in memory, and behind that a backlog which is read back from disk."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, takewhile

from agent.relay.entry import Entry
from agent.relay.memory import Memory
from agent.relay.store import Left

#: Entries looked at for one merged request. Those of another header set are passed over, so this bounds the work.
_LOOKED_AT = 4096


class Queue:
    """Entries leave by `settle` or `drop` only, so a worker that dies loses nothing.

    Three places, each in order of arrival: `live` (in memory), `ahead` (read back from disk), and what nobody has read
    yet, which came after what is ahead. One worker may wait at a time; everything runs in one event loop. `wall` gives
    Unix time.
    """

    def __init__(self, memory: Memory, wall: Callable[[], float] = time.time) -> None:
        self.items = 0
        self.backlog_items = 0  #: of the items, those that are not in memory
        self.empty = asyncio.Event()
        self.empty.set()
        self.wire: frozenset[int] = frozenset()  #: entries on their way upstream now; they cannot be dropped
        self.cursor = 0  #: the newest entry that was read back
        self._memory = memory
        self._wall = wall
        self._live: OrderedDict[int, Entry] = OrderedDict()
        self._ahead: OrderedDict[int, Entry] = OrderedDict()
        self._unread = 0
        self._live_bytes = 0
        self._ahead_bytes = 0
        self._unread_bytes = 0  # an estimate once some of them were dropped unread
        self._backlog_at = 0.0  # when the oldest of the backlog came, as far as is known
        self._claimed: frozenset[int] = frozenset()
        self._left: set[int] = set()
        self._watchers = 0
        self._wanted = 1
        self._arrival = asyncio.Event()

    def __len__(self) -> int:
        return len(self._live) + self.backlog

    @property
    def backlog(self) -> int:
        """Entries that are not in memory."""
        return len(self._ahead) + self._unread

    @property
    def bytes(self) -> int:
        """Of all bodies, wherever they are."""
        return self._live_bytes + self._ahead_bytes + self._unread_bytes

    @property
    def capacity(self) -> int:
        """Bytes that the memory may hold, of all lanes together."""
        return self._memory.limit

    @property
    def read_back(self) -> int:
        """Entries of the backlog that are at hand."""
        return len(self._ahead)

    @property
    def live(self) -> int:
        """Entries in memory."""
        return len(self._live)

    @property
    def first_live(self) -> int | None:
        """The oldest entry in memory."""
        return next(iter(self._live), None)

    def oldest_seconds(self) -> float:
        """Age of the oldest entry; 0 when there is none."""
        if self.backlog:
            at = self._backlog_at
        elif self._live:
            at = next(iter(self._live.values())).at
        else:
            return 0.0
        return max(0.0, self._wall() - at)

    def owes(self, until: int) -> bool:
        """Whether an entry up to this number may still wait: of what lies unread nobody knows the numbers."""
        oldest = min(next(iter(place), until + 1) for place in (self._live, self._ahead))
        return bool(self._unread) or oldest <= until

    # -- in ------------------------------------------------------------------------------------------------------------

    def put(self, entry: Entry) -> None:
        """The newest one. The caller counts it in the memory."""
        self._live[entry.seq] = entry
        self.items += entry.items
        self._live_bytes += entry.size
        self.empty.clear()
        if self._live_bytes >= self._wanted:
            self._arrival.set()

    def restore(self, left: Left) -> None:
        """What an earlier process left on disk: all of it is backlog."""
        self.items += left.items
        self.backlog_items += left.items
        self._unread += left.entries
        self._unread_bytes += left.bytes
        self._backlog_at = left.oldest_at
        if left.entries:
            self.empty.clear()
            self._arrival.set()

    def read(self, entries: Iterable[Entry]) -> None:
        """These, the oldest of what was unread, were read back."""
        for entry in entries:
            self._unread_less(entry.size)
            self._ahead[entry.seq] = entry
            self._ahead_bytes += entry.size
            self.cursor = entry.seq
        if self._ahead:
            self._backlog_at = next(iter(self._ahead.values())).at

    def shelve(self, entry: Entry) -> None:
        """It leaves the memory, as it is on disk. What a worker has in hand stays where it is."""
        if entry.seq in self._claimed or self._live.pop(entry.seq, None) is None:
            return
        if not self.backlog:
            self._backlog_at = entry.at
        self._live_bytes -= entry.size
        self._unread_more(entry)
        self.backlog_items += entry.items

    def park(self) -> None:
        """There is no worker any more: all of it lies on disk, and may be asked for again from its beginning."""
        self.release()
        self._backlog_at = self._wall() - self.oldest_seconds()
        for entry in (*self._ahead.values(), *self._live.values()):
            self._unread_more(entry)
        for seq in self._live:
            self._memory.release(seq)
        self._ahead.clear()
        self._live.clear()
        self._live_bytes = self._ahead_bytes = 0
        self.backlog_items = self.items
        self.cursor = 0

    # -- out -----------------------------------------------------------------------------------------------------------

    def head(self, limit: int) -> list[Entry]:
        """The oldest in memory that may be merged: alike in headers, `limit` bytes together, and always one."""
        return self._claim(self._live, limit)

    def head_read(self, limit: int) -> list[Entry]:
        """The same of what was read back."""
        return self._claim(self._ahead, limit)

    def release(self) -> None:
        """The worker that had claimed entries is no more."""
        self._claimed = self.wire = frozenset()

    def owed(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of them that were not dropped meanwhile."""
        return [entry for entry in entries if entry.seq in self._live or entry.seq in self._ahead]

    def settle(self, entries: Iterable[Entry]) -> None:
        """Forget these, whose fate is known."""
        for entry in entries:
            if self._live.pop(entry.seq, None) is not None:
                self._memory.release(entry.seq)
                self._live_bytes -= entry.size
            elif self._ahead.pop(entry.seq, None) is not None:
                self._ahead_bytes -= entry.size
                self.backlog_items -= entry.items
                self._backlog_at = entry.at
            else:
                continue
            self._less(entry)

    def drop(self, entry: Entry) -> bool:
        """Give up one that is in memory, or that the store says is owed (ask it while `watching`).

        False when it is on its way upstream, or is gone already. The entry may come without its body.
        """
        if entry.seq in self.wire or entry.seq in self._left:
            return False
        held = self._live.get(entry.seq) or self._ahead.get(entry.seq)
        if held is not None:
            self.settle((held,))
            return True
        if not self._unread or entry.seq <= self.cursor:
            return False
        self._unread_less(self._unread_bytes // self._unread)  # the size of one of them, by and large
        self._backlog_at = entry.at
        self.backlog_items -= entry.items
        self._less(entry)
        return True

    def lose(self) -> int:
        """Give up all that is unread, as the disk has it no longer; returns how many items that is."""
        lost = self.backlog_items - sum(entry.items for entry in self._ahead.values())
        self.items -= lost
        self.backlog_items -= lost
        self._unread = self._unread_bytes = 0
        self._told_empty()
        return lost

    def in_memory_before(self, at: float = float("inf")) -> list[Entry]:
        """What is in memory and came before that Unix time."""
        return list(takewhile(lambda entry: entry.at < at, self._live.values()))

    @contextmanager
    def watching(self) -> Iterator[set[int]]:
        """The numbers of all that leaves meanwhile: what the store answers to a question may be old by then."""
        self._watchers += 1
        try:
            yield self._left
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._left = set()

    async def some(self) -> None:
        """Wait until anything is owed."""
        await self._until(1, lambda: bool(len(self)))

    async def reached(self, size: int) -> None:
        """Wait until at least `size` bytes are in memory."""
        await self._until(size, lambda: self._live_bytes >= size)

    # -- numbers -------------------------------------------------------------------------------------------------------

    def _claim(self, place: OrderedDict[int, Entry], limit: int) -> list[Entry]:
        found: list[Entry] = []
        size = 0
        for entry in islice(place.values(), _LOOKED_AT):
            if found and entry.headers != found[0].headers:
                continue
            size += len(entry.body)
            if size > limit and found:
                break
            found.append(entry)
        self._claimed = frozenset(entry.seq for entry in found)
        return found

    async def _until(self, size: int, holds: Callable[[], bool]) -> None:
        while not holds():
            self._wanted = size
            self._arrival.clear()
            await self._arrival.wait()

    def _less(self, entry: Entry) -> None:
        self.items -= entry.items
        if self._watchers:
            self._left.add(entry.seq)
        self._told_empty()

    def _unread_more(self, entry: Entry) -> None:
        self._unread += 1
        self._unread_bytes += entry.size

    def _unread_less(self, size: int) -> None:
        self._unread = max(0, self._unread - 1)
        self._unread_bytes = max(0, self._unread_bytes - size) if self._unread else 0

    def _told_empty(self) -> None:
        if not len(self):
            self.empty.set()
