"""Requests of every signal, made for these tests."""

import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_MS = 1_000_000


def requests_of(numbers, *, errors=0, took=10, ago=0.0):
    """A request with a server span of each number: the first `errors` failed; `took` in ms; ended `ago` s ago."""
    request = ExportTraceServiceRequest()
    each = request.resource_spans.add()
    each.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = each.scope_spans.add()
    now = time.time_ns() - int(ago * 1e9)
    for place, number in enumerate(numbers):
        trace = (number * 0x9E3779B97F4A7C15 % (1 << 64)).to_bytes(8)
        span = scope.spans.add(
            name="GET /orders", kind=2, trace_id=bytes(7) + b"\1" + trace, span_id=number.to_bytes(8)
        )
        span.start_time_unix_nano, span.end_time_unix_nano = now - int(took * _MS), now
        span.attributes.add(key="http.route").value.string_value = "/orders"
        span.status.code = 2 if place < errors else 0
    return request.SerializeToString()


def metrics_of(points):
    """A request of metrics with that many points."""
    made = ExportMetricsServiceRequest()
    gauge = made.resource_metrics.add().scope_metrics.add().metrics.add(name="depth").gauge
    for number in range(points):
        gauge.data_points.add(as_int=number, time_unix_nano=1)
    return made.SerializeToString()


def logs_of(records):
    """A request of logs with that many records."""
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    for number in range(records):
        scope.log_records.add(time_unix_nano=1).body.string_value = f"line {number}"
    return made.SerializeToString()
