"""One signal to one destination: what is queued leaves in order, until the upstream took or refused each request."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from agent.relay import wire
from agent.relay.breaker import Breaker
from agent.relay.entry import Entry, Headers
from agent.relay.ledger import ITEMS, REJECTED, Account, closed
from agent.relay.settings import Settings
from agent.relay.split import split
from agent.relay.store import Deltas, LaneKey, Store
from exporters.base import Delivery, Permanent, Retryable, SpanSender

#: Refusals that blame the configuration. A person can mend that, so the spans are kept, though OTLP lets us drop them.
BLAMES_SETTING = frozenset({"auth"})
#: Refusals that blame the body: of a merged request, one part may be at fault, so it is halved until that one is alone.
BLAMES_BODY = frozenset({"invalid", "too_large"})

LEAST_MERGE = 64 * 1024  #: bytes; what an upstream teaches us is never less, as merging less than that is no gain
#: Bytes of what no upstream refuses for its size: one that says so means something else, such as a quota, and cutting
#: further would only storm it.
_SMALL = 4096
_BACKLOG_TURN = 4  # of so many batches one is from the backlog, while there is live traffic
_MEMORY_PARTS = 4  # and one of them may be on its way
_DISK_PAUSE = 1.0  # seconds until a disk that could not be read is tried again


class Lane:
    """The worker of one lane: one request in flight, everything else waits in the queue.

    `run` is a task for the life of the relay. If it dies it may be started again: whatever was not settled is still
    queued. `clock` is in seconds and `chance` in [0, 1): tests bring their own.
    """

    def __init__(
        self,
        key: LaneKey,
        sender: SpanSender,
        account: Account,
        store: Store,
        settings: Settings,
        *,
        drop_on_auth_error: bool = False,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.key = key
        self.account = account
        self.queue = account.queue
        self.delivered_at: float | None = None  #: by `clock`
        self.breaker = Breaker(key, account, clock, chance)
        self._sender = sender
        self._store = store
        self._settings = settings
        # A sender may ask for less than everyone's, as one does that compresses in our thread.
        self._most: int = getattr(sender, "merge_bytes", None) or settings.merge_bytes
        self._drop_on_auth_error = drop_on_auth_error
        self._clock = clock
        self._turn = 0
        self._missed = False
        self._cutting: frozenset[int] = frozenset()

    async def run(self) -> None:
        """Deliver for ever. Ends only by cancellation, or by an error that no sender may raise."""
        self.queue.release()
        while True:
            await self.queue.some()
            if not self.queue.backlog and not self.breaker.hurried.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.linger):
                        await self.queue.reached(self._brisk_bytes)
            await self._deliver(await self._next())

    def hurry(self) -> None:
        """The process ends soon: merge what is there, and wait no longer than a second between two attempts."""
        self.breaker.hurried.set()

    def settle(self, entries: Sequence[Entry], deltas: Deltas) -> None:
        """The fate of these is known: in the queue, in the account and on disk."""
        self.queue.settle(entries)
        self.account.book(deltas)
        self._store.settle(self.key, entries, deltas)

    @property
    def _merge_bytes(self) -> int:
        # What is on its way cannot give way to what comes, so it is never more than a part of the memory.
        return min(self._most, self.account.learnt or self._most, self.queue.capacity // _MEMORY_PARTS)

    @property
    def _brisk_bytes(self) -> int:
        """For a request while the upstream keeps up: a larger one costs more in fresh memory than it saves."""
        most = self._merge_bytes
        return most if self.queue.bytes > most else min(most, self._settings.brisk_bytes)

    # -- what is next --------------------------------------------------------------------------------------------------

    async def _next(self) -> list[Entry]:
        """The next request: the newest traffic first, and every fourth time, or when there is none, the backlog."""
        queue = self.queue
        if queue.backlog:
            self._turn = (self._turn + 1) % _BACKLOG_TURN if queue.live else 0
            if not self._turn:
                await self._read_back()
                if batch := queue.head_read(self._merge_bytes):
                    return batch
        if batch := queue.head(self._brisk_bytes):
            return batch
        if queue.backlog:
            await self._missing()
        return []

    async def _read_back(self) -> None:
        """Some of the backlog, unless some of it is here already."""
        queue = self.queue
        if queue.read_back:
            return
        before = queue.first_live or self._store.next_seq
        limit = min(self._settings.read_bytes, self._merge_bytes)
        with queue.watching() as left:
            found = await self._store.read(self.key, queue.cursor, before, limit)
            queue.read(entry for entry in found if entry.seq not in left)
        if found:
            self._missed = False

    async def _missing(self) -> None:
        """There is a backlog, and the disk shows none of it: it cannot be read now, or, seen twice, it is gone."""
        if self._store.trouble or not self._missed:
            self._missed = not self._store.trouble
            await asyncio.sleep(_DISK_PAUSE)
        else:
            lost = self.queue.lose()
            self._missed = False
            deltas = {("dropped", "lost"): lost}
            self.account.book(deltas)
            self._store.settle(self.key, (), deltas)
            self.breaker.warn("lost", f"the disk has {lost} {self._items} no longer that were queued there")

    @property
    def _items(self) -> str:
        return ITEMS[self.key.signal]

    # -- what becomes of it --------------------------------------------------------------------------------------------

    async def _deliver(self, batch: Sequence[Entry]) -> None:
        """See to it that each of these is settled. Some may be dropped while they wait for another attempt."""
        while batch := self.queue.owed(batch):
            body = wire.merge(entry.body for entry in batch)
            size = len(body)
            attempt = self._attempt(body, batch[0].headers, (entry.seq for entry in batch))
            del body  # up to some megabytes, which nobody needs during a long wait
            answer = await attempt
            if isinstance(answer, Delivery):
                self._delivered(batch, answer)
            elif answer is not None:
                await self._refused(batch, size, answer)

    async def _attempt(self, body: bytes, headers: Headers, seqs: Iterable[int]) -> Delivery | Permanent | None:
        """One attempt; None when it failed for now, and the wait for the next one is over."""
        self.queue.wire = self._cutting or frozenset(seqs)
        self.account.inflight = 1
        try:
            return await self._sender.send(body, self.key.signal, headers)
        except Retryable as error:
            failure: Retryable | Permanent = error
        except Permanent as error:
            if error.reason not in BLAMES_SETTING or self._drop_on_auth_error:
                return error
            failure = error
        finally:
            self.account.inflight = 0
            self.queue.wire = self._cutting
        del body
        await self.breaker.failed(failure.reason, str(failure), getattr(failure, "after", None))
        return None

    def _delivered(self, batch: Sequence[Entry], delivery: Delivery) -> None:
        items = sum(entry.items for entry in batch)
        self.settle(batch, self._taken(items, delivery))
        self.breaker.answered()

    def _taken(self, items: int, delivery: Delivery) -> Counter[tuple[str, str]]:
        """What a success means for the account."""
        self.delivered_at = self._clock()
        rejected = min(items, max(0, delivery.rejected))  # an upstream that cannot count must not unbalance us
        if delivery.rejected or delivery.message:
            self.account.partial += 1
            text = f"the upstream took {items - rejected} of {items} {self._items}: {delivery.message}"
            self.breaker.warn("partial", text)
        taken = Counter({("delivered", ""): items - rejected})
        if rejected:
            taken["rejected", "partial_success"] = rejected
        return taken

    async def _refused(self, batch: Sequence[Entry], size: int, error: Permanent) -> None:
        """Find the one at fault, if the body is."""
        too_large = error.reason == "too_large"
        if too_large:
            self._learn(size)
        if len(batch) > 1 and error.reason in BLAMES_BODY and not (too_large and size <= _SMALL):
            half = len(batch) // 2
            await self._deliver(batch[:half])
            await self._deliver(batch[half:])
        elif too_large and len(batch) == 1:
            await self._cut(batch[0])
        else:
            self.settle(batch, self._given_up(batch[0], sum(entry.items for entry in batch), error))
            self.breaker.answered()

    def _given_up(self, first: Entry, items: int, error: Permanent) -> Counter[tuple[str, str]]:
        """What a refusal for good means for the account. `first`: of the requests refused, or the only one."""
        if error.reason == "too_large":
            self.breaker.warn(error.reason, f"dropped {items} {self._items} that are too large: {error}")
            return Counter({("dropped", "too_large"): items})
        if error.reason == "invalid":
            self._store.quarantine(self.key, first, str(error))
        self.breaker.warn(error.reason, f"the upstream refused {items} {self._items} for good: {error}")
        return Counter({("rejected", closed(REJECTED, error.reason)): items})

    def _learn(self, size: int) -> None:
        """A body of this size was too large."""
        self.breaker.answered()
        learnt = max(LEAST_MERGE, size // 2)
        if learnt < self._merge_bytes:
            self.account.learnt = learnt
            self._store.learn(self.key, learnt)

    # -- one that is too large -----------------------------------------------------------------------------------------

    async def _cut(self, entry: Entry) -> None:
        """Send one request in parts. It is owed until the last of them is settled, and cannot be dropped meanwhile."""
        self._cutting = self.queue.wire = frozenset((entry.seq,))
        try:
            taken = await self._cut_body(entry.body, entry.items, entry)
        finally:
            self._cutting = self.queue.wire = frozenset()
        taken["delivered", ""] += entry.items - taken.total()  # 0, unless it was counted otherwise at the door
        self.settle((entry,), taken)
        self.breaker.answered()

    async def _cut_body(self, body: bytes, items: int, entry: Entry) -> Counter[tuple[str, str]]:
        taken: Counter[tuple[str, str]] = Counter()
        if len(body) > _SMALL and items > 1:
            async for part in split(body, min(len(body) // 2, self._merge_bytes), entry.signal):
                if len(part.body) < len(body):  # else this is all of it, and nothing can cut it
                    taken += await self._part(part.body, part.items, entry)
        return taken or self._given_up(entry, items, Permanent("too_large", f"{len(body)} bytes that cannot be cut"))

    async def _part(self, body: bytes, items: int, entry: Entry) -> Counter[tuple[str, str]]:
        while True:
            answer = await self._attempt(body, entry.headers, ())
            if isinstance(answer, Delivery):
                return self._taken(items, answer)
            if answer is not None and answer.reason == "too_large":
                self._learn(len(body))
                return await self._cut_body(body, items, entry)
            if answer is not None:
                return self._given_up(entry._replace(body=body, items=items), items, answer)
