"""Requests of the other signals, and odd ones."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.agent.spans import request


def metrics(points=3, *, kind="gauge"):
    """One metric with that many data points."""
    made = ExportMetricsServiceRequest()
    metric = made.resource_metrics.add().scope_metrics.add().metrics.add(name="queue_length")
    data = getattr(metric, kind).data_points
    for number in range(points):
        point = data.add(time_unix_nano=number + 1)
        point.attributes.add(key="queue").value.string_value = f"queue-{number}"
    return made.SerializeToString()


def logs(records=3, *, filler=0):
    """That many log records."""
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    for number in range(records):
        scope.log_records.add(time_unix_nano=number + 1).body.string_value = "something happened" + "x" * filler
    return made.SerializeToString()


def spans(*ids):
    """One span for each (trace id, span id, parent id)."""
    made = ExportTraceServiceRequest()
    scope = made.resource_spans.add().scope_spans.add()
    for trace, own, parent in ids:
        scope.spans.add(name="GET /orders", trace_id=trace, span_id=own, parent_span_id=parent)
    return made.SerializeToString()


def with_events(number):
    """One span of that many events."""
    made = ExportTraceServiceRequest.FromString(request(1))
    span = made.resource_spans[0].scope_spans[0].spans[0]
    for _ in range(number):
        span.events.add(name="an event", time_unix_nano=1)
    return made.SerializeToString()


def with_attributes(number):
    """One span of that many attributes."""
    made = ExportTraceServiceRequest.FromString(request(1))
    span = made.resource_spans[0].scope_spans[0].spans[0]
    for each in range(number):
        span.attributes.add(key=f"attribute.{each}").value.int_value = each
    return made.SerializeToString()


def field(tag, value):
    """A field of length-delimited bytes."""
    size, length = len(value), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([tag]) + length + bytes([size]) + value


def nested(depth):
    """A request with an attribute that holds lists within lists: AnyValue.array_value.values, so deep."""
    value = b"\x0a\x01x"
    for _ in range(depth):
        value = field(0x2A, field(0x0A, value))
    return _with_value(value)


def attribute_list(values):
    """A request with an attribute that holds these encoded values."""
    return _with_value(field(0x2A, values))


def _with_value(value):
    ids = field(0x0A, b"t" * 16) + field(0x12, b"s" * 8)
    return field(0x0A, field(0x12, field(0x12, ids + field(0x4A, b"\x0a\x04deep" + field(0x12, value)))))
