"""What the journal has yet to write: entries, what was settled, the numbers of the accounts. No disk, no clock.

`take` makes one transaction of it; then comes `done` or `undo`. Until then everything new is for the next one.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agent.relay.entry import Entry, Signal
from agent.relay.journal_tables import QUARANTINE_BYTES, QUARANTINED, Batch, Found
from agent.relay.store import Deltas, LaneKey

ACCEPTED = ("accepted", "")
Quarantined = tuple[float, str, str, str, int, int, bytes | None]


@dataclass(eq=False, slots=True)
class Shelf:
    """One lane, as the file shall have it. `items`: what it owes on disk."""

    key: LaneKey
    id: int
    merge_bytes: int = 0
    totals: Counter[tuple[str, str]] = field(default_factory=Counter)  #: what was settled, and how
    items: int = 0
    moved: bool = True  #: its row in the file is not right
    changed: set[tuple[str, str]] = field(default_factory=lambda: {ACCEPTED})  #: numbers in the file that are not

    def rows(self) -> Iterable[tuple[int, str, str, int]]:
        """The numbers that changed. What was accepted follows from the others, so that the books always balance."""
        if self.changed:
            yield (self.id, *ACCEPTED, self.totals.total() + self.items)
            yield from ((self.id, *key, self.totals[key]) for key in self.changed if key != ACCEPTED)


@dataclass(eq=False, slots=True)
class Waiting:
    """An entry that is not known to be on disk. `shelves` owe it; `flying`: owed it when the transaction was made."""

    entry: Entry
    shelves: set[Shelf]
    received: Mapping[str, int]
    future: asyncio.Future[bool] | None = None
    flying: tuple[Shelf, ...] = ()

    def tell(self, safe: bool) -> None:
        """Answer whoever waits for it, once."""
        future, self.future = self.future, None
        if future is not None and not future.done():
            future.set_result(safe)


@dataclass(slots=True)
class _Flight:
    """What is being written, to be taken back where that fails."""

    entries: list[Waiting]
    settled: dict[Shelf, set[int]]
    changed: dict[Shelf, set[tuple[str, str]]]
    moved: list[Shelf]
    received: set[tuple[Signal, str]]
    quarantined: list[Quarantined]


class Pending:
    """Used by one event loop. `bytes`: of the bodies on disk, with those that are being written."""

    def __init__(self) -> None:
        self.waiting: dict[int, Waiting] = {}
        self.shelves: dict[LaneKey, Shelf] = {}
        self.received: Counter[tuple[Signal, str]] = Counter()
        self.bytes = 0
        self.unsure: int | None = None
        self._settled: dict[Shelf, set[int]] = {}
        self._receivers: set[tuple[Signal, str]] = set()
        self._quarantined: list[Quarantined] = []
        self._flight: _Flight | None = None

    def __bool__(self) -> bool:
        """Whether anything has to be written, or is being written."""
        return bool(self.waiting) or self.small or self._flight is not None

    @property
    def small(self) -> bool:
        """Whether there is anything beside new entries."""
        changed = any(shelf.changed or shelf.moved for shelf in self.shelves.values())
        return bool(changed or self._settled or self._receivers or self._quarantined)

    @property
    def first(self) -> float:
        """The oldest entry that waits; infinite where none does."""
        return next(iter(self.waiting), float("inf"))

    @property
    def last(self) -> int:
        """The newest entry that waits; 0 where none does."""
        return next(reversed(self.waiting), 0)

    def answer(self) -> None:
        """Whoever waits for the disk waits no longer: memory has to do."""
        for waiting in self.waiting.values():
            waiting.tell(safe=False)

    def shelf(self, key: LaneKey) -> Shelf:
        """The lane of this name; a new one where there was none."""
        shelf = self.shelves.get(key)
        if shelf is None:
            number = max((shelf.id for shelf in self.shelves.values()), default=0) + 1
            shelf = self.shelves[key] = Shelf(key, number)
        return shelf

    def wait(self, entry: Entry, lanes: Iterable[LaneKey], received: Mapping[str, int]) -> Waiting:
        """One more entry."""
        waiting = self.waiting[entry.seq] = Waiting(entry, {self.shelf(key) for key in lanes}, received)
        return waiting

    def receive(self, signal: Signal, transport: str, items: int) -> None:
        """So many more items came; fewer where it is less than 0."""
        self.received[signal, transport] += items
        self._receivers.add((signal, transport))

    def settle(self, key: LaneKey, entries: Iterable[Entry], deltas: Deltas) -> None:
        """A lane owes these no longer. What was never written never will be, but for the numbers."""
        shelf = self.shelf(key)
        for name, number in deltas.items():
            if name != ACCEPTED:
                shelf.totals[name] += number
                shelf.changed.add(name)
        for entry in entries:
            waiting = self.waiting.get(entry.seq)
            if waiting is not None:
                waiting.shelves.discard(shelf)
                if not waiting.flying:
                    self._forget(waiting)
                    continue
            shelf.items -= entry.items
            shelf.changed.add(ACCEPTED)
            self._settled.setdefault(shelf, set()).add(entry.seq)

    def settled(self, key: LaneKey) -> set[int]:
        """What a lane owes no longer though the file may say so."""
        shelf = self.shelf(key)
        flying = self._flight.settled.get(shelf, set()) if self._flight else set()
        return self._settled.get(shelf, set()) | flying

    def quarantine(self, row: Quarantined) -> None:
        """One more request for a person to look at; the oldest go."""
        self._quarantined.append(row)
        while len(self._quarantined) > QUARANTINED or _size(self._quarantined) > QUARANTINE_BYTES:
            del self._quarantined[0]

    def take(self, limit: int) -> Batch:
        """The next transaction: everything, but only about `limit` bytes of entries; none where it is 0."""
        flight = _Flight(
            self._load(limit),
            self._settled,
            {shelf: shelf.changed for shelf in self.shelves.values() if shelf.changed},
            [shelf for shelf in self.shelves.values() if shelf.moved],
            self._receivers,
            self._quarantined,
        )
        batch = Batch(
            [(shelf.id, shelf.key.signal.value, shelf.key.dest, None, shelf.merge_bytes) for shelf in flight.moved],
            [(waiting.entry, [shelf.id for shelf in waiting.flying]) for waiting in flight.entries],
            {shelf.id: sorted(seqs) for shelf, seqs in self._settled.items()},
            [row for shelf in flight.changed for row in shelf.rows()],
            [(signal.value, transport, self.received[signal, transport]) for signal, transport in self._receivers],
            flight.quarantined,
            self.unsure,
        )
        for shelf in self.shelves.values():
            shelf.changed, shelf.moved = set(), False
        self._settled, self._receivers, self._quarantined, self._flight = {}, set(), [], flight
        return batch

    def _load(self, limit: int) -> list[Waiting]:
        entries: list[Waiting] = []
        for waiting in self.waiting.values():
            if limit <= 0:
                break
            limit -= waiting.entry.size
            entries.append(waiting)
            waiting.flying = tuple(waiting.shelves)
            self.bytes += waiting.entry.size
            self._receive(waiting, 1)
            for shelf in waiting.flying:
                shelf.items += waiting.entry.items
                shelf.changed.add(ACCEPTED)
        return entries

    def done(self, freed: int) -> None:
        """It is written."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        self.bytes -= freed
        self.unsure = None  # it began by deleting what was unsure
        for waiting in flight.entries:
            del self.waiting[waiting.entry.seq]
            waiting.tell(safe=True)

    def undo(self) -> None:
        """It could not be written: all of it is for the next one."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        if flight.entries:
            first = flight.entries[0].entry.seq
            self.unsure = first if self.unsure is None else min(first, self.unsure)
        for shelf, seqs in flight.settled.items():
            self._settled.setdefault(shelf, set()).update(seqs)
        for shelf, changed in flight.changed.items():
            shelf.changed |= changed
        for shelf in flight.moved:
            shelf.moved = True
        self._receivers |= flight.received
        self._quarantined[:0] = flight.quarantined
        for waiting in flight.entries:
            self._unload(waiting)

    def _unload(self, waiting: Waiting) -> None:
        entry = waiting.entry
        self.bytes -= entry.size
        self._receive(waiting, -1)
        for shelf in waiting.flying:
            if shelf in waiting.shelves:
                shelf.items -= entry.items
            elif (seqs := self._settled.get(shelf)) is not None:  # settled meanwhile, and now never written
                seqs.discard(entry.seq)
                if not seqs:
                    del self._settled[shelf]
        waiting.flying = ()
        waiting.tell(safe=False)
        self._forget(waiting)

    def _forget(self, waiting: Waiting) -> None:
        """An entry that nobody owes any more is not written, but it was received."""
        if not waiting.shelves:
            self._receive(waiting, 1)
            del self.waiting[waiting.entry.seq]
            waiting.tell(safe=False)

    def _receive(self, waiting: Waiting, sign: int) -> None:
        for transport, number in waiting.received.items():
            self.receive(waiting.entry.signal, transport, sign * number)

    def restore(self, found: Found) -> None:
        """What the file holds, when it is read for the first time; this process may have begun without it."""
        self.received.update(found.received)
        self.bytes += found.bytes
        last = max((row.id for row in found.lanes), default=0)
        for number, shelf in enumerate(self.shelves.values(), last + 1):
            shelf.id = number
        for row in found.lanes:
            shelf = self.shelves.setdefault(row.key, Shelf(row.key, row.id))
            shelf.changed = {ACCEPTED, *shelf.totals} if shelf.totals else set()
            shelf.id, shelf.moved = row.id, bool(shelf.merge_bytes)
            shelf.items += row.left.items
            shelf.totals.update({name: value for name, value in row.left.account.items() if name != ACCEPTED})
            shelf.merge_bytes = shelf.merge_bytes or row.left.merge_bytes

    def anew(self) -> int:
        """The file was begun anew: everything is to be written, and what lay in the old one is lost; how many items."""
        lost = sum(shelf.items for shelf in self.shelves.values())
        self._settled, self.bytes, self.unsure = {}, 0, None
        for number, shelf in enumerate(self.shelves.values(), 1):
            shelf.id, shelf.items, shelf.moved = number, 0, True
            shelf.changed = {ACCEPTED, *shelf.totals}
        self._receivers = set(self.received)
        return lost


def _size(rows: Iterable[Quarantined]) -> int:
    return sum(len(row[-1] or b"") for row in rows)
