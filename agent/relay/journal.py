"""The relay's memory that outlives the process: what was accepted is in the state folder until every lane settled it.

What changes while the thread writes goes into the next transaction, so one loop turn of many requests costs one. What a
lane has accepted is not counted here but follows: it is what was settled and what is still owed on disk. So the books
in the file balance at every instant, also when a disk fails and entries wait in memory: these are no part of them yet.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from agent.relay import journal_tables as tables
from agent.relay.entry import Entry, Signal
from agent.relay.journal_pending import Pending
from agent.relay.journal_tables import SCHEMA, Batch, Found
from agent.relay.settings import JournalSettings
from agent.relay.store import Deltas, LaneKey, Left
from agent.state.database import Database, StateError

__all__ = ["SCHEMA", "Journal"]

_logger = logging.getLogger(__name__)


class Journal:
    """A Store on the state folder. `await open(lanes)` first, `await aclose()` before the database is closed."""

    durable = True

    def __init__(
        self, database: Database, *, settings: JournalSettings | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        self.next_seq = int(wall() * 1e6)  # microseconds: more than any process before, also when the disk is empty
        self._database, self._settings, self._wall = database, settings or JournalSettings(), wall
        self._pending = Pending()
        self._left: dict[LaneKey, Left] = {}
        self._generation = 0
        self._from, self._to = 0, 0  # the file may hold seqs after the one, up to the other
        self._stuck = ""  # why the last attempt did no good
        self._cautious = False  # the last attempt failed
        self._hangs = False  # it has not come back
        self._wake = asyncio.Event()
        self._ended = 0.0  # the last transaction
        self._timers: dict[float, asyncio.TimerHandle] = {}
        self._turns: deque[asyncio.Future[None]] = deque()  # who waits for the end of a turn
        self._task: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str:
        """Why not everything can be written now; "" while all is well."""
        return self._database.trouble or self._stuck

    @property
    def bytes(self) -> int:
        """Of the bodies on disk."""
        return self._pending.bytes

    async def open(self, lanes: Iterable[LaneKey]) -> None:
        """Find what an earlier process left. `lanes`: those of the configuration; others are kept for the grace."""
        keys = list(lanes)
        with contextlib.suppress(StateError):  # `_find` says it
            await self._leave(keys)
        try:
            await self._find()
        except StateError as error:
            self._failed(error)
        for key in keys:
            self._pending.shelf(key)
        self._task = asyncio.create_task(self._run(), name="journal")
        self._wake.set()

    def left(self) -> Mapping[LaneKey, Left]:
        """What an earlier process left, by lane, also of lanes that the configuration does not name any more."""
        return self._left

    def received(self) -> Mapping[tuple[Signal, str], int]:
        """Items received in the life of the file, by signal and transport, as they were at the start."""
        return dict(self._pending.received)

    async def append(self, entry: Entry, lanes: Sequence[LaneKey], received: Mapping[str, int]) -> bool:
        """Keep an entry that these lanes owe; False when it waits in memory, because the disk cannot take it now."""
        waiting = self._pending.wait(entry, lanes, received)
        if self.trouble:
            self._wake_in(self._settings.retry)
            return False
        waiting.future = asyncio.get_running_loop().create_future()
        self._wake.set()
        return await waiting.future

    def receive(self, signal: Signal, transport: str, items: int) -> None:
        """Count items that are in no entry."""
        self._pending.receive(signal, transport, items)
        self._wake_in(self._settings.settle)

    def settle(self, lane: LaneKey, entries: Sequence[Entry], deltas: Deltas) -> None:
        """These are no longer owed by this lane, and its account grows by `deltas`."""
        # What only the file had that is gone now is no part of this one's books.
        held = [entry for entry in entries if entry.seq > self._from or entry.seq in self._pending.waiting]
        self._pending.settle(lane, held, deltas)
        self._wake_in(self._settings.settle)

    def on_disk(self, seq: int) -> bool:
        """Whether this entry, which somebody still owes, can be read back."""
        return self._from < seq <= self._to and seq not in self._pending.waiting

    async def read(self, lane: LaneKey, after: int, before: int, limit: int) -> list[Entry]:
        """What a lane owes between these seqs, oldest first: about `limit` bytes, and at least one."""
        if not self._generation:
            return []
        number = self._pending.shelf(lane).id
        with contextlib.suppress(StateError):
            while True:
                work = partial(tables.read, lane=number, after=after, before=before, limit=limit)
                found = await self._database.read(work)
                # What was settled a moment ago may still be there.
                settled = self._pending.settled(lane)
                owed = [entry for entry in found if entry.seq not in settled]
                if owed or not found:
                    return owed
                after = found[-1].seq
        return []

    async def oldest(self, limit: int) -> list[tuple[Entry, tuple[LaneKey, ...]]]:
        """The oldest entries of about `limit` bytes, without their bodies, and who owes them."""
        if not await self.flush():
            return []
        try:
            found = await self._database.read(lambda db: tables.oldest(db, limit))
        except StateError:
            return []
        keys = {shelf.id: key for key, shelf in self._pending.shelves.items()}
        settled = {number: self._pending.settled(key) for number, key in keys.items()}
        owed = [
            (entry, tuple(keys[number] for number in numbers if number in keys and entry.seq not in settled[number]))
            for entry, numbers in found
        ]
        return [(entry, owers) for entry, owers in owed if owers]

    def learn(self, lane: LaneKey, merge_bytes: int) -> None:
        """Remember how large a request this upstream takes."""
        shelf = self._pending.shelf(lane)
        shelf.merge_bytes, shelf.moved = merge_bytes, True
        self._wake_in(self._settings.settle)

    def quarantine(self, lane: LaneKey, entry: Entry, reason: str) -> None:
        """Keep a copy of what the upstream refused for good; of a body over 4 MiB only that it was there."""
        size = len(entry.body)
        body = entry.body if size <= tables.QUARANTINE_BYTES else None
        self._pending.quarantine((self._wall(), lane.signal.value, lane.dest, reason[:500], entry.items, size, body))
        self._wake_in(self._settings.settle)

    async def flush(self) -> bool:
        """Write what waits now, however much comes meanwhile. Whether all of it is on disk."""
        last, turns = self._pending.last, 2  # the turn that is under way may have begun without some of it
        while self._pending and (turns > 0 or self._pending.first <= last):
            if self._hangs or self._task is None or self._task.done():
                return False
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._turns.append(turn)
            self._wake.set()
            await turn
            if self._stuck:
                return False
            turns -= 1
        return True

    async def verify(self) -> list[str]:
        """What is wrong with the books in the file: nothing, ever. Raises StateError."""
        return await self._database.read(tables.unbalanced)

    async def aclose(self) -> None:
        """Write what waits, a few seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.patience):
                await self.flush()
        for timer in self._timers.values():
            timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # -- the task ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if asyncio.get_running_loop().time() - self._ended < self._settings.company:
                await asyncio.sleep(self._settings.company)  # what comes goes along: one transaction is dear
            self._wake.clear()
            await self._turn()
            self._ended = asyncio.get_running_loop().time()
            self._release()
            if self._cautious:
                self._wake_in(self._settings.retry)
            elif self._pending.waiting:
                self._wake.set()

    async def _turn(self) -> None:
        """Write once; whatever happens, nothing is lost from memory."""
        watch = asyncio.get_running_loop().call_later(self._settings.patience, self._overdue)
        try:
            if not self._generation or self._generation != self._database.generation:
                await self._find()
            if self._pending:
                await self._write()
            self._stuck, self._cautious = "", False
        except StateError as error:
            self._failed(error)
        except Exception:  # a mistake of ours: the next attempt may do better, and the agent lives on
            _logger.exception("what is queued could not be written")
            self._failed(StateError("an error of the agent itself"))
        finally:
            watch.cancel()
            self._hangs = False

    async def _write(self) -> None:
        # After a failure what was settled goes first, if there is any: what leaves the disk makes room for what comes.
        first = self._cautious and self._pending.small
        batch = self._pending.take(0 if first else self._settings.batch)
        try:
            freed = await self._database.write(partial(self._apply, batch=batch, generation=self._generation))
        except Exception:
            self._pending.undo()
            raise
        self._to = max(self._to, max((entry.seq for entry, _ in batch.entries), default=0))
        self._pending.done(freed)

    def _apply(self, db: sqlite3.Connection, batch: Batch, generation: int) -> int:
        """Runs in the thread."""
        if generation != self._database.generation:
            raise StateError(f"{self._database.folder}: the file was begun anew")
        size = sum(entry.size for entry, _ in batch.entries)
        if not self._database.room_for(size) and batch.entries:
            raise StateError(self._database.trouble)
        return tables.apply(db, batch)

    async def _leave(self, keys: Sequence[LaneKey]) -> None:
        now, grace = self._wall(), self._settings.grace
        for key, items in await self._database.write(partial(tables.leave, lanes=keys, now=now, grace=grace)):
            text = "%s to %s: dropped %d that were queued: the configuration has not named it for %d minutes"
            _logger.warning(text, key.signal, key.dest, items, grace // 60)

    async def _find(self) -> None:
        """Learn what is in the file, when it is there for the first time, or when another was begun."""
        generation, found = await self._database.read(lambda db: (self._database.generation, tables.look(db)))
        if self._generation:
            if lost := self._pending.anew():
                _logger.error("the queue on disk is lost with the file that was set aside: %d", lost)
            self._from = self._to
        elif self._pending.waiting and min(self._pending.waiting) <= found.last_seq:
            raise StateError(f"{self._database.folder}: the queue in it comes from the future; set the clock, restart")
        else:
            self._adopt(found)
        self._generation = generation

    def _adopt(self, found: Found) -> None:
        self._pending.restore(found)
        self._to = found.last_seq
        self.next_seq = max(self.next_seq, found.last_seq + 1)
        left = {row.key: row.left for row in found.lanes}
        if self._task is None:
            self._left = left
        elif items := sum(one.items for one in left.values()):
            _logger.warning("%d that an earlier process queued are on disk; they go out after the next start", items)

    def _failed(self, error: StateError) -> None:
        self._stuck, self._cautious = str(error), True
        self._pending.answer()  # also who came meanwhile: it may be long until theirs are tried

    def _overdue(self) -> None:
        """A disk that hangs: memory has to do, until it answers."""
        self._stuck, self._hangs = f"{self._database.folder}: the disk does not answer", True
        self._pending.answer()
        self._release()

    def _release(self) -> None:
        turns, self._turns = self._turns, deque()
        for turn in turns:
            if not turn.done():
                turn.set_result(None)

    def _wake_in(self, seconds: float) -> None:
        if seconds not in self._timers:
            self._timers[seconds] = asyncio.get_running_loop().call_later(seconds, self._ring, seconds)

    def _ring(self, seconds: float) -> None:
        del self._timers[seconds]
        self._wake.set()
