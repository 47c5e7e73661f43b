"""Thin message types: they know the few fields we touch, and protobuf carries all others along as they are.

A span of seven attributes costs 0.3 us to parse and as much to write. Parsed as a type that knows two of its fields
it costs 0.06, and what is written has every byte of the rest, in its order, with the unknown among it.

The types are of proto2, which tells a field that is empty from one that is missing. A field that holds one message is
declared as repeated bytes: should it come several times, the pieces stay apart, and mean together what they meant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_POOL: Final = DescriptorPool()  # our own: the full types of the same messages are in the default one


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A thin type and what is inside: `inside` has the types of its messages by the tags of their fields.

    The rest says where attributes are, for those who look for them: names of fields that hold key-value pairs, of
    fields that hold values, and of fields that hold further messages, with their types. Without a `kind` nothing in it
    is ours, and it is passed on unread.
    """

    kind: Any
    inside: Mapping[int, "Node"] = field(default_factory=dict)
    pairs: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    messages: tuple[tuple[str, "Node"], ...] = ()


class Field(NamedTuple):
    """One field of a thin type: bytes, or messages of an earlier thin type of that name."""

    name: str
    number: int
    kind: str = ""
    repeated: bool = True


def define(name: str, fields: Sequence[Field]) -> Any:
    """A new thin type. `name` is unique in the process."""
    file = FileDescriptorProto(name=name, package="outrider.thin", syntax="proto2")
    message = file.message_type.add(name=name)
    for each in fields:
        made = message.field.add(name=each.name, number=each.number, type=FieldDescriptorProto.TYPE_BYTES)
        made.label = FieldDescriptorProto.LABEL_REPEATED if each.repeated else FieldDescriptorProto.LABEL_OPTIONAL
        if each.kind:
            made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".outrider.thin.{each.kind}"
            if each.kind not in file.dependency:
                file.dependency.append(each.kind)
    _POOL.Add(file)
    return GetMessageClass(_POOL.FindMessageTypeByName(f"outrider.thin.{name}"))


def _requests(name: str, scopes: Sequence[Field], inner: Mapping[int, Node]) -> Node:
    """A request of any signal: groups of one resource each, and what their thin type shows of their scopes."""
    group = define(f"{name}Group", (Field("resource", 1), *scopes))
    request = define(f"{name}Request", (Field("groups", 1, f"{name}Group"),))
    return Node(request, {0x0A: Node(group, inner)})


SPAN: Final = Node(
    define("Span", (Field("trace_id", 1, repeated=False), Field("trace_state", 3, repeated=False))),
)
SCOPE: Final = Node(define("Scope", (Field("spans", 2, "Span"),)), {0x12: SPAN})
#: An ExportTraceServiceRequest, down to two fields of each span.
SPANS: Final = _requests("Spans", (Field("scopes", 2, "Scope"),), {0x12: SCOPE})
#: A request of any signal, down to its resources.
RESOURCES: Final = _requests("Resources", (), {0x12: Node(None)})
