"""Pure: the wire format of protobuf, read field by field without decoding what is inside.

Two facts of it carry those who use this file. A run of whole fields of a message is itself a message of that type, so a
large body can be checked, cut and edited in pieces. And the encodings of two messages, one after the other, are one
message with the repeated fields of both, so requests are merged by concatenation.
"""

from collections.abc import Iterable
from enum import IntEnum

#: Bytes that fields must have on average: an event with its time has 16, a span with its ids 28. Less is an attack: two
#: bytes each on the wire, and a microsecond of walking.
LEAST_BYTES = 16
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


def merge(bodies: Iterable[bytes]) -> bytes:
    """One request with the spans of all. Valid for uncompressed protobuf that goes to the same destination."""
    return b"".join(bodies)


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
