"""Pure: the wire format of an ExportTraceServiceRequest, cut and merged without decoding what is inside.

Two facts of protobuf carry this file. A run of whole fields of a message is itself a message of that type, so a large
body can be checked in pieces. And the encodings of two messages, one after the other, are one message with the
repeated fields of both, so requests are merged by concatenation.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

#: Bytes that fields must have on average: an event with its time has 16, a span with its ids 28. Less is an attack: two
#: bytes each on the wire, and a microsecond of walking.
LEAST_BYTES = 16
_FREE_FIELDS = 1000  # that do not count for that
_FIELDS_AT_ONCE = 4096  # in one piece: 3 ms of work, however small they are
MAX_DEPTH = 100  #: nested groups, as in protobuf's own decoders
_MAX_TAG = 0xFFFF_FFFF  # field numbers have 29 bits, and three more tell the wire type

_VARINT, _I64, _BYTES, _GROUP, _GROUP_END, _I32 = range(6)


class WireError(ValueError):
    """These bytes are not a protobuf message, or one that nobody writes in good faith."""


class Level(IntEnum):
    """Which message a piece is a part of, from the outside in."""

    REQUEST = 0
    RESOURCE_SPANS = 1
    SCOPE_SPANS = 2
    SPAN = 3


class Piece(NamedTuple):
    """A run of whole fields of one message: valid on its own exactly when that part of the body is."""

    level: Level
    body: bytes
    first: bool = True  #: whether the message begins here: each message has one such piece


# The field that holds the messages of the next level: resource_spans, scope_spans, spans.
_CHILD = {Level.REQUEST: 1, Level.RESOURCE_SPANS: 2, Level.SCOPE_SPANS: 2, Level.SPAN: 0}


def merge(bodies: Iterable[bytes]) -> bytes:
    """One request with the spans of all. Valid for uncompressed protobuf that goes to the same destination."""
    return b"".join(bodies)


def cut(body: bytes, limit: int) -> Iterator[Piece]:
    """The body in pieces of about `limit` bytes: more only where one field of a span is larger, as nothing can cut it.

    A message that is larger than `limit` is cut inside, so its own header is in no piece. The work between two pieces
    is bounded by `limit`. Raises WireError, possibly after some pieces.
    """
    return _Cutter(body, limit).run(Level.REQUEST, 0, len(body))


class _Cutter:
    """One walk over one body."""

    def __init__(self, body: bytes, limit: int) -> None:
        self.body = body
        self.limit = limit
        self.fields = 0

    def run(self, level: Level, at: int, end: int) -> Iterator[Piece]:
        body, limit, begin = self.body, self.limit, at
        start, fields = at, 0  # of the piece in the making
        while at < end:
            field = at
            fields += 1
            tag, value = read_tag(body, at, end)
            if tag < 8:  # field number 0; inside unknown groups protobuf itself lets it pass
                raise WireError("a field number that cannot be")
            at = skip(body, tag, value, end)
            if at - field > limit and tag == _CHILD[level] << 3 | _BYTES:
                if start < field:
                    yield self._piece(level, start, field, begin, fields)
                _, inner = read_varint(body, value, at, 5)
                yield from self.run(Level(level + 1), inner, at)
                start, fields = at, 0
            elif at - start >= limit or fields >= _FIELDS_AT_ONCE:
                yield self._piece(level, start, at, begin, fields)
                start, fields = at, 0
        if start < end or begin == end:
            yield self._piece(level, start, end, begin, fields)

    def _piece(self, level: Level, start: int, end: int, begin: int, fields: int) -> Piece:
        self.fields += fields
        if self.fields > _FREE_FIELDS + len(self.body) // LEAST_BYTES:
            raise WireError(f"its fields have fewer than {LEAST_BYTES} bytes on average: most are empty")
        return Piece(level, self.body[start:end], first=start == begin)


def read_tag(body: bytes, at: int, end: int) -> tuple[int, int]:
    """The tag at `at`, and where its value begins."""
    if at < end and 8 <= body[at] < 0x80:
        return body[at], at + 1
    tag, at = read_varint(body, at, end, 5)
    if tag > _MAX_TAG:
        raise WireError("a field number that cannot be")
    return tag, at


def skip(body: bytes, tag: int, at: int, end: int) -> int:
    """Where the value at `at` ends."""
    kind = tag & 7
    if kind == _BYTES:
        length, at = read_varint(body, at, end, 5)
        at += length
    elif kind == _VARINT:
        _, at = read_varint(body, at, end, 10)
    elif kind == _I64:
        at += 8
    elif kind == _I32:
        at += 4
    elif kind == _GROUP:
        return _skip_group(body, tag >> 3, at, end)
    else:
        raise WireError("a wire type that cannot be")
    if at > end:
        raise WireError("a field that is longer than what holds it")
    return at


def _skip_group(body: bytes, number: int, at: int, end: int) -> int:
    """Where the group ends whose start tag lies before `at`. OTLP has none; an unknown field may be one."""
    open_groups = [number]
    while open_groups:
        tag, at = read_tag(body, at, end)
        if tag & 7 == _GROUP:
            open_groups.append(tag >> 3)
            if len(open_groups) > MAX_DEPTH:
                raise WireError(f"groups nested deeper than {MAX_DEPTH}")
        elif tag & 7 == _GROUP_END:
            if open_groups.pop() != tag >> 3:
                raise WireError("a group that another one's end closes")
        else:
            at = skip(body, tag, at, end)
    return at


def read_varint(body: bytes, at: int, end: int, longest: int) -> tuple[int, int]:
    """The number at `at` and where it ends; `longest` is how many bytes it may take."""
    value = shift = 0
    for place in range(at, min(end, at + longest)):
        byte = body[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise WireError("a number that does not end")


def header(tag: int, size: int) -> bytes:
    """What stands before a field of `size` bytes. `tag` is one of a message, a text or bytes."""
    return _encoded(tag) + _encoded(size)


def _encoded(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
