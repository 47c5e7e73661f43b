"""One request that is too large for its upstream, cut into several on the wire: no span is decoded.

Each part has the fields of its resource and of its scope, also those that nobody knows, and some of the spans. The
three signals nest alike: field 1 of a request, field 2 of that, field 2 of that.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from typing import NamedTuple

from agent.relay.entry import Signal
from agent.relay.wire import header, read_tag, read_varint, skip

MOST = 1024 * 1024  #: bytes of a part, whatever the upstream takes: a part is a few milliseconds of work
_AT_ONCE = 4096  # elements in a part, and fields walked over between two turns of the loop
_RESOURCE, _CHILD, _POINT = 0x0A, 0x12, 0x0A  # the tags of what is inside
_BYTES = 2  # the wire type of messages, texts and bytes
_POINTS = frozenset({0x2A, 0x3A, 0x4A, 0x52, 0x5A})  # a metric's gauge, sum, histogram, exponential one, summary


class Part(NamedTuple):
    """A request of its own, and how many items it has."""

    body: bytes
    items: int


async def split(body: bytes, limit: int, signal: Signal = Signal.TRACES) -> AsyncIterator[Part]:
    """The request in parts of at most `limit` bytes where that can be. The body is one that protobuf's parser took.

    A part is larger where a single span is. A scope is not cut where its own fields and those of its resource, which
    each part needs, have half of the limit by themselves.
    """
    making = _Making(min(limit, MOST))
    for steps, piece in enumerate(_pieces(body, making.limit // 2, signal), 1):
        if piece is not None and (part := making.add(piece)):
            yield part
        if not steps % _AT_ONCE:
            await asyncio.sleep(0)
    if part := making.finished():
        yield part


class _Field(NamedTuple):
    """Where a field begins, where what it holds does, and where both end."""

    tag: int
    start: int
    value: int
    end: int


class _Frame:
    """The fields of one resource or scope beside its children. Two with the same fields are still two."""

    __slots__ = ("own",)

    def __init__(self, own: bytes) -> None:
        self.own = own


class _Piece(NamedTuple):
    """A whole field that stays in one part, and the frames it stands in: None where it does not."""

    resource: _Frame | None
    scope: _Frame | None
    field: bytes
    items: int


class _Making:
    """The part in the making: whole fields of the request, of the open resource and of the open scope."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.clear()

    def clear(self) -> None:
        self.resource: _Frame | None = None
        self.scope: _Frame | None = None
        self.done: list[bytes] = []
        self.scopes: list[bytes] = []
        self.spans: list[bytes] = []
        self.size = self.items = self.pieces = 0

    def add(self, piece: _Piece) -> Part | None:
        """Takes it; returns what was made so far when both would be too much."""
        part = None
        if self.pieces and (self.size + self._cost(piece) > self.limit or self.pieces >= _AT_ONCE):
            part = self.finished()
        self.size += self._cost(piece)
        if piece.scope is not self.scope or piece.resource is not self.resource:
            self._close_scope()
        if piece.resource is not self.resource:
            self._close_resource()
        self.resource, self.scope = piece.resource, piece.scope
        place = self.spans if piece.scope else self.scopes if piece.resource else self.done
        place.append(piece.field)
        self.items += piece.items
        self.pieces += 1
        return part

    def finished(self) -> Part | None:
        """What was made, if anything; begins anew."""
        self._close_scope()
        self._close_resource()
        part = Part(b"".join(self.done), self.items) if self.pieces else None
        self.clear()
        return part

    def _cost(self, piece: _Piece) -> int:
        """Bytes that it adds, with the frames it opens and their lengths."""
        cost = len(piece.field)
        for frame, opened in ((piece.resource, self.resource), (piece.scope, self.scope)):
            if frame is not None and frame is not opened:
                cost += len(frame.own) + 6
        return cost

    def _close_scope(self) -> None:
        if self.scope is not None:
            self.scopes.append(_field(_CHILD, self.scope.own, self.spans))
            self.scope, self.spans = None, []

    def _close_resource(self) -> None:
        if self.resource is not None:
            self.done.append(_field(_RESOURCE, self.resource.own, self.scopes))
            self.resource, self.scopes = None, []


def _pieces(body: bytes, most: int, signal: Signal) -> Iterator[_Piece | None]:
    """The body's pieces in order; None for a field that was only walked over. `most`: bytes of two frames together."""
    for one in _fields(body, 0, len(body)):
        resource = (yield from _frame(body, one)) if one.tag == _RESOURCE else None
        if resource is None:
            yield _Piece(None, None, body[one.start : one.end], 0)
            continue
        for child in _fields(body, one.value, one.end):
            if child.tag == _CHILD:
                yield from _pieces_of_scope(body, resource, child, most, signal)


def _pieces_of_scope(
    body: bytes, resource: _Frame, place: _Field, most: int, signal: Signal
) -> Iterator[_Piece | None]:
    scope = yield from _frame(body, place)
    whole = scope is None or len(resource.own) + len(scope.own) > most
    items = 0
    for one in _fields(body, place.value, place.end):
        if one.tag == _CHILD and not whole:
            yield _Piece(resource, scope, body[one.start : one.end], _items(body, one, signal))
        elif one.tag == _CHILD:
            items += _items(body, one, signal)
            yield None
    if whole:
        yield _Piece(resource, None, body[place.start : place.end], items)


def _frame(body: bytes, place: _Field) -> Generator[None, None, _Frame | None]:
    """Returns the frame of the message there; None when it has no children, and is a piece by itself."""
    own, childless = [], True
    for one in _fields(body, place.value, place.end):
        if one.tag == _CHILD:
            childless = False
        else:
            own.append(body[one.start : one.end])
        yield None
    return None if childless else _Frame(b"".join(own))


def _items(body: bytes, place: _Field, signal: Signal) -> int:
    """Items in one element: a metric has as many as it has points."""
    if signal is not Signal.METRICS:
        return 1
    return sum(
        point.tag == _POINT
        for kind in _fields(body, place.value, place.end)
        if kind.tag in _POINTS
        for point in _fields(body, kind.value, kind.end)
    )


def _fields(body: bytes, at: int, end: int) -> Iterator[_Field]:
    """The fields of the message that lies there."""
    while at < end:
        start = at
        tag, value = read_tag(body, at, end)
        at = skip(body, tag, value, end)
        if tag & 7 == _BYTES:
            _, value = read_varint(body, value, end, 5)
        yield _Field(tag, start, value, at)


def _field(tag: int, own: bytes, children: list[bytes]) -> bytes:
    """The field whose value is that frame with those children."""
    return b"".join((header(tag, len(own) + sum(map(len, children))), own, *children))
