"""What comes out is what protobuf's own view says it should be, and nothing else changed."""

import asyncio
import os
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay import process
from agent.relay.entry import Signal
from agent.relay.process import Process, Processed, Settings
from agent.relay.sampling import Sampler
from tests.agent.relay.bodies import UNKNOWN, traces
from tests.agent.spans import request
from tests.turns import longest_turn

ADDED = {"host.name": "node-1", "deployment.environment.name": "production"}


def applied(settings, body, invalid=(), signal=Signal.TRACES, items=None):
    """What becomes of a body."""
    items = spans(body) if items is None else items
    return asyncio.run(Process(settings).apply(signal, body, items, invalid))


def spans(body):
    found = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for group in found.resource_spans for scope in group.scope_spans)


class Expected:
    """The same, done with protobuf's full types."""

    def __init__(self, body, *, invalid=(), sampler=None, added=()):
        self.message = ExportTraceServiceRequest.FromString(body)
        self.invalid, self.sampler = set(invalid), sampler
        self.ordinal = self.left = self.sampled = 0
        self.without_empty(self.message.resource_spans, self.group)
        for group in self.message.resource_spans:
            present = {each.key for each in group.resource.attributes}
            for key, value in added:
                if key not in present:
                    group.resource.attributes.add(key=key).value.string_value = value

    def group(self, group):
        """Whether it became empty."""
        had = len(group.scope_spans)
        self.without_empty(group.scope_spans, self.scope)
        return had and not group.scope_spans

    def scope(self, scope):
        had = len(scope.spans)
        copies = [span.SerializeToString() for span in scope.spans if self.stays(span)]
        del scope.spans[:]
        for copy in copies:
            scope.spans.add().MergeFromString(copy)
        return had and not copies

    def without_empty(self, messages, became_empty):
        for place in reversed([place for place, message in enumerate(messages) if became_empty(message)]):
            del messages[place]

    def stays(self, span):
        self.ordinal += 1
        if self.ordinal - 1 in self.invalid:
            return False
        if self.sampler:
            state = self.sampler.judge(span.trace_id, span.trace_state.encode())
            if state is None:
                self.sampled += 1
                return False
            span.trace_state = state.decode()
        self.left += 1
        return True


def same(body, message):
    """Whether the bytes mean that message; unknown fields, which have no order of their own, in the order they came."""
    return ExportTraceServiceRequest.FromString(body).SerializeToString() == message.SerializeToString()


@pytest.fixture
def small_slices(monkeypatch):
    """Bodies of a few bytes are taken apart like those of megabytes."""

    def set_to(size):
        monkeypatch.setattr(process, "SLICE", size)
        monkeypatch.setattr(process, "SLICE_OF_SECRETS", size)
        monkeypatch.setattr(process, "_SEARCHED", size)

    return set_to


@settings(max_examples=200, deadline=None)
@given(
    traces(),
    st.sets(st.integers(0, 20), max_size=6),
    st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.01")]),
    st.booleans(),
    st.sampled_from([1, 40, 300, 256 * 1024]),
)
def test_what_comes_out_is_what_the_full_types_make(message, invalid, share, complete, size):
    """Left out, sampled and completed by thin types, in pieces of any size, is what the full types would make of it."""
    body, number = message.SerializeToString(), spans(message.SerializeToString())
    invalid = sorted(ordinal for ordinal in invalid if ordinal < number)
    asked = Settings(resource=ADDED if complete else {}, sample=share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "SLICE", size)
        found = applied(asked, body, invalid)
    sampler = Sampler(share) if share < 1 else None
    made = Expected(body, invalid=invalid, sampler=sampler, added=ADDED.items() if complete else ())
    assert same(found.body, made.message)
    assert (found.items, found.sampled) == (made.left, made.sampled)


def test_nothing_asked_is_nothing_done():
    """The same object goes on when there is nothing to do, and when there is nothing in it to do it to."""
    body = request(3)
    assert applied(Settings(), body).body is body
    assert applied(Settings(redact=("password",)), body).body is body


def test_metrics_and_logs_are_never_sampled():
    """Only traces are sampled: the bytes of another signal go on as they are, with their count."""
    body = request(3)
    found = applied(Settings(sample=Decimal("0.000001")), body, signal=Signal.LOGS, items=7)
    assert found == Processed(body, 7, 0)
    assert found.body is body


@pytest.mark.parametrize(
    ("signal", "kind", "group"),
    [
        (Signal.METRICS, ExportMetricsServiceRequest, "resource_metrics"),
        (Signal.LOGS, ExportLogsServiceRequest, "resource_logs"),
    ],
)
@pytest.mark.parametrize("size", [1, 256 * 1024])
def test_resources_of_every_signal_are_completed(small_slices, signal, kind, group, size):
    """Metrics and logs get the attributes that spans get; what is in their scopes is the same, unknown fields too."""
    small_slices(size)
    message = kind()
    for name in ("one", "two"):
        one = getattr(message, group).add(schema_url=name)
        one.resource.attributes.add(key="host.name").value.string_value = name
        one.MergeFromString(UNKNOWN)
    found = applied(Settings(resource=ADDED), message.SerializeToString(), signal=signal, items=4)
    for one in getattr(message, group):
        one.resource.attributes.add(key="deployment.environment.name").value.string_value = "production"
    assert kind.FromString(found.body) == message
    assert found.items == 4


@pytest.mark.parametrize("size", [1, 20, 256 * 1024])
def test_a_resource_in_parts_is_one(small_slices, size):
    """A resource that comes late, or twice, is completed once, by what all of its parts lack."""
    small_slices(size)
    first = ExportTraceServiceRequest()
    first.resource_spans.add().resource.attributes.add(key="host.name").value.string_value = "mine"
    second = ExportTraceServiceRequest()
    second.resource_spans.add().resource.attributes.add(key="service.name").value.string_value = "checkout"
    scope = ExportTraceServiceRequest()
    scope.resource_spans.add().scope_spans.add().spans.add(name="x" * 100)
    inside = b"".join(part.resource_spans[0].SerializeToString() for part in (scope, first, second))
    body = b"\x0a" + bytes([0x80 | len(inside) & 0x7F, len(inside) >> 7]) + inside
    (group,) = ExportTraceServiceRequest.FromString(applied(Settings(resource=ADDED), body).body).resource_spans
    found = [(each.key, each.value.string_value) for each in group.resource.attributes]
    assert found == [
        ("host.name", "mine"),
        ("service.name", "checkout"),
        ("deployment.environment.name", "production"),
    ]
    assert len(group.scope_spans) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_large_span_is_one_span(small_slices, order):
    """A span that is taken apart keeps its id and its state together, wherever in it they are."""
    small_slices(10)
    made = ExportTraceServiceRequest()
    spans = made.resource_spans.add().scope_spans.add().spans
    for first in (b"\x00", b"\xff"):
        parts = [b"\x0a\x10" + bytes(9) + first * 7, b"\x2a\x32" + b"n" * 50, b"\x1a\x03a=b"]
        spans.add().MergeFromString(b"".join(parts[::order]))
    found = applied(Settings(sample=Decimal("0.5")), made.SerializeToString())
    (span,) = ExportTraceServiceRequest.FromString(found.body).resource_spans[0].scope_spans[0].spans
    assert (found.items, found.sampled) == (1, 1)
    assert (span.trace_id[-1:], span.trace_state, span.name) == (b"\xff", "ot=th:8,a=b", "n" * 50)


def test_the_trace_is_judged_as_told():
    """`kept` says of a trace what is done with its spans; where nothing is sampled everything is kept."""
    some = [os.urandom(16) for _ in range(50)]
    body = ExportTraceServiceRequest()
    for trace_id in some:
        body.resource_spans.add().scope_spans.add().spans.add(trace_id=trace_id)
    sampling = Process(Settings(sample=Decimal("0.5")))
    found = asyncio.run(sampling.apply(Signal.TRACES, body.SerializeToString(), 50, ()))
    left = ExportTraceServiceRequest.FromString(found.body).resource_spans
    assert [one.scope_spans[0].spans[0].trace_id for one in left] == [one for one in some if sampling.kept(one)]
    assert Process(Settings()).kept(bytes(16))


def test_a_body_does_not_outgrow_itself():
    """A hundred thousand empty groups do not become as many resources: at most a few times its size is added."""
    body = b"\x0a\x02\x0a\x00" * 100_000
    found = applied(Settings(resource={"key": "v" * 200}), body, items=0)
    assert len(found.body) < 3 * len(body) + 100_000


def test_added_attributes_are_redacted_too():
    """What must not leave does not leave, though the file itself adds it."""
    found = applied(Settings(resource={"user.email": "a@b.c"}, redact=("user.email",)), request(1))
    assert b"a@b.c" not in found.body
    assert b"[redacted]" in found.body


async def test_the_loop_turns_meanwhile():
    """Eight megabytes of spans, with everything asked for, hold the loop for moments only."""
    body = request(20_000, filler=350)
    steps = Process(Settings(resource=ADDED, redact=("filler",), sample=Decimal("0.5")))
    _, longest = await longest_turn(steps.apply(Signal.TRACES, body, 20_000, ()))
    assert longest < 0.2, f"{longest * 1000:.1f} ms"
