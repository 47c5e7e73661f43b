"""Requests made for tests."""

import asyncio
import itertools
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_ids = itertools.count(1)


def request(spans: int = 1, *, name: str = "GET /orders", filler: int = 0) -> bytes:
    """An encoded request with that many spans, each with an attribute of `filler` bytes."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "checkout"
    scope = resource.scope_spans.add()
    for _ in range(spans):
        number = next(_ids)
        span = scope.spans.add(name=name, trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"))
        span.start_time_unix_nano, span.end_time_unix_nano = number, number + 1
        if filler:
            span.attributes.add(key="filler").value.string_value = "x" * filler
    return made.SerializeToString()


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition, and fail when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
