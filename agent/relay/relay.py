"""The relay: takes a request once, owes it to every destination, and says at the end what became of it."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from agent.relay.caps import Caps
from agent.relay.destination import Destination
from agent.relay.entry import Entry, Headers, Signal, size_of
from agent.relay.lane import Lane
from agent.relay.ledger import Ledger
from agent.relay.memory import OVERHEAD, Memory
from agent.relay.roster import Roster
from agent.relay.settings import Limits, Settings
from agent.relay.store import LaneKey, NoStore, Store
from agent.relay.view import pipeline
from exporters.base import Sample, SpanSender

_FLUSHES = 10  # groups of writes that a request waits for when the memory is full of what is not yet on disk
_LAST_FLUSH = 2.0  # seconds for the disk at the end
_BEYOND = 4  # with so many fourths of the disk's limit above it, nobody is dropping, and requests are refused


class Refused(Exception):  # noqa: N818 - what happened to the request
    """The request is not taken, and nothing of it is kept. `reason` is one of ledger.REFUSED."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Relay:
    """Fan-out over the queues of lanes, one for each destination and signal, which share the bytes.

    A request is taken by all destinations or by none: a sender that is told 503 will send it again, and must not make
    duplicates at those that took it. So, without a disk, a destination that stays down until memory is full holds up
    the others.

    Life of a destination: `add`; run its `run()` as a task; end that task; `remove`. Life of the relay: run `run()` as
    a task, which keeps the limits; `drain` while the tasks run; end them; `aclose`; only then close the store.
    `clock` is in seconds, `chance` in [0, 1), `wall` gives Unix time.
    """

    def __init__(
        self,
        senders: Mapping[str, SpanSender],
        *,
        store: Store | None = None,
        signals: Sequence[Signal] = (Signal.TRACES,),
        limits: Limits | None = None,
        settings: Settings | None = None,
        durability: str = "memory",
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.store: Store = store or NoStore()
        self.signals = tuple(signals)
        self.durability = durability  #: in the user's words
        self.ledger = Ledger()
        self.destinations: dict[str, Destination] = {}
        self.kept_spans = 0  #: items that are left on disk for the next process, known after `aclose`
        self._settings = settings or Settings()
        self._clock = clock
        self._chance = chance
        self._wall = wall
        self.memory = Memory((limits or Limits()).memory)
        self._caps = Caps(self.ledger, self.memory, self.store, limits or Limits(), clock, wall)
        self._roster = Roster(self.ledger, self.memory, self.store, self._caps, self._settings.grace, clock, wall)
        self._stopping = False
        self._ended = False
        for name, sender in senders.items():
            self.add(name, sender)

    @property
    def limits(self) -> Limits:
        """How much may wait."""
        return self._caps.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._caps.limits = limits
        self.memory.limit = limits.memory
        self._caps.wanted.set()

    @property
    def capacity(self) -> int:
        """Bytes of the largest body that can ever be taken."""
        return self.limits.disk if self.store.durable else self.limits.memory - OVERHEAD

    # -- destinations --------------------------------------------------------------------------------------------------

    def add(self, name: str, sender: SpanSender, *, drop_on_auth_error: bool = False) -> Destination:
        """One more destination, owed every request from now on, and what was kept for one of its name.

        `drop_on_auth_error`: give up what the upstream answers with 401 or 403, instead of keeping it.
        """
        lanes = {}
        for signal in self.signals:
            key = LaneKey(signal, name)
            lanes[signal] = Lane(
                key,
                sender,
                self._roster.account(key),
                self.store,
                self._settings,
                drop_on_auth_error=drop_on_auth_error,
                clock=self._clock,
                chance=self._chance,
            )
        self.destinations[name] = Destination(name, sender, lanes, self._clock)
        for key in [key for key in self.ledger.lanes if key.dest == name and key.signal not in lanes]:
            self._roster.leave(key)
        return self.destinations[name]

    async def remove(self, name: str, *, keep: bool = False) -> None:
        """Close a destination whose task has ended.

        `keep`: its queues and numbers are for the next of that name, and what comes meanwhile is queued for it too.
        Otherwise what is on disk waits an hour for one of that name, and what is not is given up.
        """
        destination = self.destinations.pop(name)
        if not keep:
            for lane in destination.lanes.values():
                self._roster.leave(lane.key)
        await destination.aclose()

    # -- in ------------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        signal: Signal,
        body: bytes,
        items: int,
        headers: Headers = (),
        *,
        transport: str = "http",
        sampled: int = 0,
    ) -> None:
        """Take a valid request with that many items; when this returns it is owed to every destination.

        It is then as safe as the store can make it now. `sampled`: items that were received and left out of the body.
        Raises Refused, and then no destination has it.
        """
        size = size_of(body, headers)
        refusal = self._refusal(signal, size, items)
        if refusal == "queue_full" and self._caps.on_disk:
            refusal = await self._refusal_in_time(signal, size, items)
        if refusal:
            self.ledger.incoming[signal].refused[refusal] += items + sampled
            raise Refused(refusal)
        self.ledger.incoming[signal].received[transport] += items + sampled
        if sampled:
            self._leave_out(signal, transport, sampled)
        if not items:
            return  # an empty envelope is a success, and nobody's business
        store, owners = self.store, self._roster.owners[signal]
        entry = Entry(store.next_seq, signal, body, items, self._wall(), headers)
        store.next_seq += 1
        self.memory.hold(entry, len(owners))
        for key in owners:
            account = self.ledger.lanes[key]
            account.accepted += items
            account.queue.put(entry)
        if store.durable:
            await store.append(entry, owners, {transport: items})
            if store.bytes > self.limits.disk:
                self._caps.wanted.set()

    def _refusal(self, signal: Signal, size: int, items: int) -> str:
        """Why a body of this size cannot be taken; "" when it can."""
        if self._stopping:
            return "stopping"
        if not self._roster.owners.get(signal):
            return "no_destination"  # between two configurations: whoever said yes now would owe it to nobody
        if not items:
            return ""
        full = self._caps.on_disk and self.store.bytes + size > self._most_on_disk
        return "queue_full" if full or not self._caps.room(size) else ""

    async def _refusal_in_time(self, signal: Signal, size: int, items: int) -> str:
        """The same once what fills the memory is written, as that is a matter of milliseconds."""
        for _ in range(_FLUSHES):
            if not await self.store.flush():
                break
            if (refusal := self._refusal(signal, size, items)) != "queue_full":
                return refusal
        return "queue_full"

    @property
    def _most_on_disk(self) -> int:
        return self.limits.disk * (_BEYOND + 1) // _BEYOND if self._caps.drops_disk else self.limits.disk

    def _leave_out(self, signal: Signal, transport: str, sampled: int) -> None:
        """Book what sampling left out."""
        self.store.receive(signal, transport, sampled)
        deltas = {("accepted", ""): sampled, ("dropped", "sampled"): sampled}
        for key in self._roster.owners[signal]:
            self.ledger.lanes[key].book(deltas)
            self.store.settle(key, (), deltas)

    def delivery(self) -> Callable[[], bool]:
        """A question for later: has a destination all the spans that were taken until now?

        Rather no than a wrong yes: where anything was rejected or given up meanwhile, nobody can tell.
        """
        until, lost = self.store.next_seq - 1, {dest: each.lost for dest, each in self.ledger.accounts.items()}
        return lambda: any(
            lost.get(dest) == account.lost and not account.queue.owes(until)
            for dest, account in self.ledger.accounts.items()
        )

    # -- while it runs -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the limits, for the life of the relay."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.tidy):
                    await self._caps.wanted.wait()
            await self.tidy()

    async def tidy(self) -> None:
        """Drop what is too old or too much, and what removed destinations did not come back for."""
        await self._caps.enforce()
        await self._roster.forget()

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """The outrider_otlp_* metrics."""
        return self.ledger.samples(self.signals)

    def pipeline(self) -> dict[str, object]:
        """For the API: what came in, and where each destination stands."""
        return pipeline(self)

    # -- the end -------------------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> bool:
        """Take nothing more, and deliver what is queued within `seconds`. Returns whether all of it was settled."""
        self._stopping = True
        for destination in self.destinations.values():
            destination.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for account in self.ledger.lanes.values():
                    await account.queue.empty.wait()
        await self._flush()
        return not any(account.queue.items for account in self.ledger.lanes.values())

    async def aclose(self) -> None:
        """Close every sender; keep what is on disk and give up what is not: counted, and told. Safe twice.

        The tasks have ended by now. The store is still open, and is written to.
        """
        self._stopping = True
        if not self._ended:
            self._ended = True
            self._caps.tell(at_once=True)
            await self._flush()
            for key, account in self.ledger.lanes.items():
                self._roster.end(key, "shutdown")
                self.kept_spans += account.queue.items
            await self._flush()
        for destination in self.destinations.values():
            await destination.aclose()

    async def _flush(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_FLUSH):
                await self.store.flush()
