"""Pure: which text of a body is not UTF-8. Asked only after the parser has refused it, as it does not say."""

from collections.abc import Iterator
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from agent.relay.wire import MAX_DEPTH, WireError, read_tag, read_varint, skip

_MOST_FIELDS = 2048  # looked at: some 3 ms
_BYTES = 2  # the wire type of texts and messages


def culprit(body: bytes, kind: type[Message]) -> str:
    """Path of the first text of a message that is not UTF-8, such as `spans[3].name`; "" when none is found."""
    try:
        for number, path in enumerate(_bad(body, cast("Descriptor", kind.DESCRIPTOR), 0, len(body), "", 1)):
            if path or number >= _MOST_FIELDS:
                return path
    except WireError:
        pass
    return ""


def _bad(body: bytes, type_: Descriptor, at: int, end: int, path: str, depth: int) -> Iterator[str]:
    """For each field a path, or "" when there is nothing wrong with it."""
    seen: dict[int, int] = {}
    while at < end and depth <= MAX_DEPTH:
        tag, value = read_tag(body, at, end)
        at = skip(body, tag, value, end)
        field = type_.fields_by_number.get(tag >> 3)
        if field is None or tag & 7 != _BYTES:
            yield ""
            continue
        _, value = read_varint(body, value, at, 5)
        index = seen[field.number] = seen.get(field.number, -1) + 1
        here = f"{path}{field.name}[{index}]" if field.is_repeated else f"{path}{field.name}"
        if field.message_type is not None:
            yield ""
            yield from _bad(body, field.message_type, value, at, f"{here}.", depth + 1)
        else:
            yield "" if field.type != FieldDescriptor.TYPE_STRING or _is_text(body[value:at]) else here


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
