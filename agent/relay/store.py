"""What the relay needs of a place that outlives the process. `NoStore` is the one that does not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from agent.relay.entry import Entry, Signal

#: Numbers of one lane's account: ("accepted", ""), ("delivered", ""), ("rejected", reason), ("dropped", reason).
Deltas = Mapping[tuple[str, str], int]


class LaneKey(NamedTuple):
    """One destination for one signal: what has a queue and an account of its own."""

    signal: Signal
    dest: str


class Left(NamedTuple):
    """What an earlier process left in one lane: its account, and what it still owes."""

    account: Deltas
    entries: int
    items: int
    bytes: int
    oldest_at: float  #: Unix time; 0 when nothing is owed
    merge_bytes: int  #: what this upstream once refused as too large taught us; 0: nothing


class Store(Protocol):
    """Where entries lie until every lane that owes them has settled them. One event loop uses it."""

    durable: bool  #: False: nothing survives, and nothing but memory is used
    next_seq: int  #: for the next entry; the relay takes it and adds one

    @property
    def trouble(self) -> str:
        """Why nothing can be written now, for a person; "" while all is well."""

    @property
    def bytes(self) -> int:
        """Of the bodies on disk."""

    async def append(self, entry: Entry, lanes: Sequence[LaneKey], received: Mapping[str, int]) -> bool:
        """Keep an entry that these lanes owe; `received` counts its items by transport.

        True once it is safe as `durability` has it. False when that cannot be done now: it is written later, when that
        is possible again, unless it was settled by then. The accounts' `accepted` grow with the entry.
        """

    def receive(self, signal: Signal, transport: str, items: int) -> None:
        """Count items that are in no entry; written with what is settled in the same turn of the loop."""

    def settle(self, lane: LaneKey, entries: Sequence[Entry], deltas: Deltas) -> None:
        """This lane owes these no longer, and its account grows by `deltas`; written soon, in one transaction."""

    def on_disk(self, seq: int) -> bool:
        """Whether this entry can be read back, so that memory need not hold it."""

    async def read(self, lane: LaneKey, after: int, before: int, limit: int) -> list[Entry]:
        """Owed entries with `after` < seq < `before`, oldest first: about `limit` bytes of them, and at least one.

        Empty when there are none, or when the disk cannot be read now (`trouble` says why).
        """

    async def oldest(self, limit: int) -> list[tuple[Entry, tuple[LaneKey, ...]]]:
        """The oldest entries of about `limit` bytes, without their bodies (b""), and who owes them: for the caps."""

    def left(self) -> Mapping[LaneKey, Left]:
        """What an earlier process left, by lane; asked once, at the start."""

    def received(self) -> Mapping[tuple[Signal, str], int]:
        """Items received in the life of this store, by signal and transport; asked once, at the start."""

    def learn(self, lane: LaneKey, merge_bytes: int) -> None:
        """Remember how large a request this upstream takes."""

    def quarantine(self, lane: LaneKey, entry: Entry, reason: str) -> None:
        """Keep a copy of what the upstream refused for good, for a person to look at; bounded, the oldest go."""

    async def flush(self) -> bool:
        """Write what waits. Whether all of it is on disk now."""


class NoStore:
    """Memory alone."""

    durable = False
    trouble = ""
    bytes = 0

    def __init__(self) -> None:
        self.next_seq = 1

    async def append(self, entry: Entry, lanes: Sequence[LaneKey], received: Mapping[str, int]) -> bool:
        """Nothing is written, and nothing is promised."""
        return False

    def receive(self, signal: Signal, transport: str, items: int) -> None:
        """Nothing is remembered."""

    def settle(self, lane: LaneKey, entries: Sequence[Entry], deltas: Deltas) -> None:
        """Nothing is remembered."""

    def on_disk(self, seq: int) -> bool:
        """Never."""
        return False

    async def read(self, lane: LaneKey, after: int, before: int, limit: int) -> list[Entry]:
        """Nothing."""
        return []

    async def oldest(self, limit: int) -> list[tuple[Entry, tuple[LaneKey, ...]]]:
        """Nothing."""
        return []

    def left(self) -> Mapping[LaneKey, Left]:
        """Nothing."""
        return {}

    def received(self) -> Mapping[tuple[Signal, str], int]:
        """Nothing."""
        return {}

    def learn(self, lane: LaneKey, merge_bytes: int) -> None:
        """Forgotten with the process."""

    def quarantine(self, lane: LaneKey, entry: Entry, reason: str) -> None:
        """The account counts it; there is no place to keep it."""

    async def flush(self) -> bool:
        """Nothing waits."""
        return True
