"""A request cut into several means the same to protobuf's own parser, and no part is larger than it has to be."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay.entry import Signal
from agent.relay.split import MOST, split
from agent.relay.wire import header
from tests.agent.spans import request

UNKNOWN = b"\x98\x06\x07" + b"\x9a\x06\x03abc" + b"\x9b\x06\x08\x01\x9c\x06" + b"\x9d\x06abcd"


def parts(body, limit, signal=Signal.TRACES):
    async def main():
        return [part async for part in split(body, limit, signal)]

    return asyncio.run(main())


def flat(body):
    """Every span with what it stands in, as bytes: what must not change. And what has no span."""
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        scopes = list(resource.scope_spans)
        del resource.scope_spans[:]
        outer = resource.SerializeToString(deterministic=True)
        found += [] if scopes else [(outer, None, None)]
        for scope in scopes:
            spans = [span.SerializeToString(deterministic=True) for span in scope.spans]
            del scope.spans[:]
            inner = scope.SerializeToString(deterministic=True)
            found += [(outer, inner, span) for span in spans] or [(outer, inner, None)]
    return found


def field(tag, *payloads):
    payload = b"".join(payloads)
    return header(tag, len(payload)) + payload


@st.composite
def bodies(draw):
    """Requests of every shape: own fields before and after the children, unknown ones, empty envelopes."""
    unknown = st.sampled_from([b"", UNKNOWN])
    body, spans = draw(unknown), 0
    for scopes in draw(st.lists(st.lists(st.lists(st.integers(0, 300), max_size=6), max_size=3), max_size=3)):
        resource = field(0x0A, field(0x0A, b"\x0a\x01k" + field(0x12, field(0x0A, b"v" * draw(st.integers(0, 60))))))
        around = draw(st.booleans())
        inner = b"" if around else resource
        for sizes in scopes:
            own = draw(st.sampled_from([b"", field(0x0A, field(0x0A, b"scope"))])) + draw(unknown)
            spans += len(sizes)
            children = [field(0x12, field(0x2A, b"n" * size), UNKNOWN) for size in sizes]
            inner += field(0x12, *children, own) if draw(st.booleans()) else field(0x12, own, *children)
        inner += resource if around else b""
        body += field(0x0A, inner, draw(unknown))
    return body, spans


@settings(max_examples=300, deadline=None)
@given(bodies(), st.integers(1, 2000))
def test_parts_have_every_span_once_in_its_resource_and_scope(made, limit):
    """Whatever the shape and the limit, the parts together have the spans of the body, in order and in their place."""
    body, spans = made
    found = parts(body, limit)
    assert [one for part in found for one in flat(part.body)] == flat(body)
    assert sum(part.items for part in found) == spans
    for part in found:
        assert part.items == sum(span is not None for _, _, span in flat(part.body))


@settings(max_examples=200, deadline=None)
@given(bodies(), st.integers(200, 3000))
def test_a_part_is_larger_than_the_limit_only_where_it_must(made, limit):
    """Beyond the limit a part has one span, or a scope whose frame has half of the limit by itself."""
    for part in parts(made[0], limit):
        if len(part.body) > limit and part.items > 1:
            ((outer, inner), *more) = {(outer, inner) for outer, inner, _ in flat(part.body)}
            assert not more
            assert len(outer) + len(inner) > limit // 2 - 40


def test_parts_are_about_as_large_as_they_may_be():
    """A hundred equal spans make no more requests than their bytes need."""
    body = request(100, filler=200)
    found = parts(body, 5000)
    assert all(len(part.body) <= 5000 for part in found)
    assert len(found) == -(-len(body) // 5000)


def test_unknown_fields_of_the_request_are_in_one_part():
    """They are neither lost nor doubled."""
    body = UNKNOWN + request(20, filler=200)
    assert sum(part.body.count(UNKNOWN) for part in parts(body, 1000)) == 1


def test_a_frame_that_is_most_of_the_request_is_not_repeated():
    """Cutting must not turn a megabyte of resource into a megabyte for each span."""
    made = ExportTraceServiceRequest()
    resource = made.resource_spans.add()
    resource.resource.attributes.add(key="k").value.string_value = "x" * 100_000
    for _ in range(50):
        resource.scope_spans.add().spans.add(name="n")
    body = made.SerializeToString()
    assert sum(len(part.body) for part in parts(body, 150_000)) <= 2 * len(body)


def test_metrics_are_cut_by_metric_and_counted_by_point():
    """A metric stays whole, as its points are one thing."""
    made = ExportMetricsServiceRequest()
    scope = made.resource_metrics.add().scope_metrics.add()
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    for number in range(20):
        metric = scope.metrics.add(name=f"metric.{number}", description="d" * 100)
        for _ in range(number):
            getattr(metric, kinds[number % 5]).data_points.add(time_unix_nano=number + 1)
    found = parts(made.SerializeToString(), 500, Signal.METRICS)
    assert sum(part.items for part in found) == sum(range(20))
    again = [ExportMetricsServiceRequest.FromString(part.body) for part in found]
    names = [metric.name for one in again for metric in one.resource_metrics[0].scope_metrics[0].metrics]
    assert names == [f"metric.{number}" for number in range(20)]


def test_logs_are_cut_by_record():
    """The third signal nests alike."""
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    for number in range(30):
        scope.log_records.add().body.string_value = f"{number:0100}"
    found = parts(made.SerializeToString(), 1000, Signal.LOGS)
    assert sum(part.items for part in found) == 30
    assert len(found) > 3


@pytest.mark.parametrize("spans", [20_000, 60_000])
async def test_a_large_request_is_cut_in_slices(spans):
    """However large the request, the loop turns often, and no part is more than a slice of work."""
    body = request(100, filler=0) * (spans // 100)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    found = [part async for part in split(body, len(body)) if await asyncio.sleep(0, result=True)]
    counting.cancel()
    assert max(len(part.body) for part in found) <= MOST
    assert max(part.items for part in found) <= 4096
    assert turns > spans / 4096
