"""Where attributes are in OTLP messages: thin types, drawn from the descriptors, of what leads to key-value pairs."""

from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay.entry import Signal
from agent.relay.thin import Field, Node, define

_PAIR, _VALUE, _BYTES = "KeyValue", "AnyValue", 2

#: One attribute; what its value is; and what the values are that hold others.
PAIR: Final = define("Pair", (Field("key", 1, repeated=False), Field("value", 2, repeated=False)))
VALUE: Final = define("Value", (Field("arrays", 5), Field("lists", 6)))
LIST: Final = define("List", (Field("items", 1),))


@cache
def requests(signal: Signal) -> Node:
    """A signal's requests, down to every attribute. Those of metrics and logs are imported when they are wanted."""
    if signal is Signal.METRICS:
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics  # noqa: PLC0415

        return _node(metrics.ExportMetricsServiceRequest.DESCRIPTOR)
    if signal is Signal.LOGS:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs  # noqa: PLC0415

        return _node(logs.ExportLogsServiceRequest.DESCRIPTOR)
    return _node(ExportTraceServiceRequest.DESCRIPTOR)


@cache
def _node(real: Descriptor) -> Node:
    fields = [field for field in real.fields if _leads(field.message_type)]
    kinds = {field.name: kind for field in fields if (kind := field.message_type)}
    messages = {name: _node(kind) for name, kind in kinds.items() if kind.name not in {_PAIR, _VALUE}}
    return Node(
        define(real.full_name.replace(".", "_"), [Field(field.name, field.number) for field in fields]),
        {field.number << 3 | _BYTES: messages[field.name] for field in fields if field.name in messages},
        pairs=tuple(name for name, kind in kinds.items() if kind.name == _PAIR),
        values=tuple(name for name, kind in kinds.items() if kind.name == _VALUE),
        messages=tuple(messages.items()),
    )


def _leads(kind: Descriptor | None) -> bool:
    """Whether there are attributes in messages of that type. Values are not gone into: they hold values."""
    if kind is None:
        return False
    return kind.name in {_PAIR, _VALUE} or any(_leads(field.message_type) for field in kind.fields)
