"""Cutting and merging agree with protobuf's own parser, whatever the bytes."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from agent.relay import wire
from agent.relay.wire import Level, WireError
from tests.agent.spans import request

TYPES = {
    Level.REQUEST: ExportTraceServiceRequest,
    Level.RESOURCE_SPANS: ResourceSpans,
    Level.SCOPE_SPANS: ScopeSpans,
    Level.SPAN: Span,
}
UNKNOWN = b"\x98\x06\x07" + b"\x9a\x06\x03abc" + b"\x9b\x06\x08\x01\x9c\x06" + b"\x9d\x06abcd" + b"\x99\x06abcdefgh"


def oracle(body):
    """How many spans protobuf's parser finds, None when it refuses."""
    try:
        found = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return None
    return sum(len(scope.spans) for resource in found.resource_spans for scope in resource.scope_spans)


def by_pieces(body, limit):
    """The same by cutting first."""
    spans = 0
    try:
        for piece in wire.cut(body, limit):
            message = TYPES[piece.level].FromString(piece.body)
            match message:
                case ExportTraceServiceRequest():
                    spans += sum(len(scope.spans) for found in message.resource_spans for scope in found.scope_spans)
                case ResourceSpans():
                    spans += sum(len(scope.spans) for scope in message.scope_spans)
                case ScopeSpans():
                    spans += len(message.spans)
                case _:
                    spans += piece.first
    except (WireError, DecodeError):
        return None
    return spans


@st.composite
def bodies(draw):
    """Encoded requests of every shape: empty envelopes, unknown fields at each level, long and short spans."""
    made = ExportTraceServiceRequest()
    for scopes in draw(st.lists(st.lists(st.lists(st.integers(0, 300), max_size=5), max_size=3), max_size=3)):
        resource = made.resource_spans.add()
        for spans in scopes:
            scope = resource.scope_spans.add()
            for filler in spans:
                span = scope.spans.add(name="é" * filler)
                if filler % 3 == 0:
                    span.MergeFromString(UNKNOWN)
            if draw(st.booleans()):
                scope.MergeFromString(UNKNOWN)
        if draw(st.booleans()):
            resource.MergeFromString(UNKNOWN)
    return made.SerializeToString() + (UNKNOWN if draw(st.booleans()) else b"")


@settings(max_examples=200, deadline=None)
@given(bodies(), st.integers(1, 2000))
def test_cut_finds_the_same_spans(body, limit):
    """Every valid body is valid in pieces, with the same number of spans."""
    assert by_pieces(body, limit) == oracle(body)


@settings(max_examples=400, deadline=None)
@given(bodies(), st.integers(1, 500), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1))
def test_cut_refuses_what_the_parser_refuses(body, limit, changes):
    """A damaged body is refused in pieces exactly when it is refused as a whole."""
    damaged = bytearray(body or b"\n\x00")
    for place, value in changes:
        damaged[place % len(damaged)] = value
    assert by_pieces(bytes(damaged), limit) == oracle(bytes(damaged))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 8))
def test_cut_of_any_bytes_agrees_with_the_parser(body, limit):
    """Bytes of any kind get the parser's own verdict, never another error."""
    assert by_pieces(body, limit) == oracle(body)


@given(st.lists(bodies(), max_size=4))
def test_merged_bodies_have_the_spans_of_all(several):
    """Concatenation loses no span and no unknown field."""
    merged = wire.merge(several)
    assert oracle(merged) == sum(oracle(body) for body in several)
    assert len(merged) == sum(map(len, several))


def test_pieces_are_small():
    """A piece is larger than the limit only by one field that cannot be cut."""
    body = request(3000, filler=200)
    pieces = list(wire.cut(body, 10_000))
    assert max(len(piece.body) for piece in pieces) < 10_000 + 300
    assert {piece.level for piece in pieces} == {Level.RESOURCE_SPANS, Level.SCOPE_SPANS}


@pytest.mark.case("B24")
def test_one_large_span_is_one_span():
    """A span that is itself larger than the limit is cut inside, and counted once."""
    body = request(1, filler=50_000) + request(2)
    pieces = list(wire.cut(body, 1000))
    assert [piece.first for piece in pieces if piece.level is Level.SPAN].count(True) == 1
    assert by_pieces(body, 1000) == 3


@pytest.mark.case("B4")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x0a\x05abc", id="length-beyond-the-end"),
        pytest.param(b"\x0a" + b"\xff" * 10 + b"\x01", id="eleven-byte-varint"),
        pytest.param(b"\x0a\x80\x80\x80\x80\x80\x00", id="length-of-six-bytes"),
        pytest.param(b"\x98\x06" + b"\x80" * 10 + b"\x00", id="varint-of-eleven-bytes"),
        pytest.param(b"\x0b", id="group-without-end"),
        pytest.param(b"\x9c\x06", id="end-without-group"),
        pytest.param(b"\x9b\x06\xa4\x06", id="group-closed-by-another"),
        pytest.param(b"\x9b\x06" * 10_000 + b"\x9c\x06" * 10_000, id="ten-thousand-groups-in-another"),
        pytest.param(b"\x00\x00", id="field-number-0"),
        pytest.param(b"\x0e", id="wire-type-6"),
        pytest.param(b"\xfa\xff\xff\xff\x1f\x00", id="field-number-too-large"),
        pytest.param(b"\x9d\x06abc", id="cut-fixed32"),
        pytest.param(b"\x99\x06abc", id="cut-fixed64"),
    ],
)
def test_broken_structure_is_refused(body):
    """What cannot be a message is refused by the cutter alone, and by the parser."""
    with pytest.raises(WireError):
        list(wire.cut(body, 10))
    assert oracle(body) is None


def test_a_body_of_empty_envelopes_is_refused():
    """Millions of two-byte fields cost a bounded walk, not seconds."""
    with pytest.raises(WireError, match="most are empty"):
        list(wire.cut(b"\x0a\x00" * 2_000_000, 64 * 1024))
