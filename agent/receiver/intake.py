"""The one way in: every receiver hands its requests here, whatever they came by."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from google.protobuf.message import Message

from agent.receiver.validate import inspect
from agent.relay.entry import HOPS, MAX_HOPS, Headers, Signal
from agent.relay.process import Processed
from agent.relay.relay import Refused, Relay
from agent.relay.wire import Level

_REMEMBERED = 256  # refused bodies: they come again, and their requests must not be counted twice


class Circle(ValueError):  # noqa: N818 - what is wrong with the request's way
    """It came through so many Outriders that it must be going round."""


class Taken(NamedTuple):
    """What partial_success says: how many items were not taken though the request was, and why."""

    rejected: int = 0
    message: str = ""


class Walk(Protocol):
    """Sees one body while it is parsed, piece by piece."""

    def see(self, level: Level, first: bool, message: Message) -> None:
        """The next piece; `first`: it begins a message of that level."""

    def commit(self, now: float) -> None:
        """The body was valid: what was seen counts."""

    def taken(self, now: float) -> None:
        """It is owed to every destination."""


class Processing(Protocol):
    """What is done with a body on its way: invalid spans out, resources completed, secrets out, traces sampled."""

    async def apply(self, signal: Signal, body: bytes, items: int, invalid: Collection[int]) -> Processed:
        """The body to forward; `invalid` are ordinals of spans, in the order of the body."""


class Intake:
    """Checks, measures, processes and submits.

    `walk` begins the measuring of a body of spans that arrives now, None where nothing is measured. `clock` gives Unix
    time.
    """

    def __init__(
        self,
        relay: Relay,
        processing: Processing,
        walk: Callable[[float], Walk] | None = None,
        *,
        signals: Collection[Signal] = (Signal.TRACES,),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.signals = frozenset(signals)
        self.relay = relay
        self.processing = processing
        self.walk = walk
        self._clock = clock
        self._refused: dict[int, None] = {}

    async def take(self, signal: Signal, body: bytes, transport: str, headers: Mapping[str, str]) -> Taken:
        """Owe a request to every destination. `headers`: those that go along, and HOPS; names in lower case.

        Raises Invalid (not of that signal's type), Circle, or Refused (not now; nothing of it is kept).
        """
        passed = _one_hop_more(headers)
        walk = self.walk(self._clock()) if self.walk and signal is Signal.TRACES else None
        found = await inspect(body, signal, walk.see if walk else None)
        if walk and not self._seen(body):
            walk.commit(self._clock())
        processed = await self.processing.apply(signal, body, found.items, found.invalid)
        try:
            await self.relay.submit(
                signal, processed.body, processed.items, passed, transport=transport, sampled=processed.sampled
            )
        except Refused:
            self._remember(body)
            raise
        if walk:
            walk.taken(self._clock())
        return Taken(len(found.invalid), found.why) if found.invalid else Taken()

    def _seen(self, body: bytes) -> bool:
        """Whether this body was counted when it was refused; it is forgotten then."""
        return bool(self._refused) and self._refused.pop(hash(body), self) is None

    def _remember(self, body: bytes) -> None:
        self._refused[hash(body)] = None
        if len(self._refused) > _REMEMBERED:
            del self._refused[next(iter(self._refused))]


def _one_hop_more(headers: Mapping[str, str]) -> Headers:
    """The headers to send on. Raises Circle."""
    text = headers.get(HOPS, "0")
    hops = int(text) if text.isdecimal() and len(text) < 4 else 0
    if hops >= MAX_HOPS:
        raise Circle(f"it came through {hops} Outriders: two of them forward to each other; mend traces.forward")
    return tuple(sorted({**headers, HOPS: str(hops + 1)}.items()))
