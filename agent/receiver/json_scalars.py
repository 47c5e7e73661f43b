"""Scalars of OTLP/JSON as protobuf writes them: what follows a field's tag."""

import binascii
import struct
from collections.abc import Callable
from typing import Final

from google.protobuf.descriptor import FieldDescriptor as Field

from agent.receiver.json_text import PLAIN, WHOLE, Broken, boolean, expected, integer, real, string, whole
from config.net.text import clean

#: Reads a value at a place of the text; returns its bytes and the place after it.
Scalar = Callable[[str, int], tuple[bytes, int]]

#: Bytes of the ids, which OTLP/JSON writes in hex where it writes other bytes in base64.
IDS: Final = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}

_ONE = [bytes((number,)) for number in range(0x80)]


def varint(number: int) -> bytes:
    """A number from 0 to 2**64 - 1."""
    if number < 0x80:
        return _ONE[number]
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def prefixed(raw: bytes | bytearray) -> bytes:
    """Bytes behind their length."""
    return varint(len(raw)) + raw


def identifier(size: int) -> Scalar:
    """An id of `size` bytes in hex, of either case; an empty one is none."""

    def take(text: str, at: int) -> tuple[bytes, int]:
        value, end = string(text, at)
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            raw = None
        # fromhex skips white space, so the text is measured too.
        if raw is None or len(value) != 2 * len(raw) or len(raw) not in (0, size):
            raise Broken(f"hex expected, {2 * size} digits, found {clean(value, 40)!r}")
        return prefixed(raw), end

    return take


def scalar_of(field: Field) -> Scalar:
    """How values of a field are read; not for messages."""
    if field.type == Field.TYPE_BYTES and field.name in IDS:
        return identifier(IDS[field.name])
    return _SCALARS[field.type]


def zero_of(field: Field) -> bytes:
    """The bytes of the value that is left out where a field has no presence of its own."""
    return bytes(_WIDTHS.get(field.type, 1))


def _text(text: str, at: int) -> tuple[bytes, int]:
    match = PLAIN.match(text, at)
    if match:
        raw, at = match[1].encode(), match.end()
    else:
        value, at = string(text, at)
        raw = value.encode()
    return varint(len(raw)) + raw, at


def _bytes(text: str, at: int) -> tuple[bytes, int]:
    value, end = string(text, at)
    try:
        plain = value.rstrip("=").translate(_STANDARD)
        raw = binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except ValueError:
        raise expected(text, at, "base64") from None
    return prefixed(raw), end


def _flag(text: str, at: int) -> tuple[bytes, int]:
    value, at = boolean(text, at)
    return _ONE[value], at


def _double(text: str, at: int) -> tuple[bytes, int]:
    value, at = real(text, at)
    return _pack_double(value), at


def _number(
    low: int, high: int, pack: Callable[[int], bytes], read: Callable[[str, int], tuple[int, int]] = whole
) -> Scalar:
    def take(text: str, at: int) -> tuple[bytes, int]:
        match = WHOLE.match(text, at) if read is whole else None
        if match:
            value, at = int(match[match.lastindex or 0]), match.end()
        else:
            value, at = read(text, at)
        if not low <= value <= high:
            raise Broken(f"{value} is out of range: from {low} to {high}")
        return pack(value), at

    return take


def _signed(number: int) -> bytes:
    """Two's complement of 64 bits."""
    return varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


_STANDARD = str.maketrans("-_", "+/")  # the URL-safe alphabet is allowed too
_pack_double = struct.Struct("<d").pack
_I32, _U32, _I64, _U64 = (-(2**31), 2**31 - 1), (0, 2**32 - 1), (-(2**63), 2**63 - 1), (0, 2**64 - 1)
_SCALARS: Final[dict[int, Scalar]] = {
    Field.TYPE_STRING: _text,
    Field.TYPE_BYTES: _bytes,
    Field.TYPE_BOOL: _flag,
    Field.TYPE_DOUBLE: _double,
    Field.TYPE_ENUM: _number(*_I32, _signed, integer),
    Field.TYPE_INT32: _number(*_I32, _signed),
    Field.TYPE_INT64: _number(*_I64, _signed),
    Field.TYPE_UINT32: _number(*_U32, varint),
    Field.TYPE_UINT64: _number(*_U64, varint),
    Field.TYPE_SINT32: _number(*_I32, _zigzag),
    Field.TYPE_FIXED32: _number(*_U32, struct.Struct("<I").pack),
    Field.TYPE_FIXED64: _number(*_U64, struct.Struct("<Q").pack),
    Field.TYPE_SFIXED64: _number(*_I64, struct.Struct("<q").pack),
}
_WIDTHS: Final = {Field.TYPE_DOUBLE: 8, Field.TYPE_FIXED64: 8, Field.TYPE_SFIXED64: 8, Field.TYPE_FIXED32: 4}
