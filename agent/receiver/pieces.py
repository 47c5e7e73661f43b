"""Pure: a body of any message type in pieces that protobuf's parser takes one by one, each of them little work.

`relay/wire` cuts where spans are, which is what forwarding needs. Here the descriptors lead, so that nothing is too
deep to be cut: a metric of a million points, an attribute that holds a list of lists, a log body of 60 MiB. What the
parser would make of those at once is twenty times as large, and holds the interpreter meanwhile.
"""

import codecs
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agent.relay.wire import LEAST_BYTES, MAX_DEPTH, WireError, read_tag, read_varint, skip

_FREE_FIELDS = 1000  # that may be of any size
_FIELDS_AT_ONCE = 4096  # in one piece: 3 ms of work, however small they are
_ITEM_DEPTH = 4  # request, resource, scope, item: fields of these have LEAST_BYTES on average
_DEEP_SHARE = 4  # deeper ones a quarter of that: a list of small numbers is written in good faith
_TEXT_SLICE = 256 * 1024  # bytes of a large text checked at once: well under a millisecond
_MOST_NUMBERS = 1024 * 1024  # bytes of packed numbers; a histogram has some hundred of them
_BYTES = 2  # the wire type of texts, bytes, messages and packed numbers


class Piece(NamedTuple):
    """A run of whole fields of one message of type `kind`: valid exactly when that part of the body is.

    `first`: the message begins here; each message that is cut has one such piece, which may be empty.
    """

    kind: type[Message]
    body: bytes
    first: bool = True


class _Shape(NamedTuple):
    """What one message type has inside, by tag: messages that can be cut, texts, packed numbers."""

    kind: type[Message]
    messages: Mapping[int, Descriptor]
    texts: Mapping[int, str]
    numbers: Mapping[int, str]


def pieces(body: bytes, kind: type[Message], limit: int) -> Iterator[Piece | None]:
    """The body in pieces of at most about `limit` bytes; None where the loop may turn though there is no piece.

    What is in no piece (the headers of messages that are cut, large texts, large unknown fields) is checked here.
    Raises WireError, possibly after some pieces.
    """
    return _Cutter(body, limit).run(cast("Descriptor", kind.DESCRIPTOR), 0, len(body), 1)


class _Cutter:
    """One walk over one body."""

    def __init__(self, body: bytes, limit: int) -> None:
        self.body = body
        self.limit = limit
        self.fields = 0.0
        self.allowed = _FREE_FIELDS + len(body) // LEAST_BYTES

    def run(self, type_: Descriptor, at: int, end: int, depth: int) -> Iterator[Piece | None]:
        if depth > MAX_DEPTH:
            raise WireError(f"messages nested deeper than {MAX_DEPTH}")
        body, limit, shape = self.body, self.limit, _shape(type_)
        start, first, fields = at, True, 0  # of the piece in the making
        while at < end:
            field = at
            fields += 1
            tag, value = read_tag(body, at, end)
            if tag < 8:  # field number 0; inside unknown groups protobuf itself lets it pass
                raise WireError("a field number that cannot be")
            at = skip(body, tag, value, end)
            if at - field > limit:
                if first or start < field:
                    yield self._piece(shape, start, field, fields, depth, first=first)
                yield from self._large(shape, field, at, depth)
                start, first, fields = at, False, 0
            elif at - start >= limit or fields >= _FIELDS_AT_ONCE:
                yield self._piece(shape, start, at, fields, depth, first=first)
                start, first, fields = at, False, 0
        if first or start < end:
            yield self._piece(shape, start, end, fields, depth, first=first)

    def _large(self, shape: _Shape, at: int, end: int, depth: int) -> Iterator[Piece | None]:
        """A field that is larger than a piece may be. Unknown ones, and bytes, may hold anything."""
        tag, inside = read_tag(self.body, at, end)
        if tag & 7 != _BYTES:
            return
        _, inside = read_varint(self.body, inside, end, 5)
        if inner := shape.messages.get(tag):
            yield from self.run(inner, inside, end, depth + 1)
        elif name := shape.texts.get(tag):
            yield from _text(self.body, inside, end, name)
        elif name := shape.numbers.get(tag):
            if end - at > _MOST_NUMBERS:
                raise WireError(f"{name} has more than {_MOST_NUMBERS >> 20} MiB of numbers")
            yield Piece(shape.kind, self.body[at:end], first=False)

    def _piece(self, shape: _Shape, start: int, end: int, fields: int, depth: int, *, first: bool) -> Piece:
        self.fields += fields if depth <= _ITEM_DEPTH else fields / _DEEP_SHARE
        if self.fields > self.allowed:
            raise WireError(f"its fields have fewer than {LEAST_BYTES} bytes on average: most are empty")
        return Piece(shape.kind, self.body[start:end], first=first)


def _text(body: bytes, at: int, end: int, name: str) -> Iterator[None]:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        for start in range(at, end, _TEXT_SLICE):
            stop = min(end, start + _TEXT_SLICE)
            decode(body[start:stop], stop == end)
            yield None
    except UnicodeDecodeError as error:
        raise WireError(f"{name} is not UTF-8") from error


@lru_cache(64)  # OTLP has some forty types
def _shape(type_: Descriptor) -> _Shape:
    messages, texts, numbers = {}, {}, {}
    for field in type_.fields:
        tag, name = field.number << 3 | _BYTES, f"{type_.name}.{field.name}"
        if field.message_type is not None:
            messages[tag] = field.message_type
        elif field.type == FieldDescriptor.TYPE_STRING:
            texts[tag] = name
        elif field.type != FieldDescriptor.TYPE_BYTES and field.is_repeated:
            numbers[tag] = name
    return _Shape(GetMessageClass(type_), messages, texts, numbers)
