"""Walking the fields agrees with protobuf's own parser, whatever the bytes; merging loses nothing."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay import wire
from agent.relay.wire import WireError

UNKNOWN = b"\x98\x06\x07" + b"\x9a\x06\x03abc" + b"\x9b\x06\x08\x01\x9c\x06" + b"\x9d\x06abcd" + b"\x99\x06abcdefgh"


def oracle(body):
    """How many spans protobuf's parser finds, None when it refuses."""
    try:
        found = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return None
    return sum(len(scope.spans) for resource in found.resource_spans for scope in resource.scope_spans)


def walked(body):
    """The bytes of each field at the top."""
    fields, at = [], 0
    while at < len(body):
        start = at
        tag, value = wire.read_tag(body, at, len(body))
        at = wire.skip(body, tag, value, len(body))
        fields.append(body[start:at])
    return fields


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


@settings(max_examples=300, deadline=None)
@given(bodies())
def test_a_walk_finds_every_field(body):
    """Each field is a message with that field alone, and together they are the body."""
    fields = walked(body)
    assert b"".join(fields) == body
    assert sum(oracle(field) for field in fields) == oracle(body)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_what_the_parser_takes_can_be_walked(body):
    """No bytes that protobuf accepts are refused, and no bytes raise anything else."""
    try:
        walked(body)
    except WireError:
        assert oracle(body) is None


@given(st.lists(bodies(), max_size=4))
def test_merged_bodies_have_the_spans_of_all(several):
    """Concatenation loses no span and no unknown field."""
    merged = wire.merge(several)
    assert oracle(merged) == sum(oracle(body) for body in several)
    assert len(merged) == sum(map(len, several))


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
        pytest.param(b"\x0e", id="wire-type-6"),
        pytest.param(b"\xfa\xff\xff\xff\x1f\x00", id="field-number-too-large"),
        pytest.param(b"\x9d\x06abc", id="cut-fixed32"),
        pytest.param(b"\x99\x06abc", id="cut-fixed64"),
    ],
)
def test_broken_structure_is_refused(body):
    """What cannot be a message is refused by walking its fields, and by the parser."""
    with pytest.raises(WireError):
        walked(body)
    assert oracle(body) is None
