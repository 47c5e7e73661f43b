"""The messages of OTLP as JSON objects: which keys each has, and how their values become fields."""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from agent.receiver.json_scalars import Scalar, prefixed, scalar_of, varint, zero_of
from agent.receiver.json_text import BARE

if TYPE_CHECKING:
    from agent.receiver.json_reader import Reader

#: Reads a value at a place, nested so deep: its bytes (with or without the tag of its field), and the place after it.
Take = Callable[["Reader", int, int], tuple[bytes, int]]

_VARINT, _BYTES = 0, 2  # wire types
_WIRE_TYPES: Final = {
    FieldDescriptor.TYPE_STRING: _BYTES,
    FieldDescriptor.TYPE_BYTES: _BYTES,
    FieldDescriptor.TYPE_MESSAGE: _BYTES,
    FieldDescriptor.TYPE_DOUBLE: 1,
    FieldDescriptor.TYPE_FIXED64: 1,
    FieldDescriptor.TYPE_SFIXED64: 1,
    FieldDescriptor.TYPE_FIXED32: 5,
}

# How nearly all attributes come. This says nothing that the general way would not.
_WHOLE = "-?(?:0|[1-9][0-9]{0,17})"
_ATTRIBUTE = re.compile(
    rf'\{{"key":{BARE},"value":\{{"(?:stringValue":{BARE}'
    rf'|intValue":(?:({_WHOLE})|"({_WHOLE})")|boolValue":(true|false))\}}\}}'
)


class Member(NamedTuple):
    """One key: the number of its field, how its value is read, and the oneof it belongs to."""

    number: int
    take: Take
    group: str


class Shape:
    """The keys of one message. `snake`: names that are none, and the key that was meant."""

    def __init__(self, descriptor: Descriptor | None = None) -> None:
        self.members: dict[str, Member] = {}
        self.snake: dict[str, str] = {}
        self.groups = False
        for field in descriptor.fields if descriptor else ():
            group = field.containing_oneof.name if field.containing_oneof else ""
            self.members[field.json_name] = Member(field.number, _take(field), group)
            self.groups = self.groups or bool(group)
            if field.name != field.json_name:
                self.snake[field.name] = field.json_name


@cache
def shape_of(descriptor: Descriptor) -> Shape:
    """The shape of a message type."""
    return Shape(descriptor)


def _take(field: FieldDescriptor) -> Take:
    """How the value of a field is read."""
    message = field.message_type
    if field.is_repeated:
        if message is None and field.is_packed:
            return _packed(_tag(field, _BYTES), scalar_of(field))
        element = _nested(message) if message else _plain(scalar_of(field))
        if message and message.full_name == "opentelemetry.proto.common.v1.KeyValue":
            element = _attribute(element)
        return _repeated(_tag(field), element)
    if message:
        return _single(_tag(field), _nested(message))
    return _scalar(_tag(field), scalar_of(field), None if field.has_presence else zero_of(field))


def _tag(field: FieldDescriptor, wire_type: int | None = None) -> bytes:
    return varint(field.number << 3 | (_WIRE_TYPES.get(field.type, _VARINT) if wire_type is None else wire_type))


def _plain(scalar: Scalar) -> Take:
    return lambda reader, at, _: scalar(reader.text, at)


def _nested(descriptor: Descriptor) -> Take:
    def element(reader: "Reader", at: int, depth: int) -> tuple[bytes, int]:
        # Looked up when it is read: a type may contain itself.
        body, at = reader.message(at, shape_of(descriptor), depth)
        return prefixed(body), at

    return element


def _attribute(element: Take) -> Take:
    """The usual attribute in one step; any other as `element` does."""

    def usual(reader: "Reader", at: int, depth: int) -> tuple[bytes, int]:
        match = _ATTRIBUTE.match(reader.text, at)
        if match is None or not match[1]:
            return element(reader, at, depth)
        name, text, number, quoted, flag = match.groups()
        if text is not None:
            value = b"\x0a" + prefixed(text.encode())
        elif flag is not None:
            value = b"\x10\x01" if flag == "true" else b"\x10\x00"
        else:
            value = b"\x18" + varint(int(number or quoted) & 0xFFFF_FFFF_FFFF_FFFF)
        return prefixed(b"\x0a" + prefixed(name.encode()) + b"\x12" + prefixed(value)), match.end()

    return usual


def _single(tag: bytes, element: Take) -> Take:
    def take(reader: "Reader", at: int, depth: int) -> tuple[bytes, int]:
        value, at = element(reader, at, depth)
        return tag + value, at

    return take


def _scalar(tag: bytes, scalar: Scalar, zero: bytes | None) -> Take:
    """`zero`: the value that is not written."""

    def take(reader: "Reader", at: int, depth: int) -> tuple[bytes, int]:
        value, at = scalar(reader.text, at)
        return (b"" if value == zero else tag + value), at

    return take


def _repeated(tag: bytes, element: Take) -> Take:
    def take(reader: "Reader", at: int, depth: int) -> tuple[bytes, int]:
        values, at = reader.array(at, element, depth, tag)
        return bytes(values), at

    return take


def _packed(tag: bytes, scalar: Scalar) -> Take:
    def take(reader: "Reader", at: int, depth: int) -> tuple[bytes, int]:
        values, at = reader.array(at, _plain(scalar), depth)
        return (tag + prefixed(values) if values else b""), at

    return take
