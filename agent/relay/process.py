"""What is done with a request on its way: invalid spans out, traces sampled, resources completed, secrets masked.

Only what is asked for is done, and when that is nothing the same bytes go on.
"""

import asyncio
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from typing import NamedTuple

from agent.relay.attributes import requests
from agent.relay.enrich import Completer
from agent.relay.entry import Signal
from agent.relay.redact import Redactor
from agent.relay.rewrite import Editor, rewrite
from agent.relay.sampling import Sampler
from agent.relay.thin import Node
from agent.relay.trim import Trim

#: Bytes that are edited at once, in a millisecond or two; larger bodies are taken apart. A message that mentions a
#: secret's key is gone through attribute by attribute, so of those it is less.
SLICE = 256 * 1024
SLICE_OF_SECRETS = 32 * 1024
_SEARCHED = 1024 * 1024  # bytes searched at once, and copied


@dataclass(frozen=True, slots=True)
class Settings:
    """`resource`: attributes for resources that lack them. `redact`: keys, see Redactor. `sample`: share of traces."""

    resource: Mapping[str, str] = field(default_factory=dict)
    redact: tuple[str, ...] = ()
    sample: Decimal | Fraction = Decimal(1)


class Processed(NamedTuple):
    """What is left of a body, and how many of its spans were left out by sampling."""

    body: bytes
    items: int
    sampled: int = 0


class Process:
    """The steps of one configuration. `kept` says whether a trace is forwarded, `clean` masks secrets in a text."""

    def __init__(self, settings: Settings) -> None:
        self._sampler = Sampler(settings.sample) if settings.sample < 1 else None
        self._completer = Completer(settings.resource) if settings.resource else None
        self._redactor = Redactor(settings.redact) if settings.redact else None
        self._idle = not (self._sampler or self._completer or self._redactor)

    def kept(self, trace_id: bytes, trace_state: str = "") -> bool:
        """Whether spans of that trace are forwarded."""
        return self._sampler is None or self._sampler.kept(trace_id, trace_state)

    def clean(self, text: str) -> str:
        """A text for people, such as an exception's message, without the values of keys that are redacted."""
        return self._redactor.clean(text) if self._redactor else text

    async def apply(self, signal: Signal, body: bytes, items: int, invalid: Collection[int]) -> Processed:
        """The body to forward. It is valid; `invalid` are ordinals of spans to leave out, in the order of the body."""
        if self._idle and not invalid:
            return Processed(body, items)
        sampler = self._sampler if signal is Signal.TRACES else None
        sampled = 0
        if sampler or self._completer or invalid:
            trim = Trim(len(body), invalid, sampler, self._completer)
            body = await _edited(body, trim.root, SLICE, trim)
            if sampler or invalid:
                items, sampled = trim.left, trim.sampled
        if self._redactor and await _mentioned(body, self._redactor):
            body = await _edited(body, requests(signal), SLICE_OF_SECRETS, self._redactor)
        return Processed(body, items, sampled)


async def _edited(body: bytes, node: Node, limit: int, editor: Editor) -> bytes:
    parts = await _done(rewrite(body, node, limit, editor))
    if sum(map(len, parts)) <= _SEARCHED:
        return b"".join(parts)
    joined = BytesIO()  # gives its bytes away at the end without copying them
    for part in parts:
        joined.write(part)
        await asyncio.sleep(0)
    return joined.getvalue()


async def _done(steps: Generator[None, None, list[bytes]]) -> list[bytes]:
    """The result of the steps; the loop turns between them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            parts: list[bytes] = end.value
            return parts
        await asyncio.sleep(0)


async def _mentioned(body: bytes, redactor: Redactor) -> bool:
    if len(body) <= SLICE:
        return redactor.mentioned(body)
    beyond = max(map(len, redactor.needles))
    for start in range(0, len(body), _SEARCHED):
        if redactor.mentioned(body[start : start + _SEARCHED + beyond]):
            return True
        await asyncio.sleep(0)
    return False
