"""What one destination still has to get, in memory, oldest first and bounded in bytes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

#: Bytes that an entry costs beside its body (object headers, the entry, its place), so that a million requests of one
#: tiny span cannot hold ten times the memory that was allowed.
OVERHEAD = 256


class Entry(NamedTuple):
    """One accepted request: its bytes as they came (shared by all destinations), its spans, and when it came."""

    body: bytes
    spans: int
    at: float


class Queue:
    """First in, first out. An entry leaves by `settle` only, so a worker that dies loses nothing.

    One worker may wait at a time; everything runs in one event loop. `capacity` is in bytes, `clock` in seconds.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.spans = 0
        self.bytes = 0
        self.empty = asyncio.Event()
        self.empty.set()
        self._clock = clock
        self._entries: deque[Entry] = deque()
        self._arrival = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    def has_room(self, size: int) -> bool:
        """Whether a body of `size` bytes can be taken now."""
        return self.bytes + size + (len(self._entries) + 1) * OVERHEAD <= self.capacity

    def put(self, entry: Entry) -> None:
        """Take it. The caller has asked `has_room`."""
        self._entries.append(entry)
        self.spans += entry.spans
        self.bytes += len(entry.body)
        self.empty.clear()
        self._arrival.set()

    def head(self, limit: int) -> list[Entry]:
        """The oldest entries that together have at most `limit` bytes, and always the first one. They stay."""
        size = taken = 0
        for entry in self._entries:
            size += len(entry.body)
            if size > limit and taken:
                break
            taken += 1
        return list(islice(self._entries, taken))

    def settle(self, number: int) -> int:
        """Forget the oldest `number` entries, whose fate is known. Returns how many spans they had."""
        spans = 0
        for _ in range(number):
            entry = self._entries.popleft()
            spans += entry.spans
            self.bytes -= len(entry.body)
        self.spans -= spans
        if not self._entries:
            self.empty.set()
        return spans

    async def reached(self, size: int) -> None:
        """Wait until at least `size` bytes are here."""
        while self.bytes < size:
            self._arrival.clear()
            await self._arrival.wait()

    def oldest_seconds(self) -> float:
        """Age of the oldest entry; 0 when there is none."""
        return max(0.0, self._clock() - self._entries[0].at) if self._entries else 0.0
