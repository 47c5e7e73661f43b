"""Requests of every shape, for tests that compare what became of them with protobuf's own view."""

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

#: Fields of number 99, one of each wire type, a group among them.
UNKNOWN = b"\x98\x06\x07" + b"\x9a\x06\x03abc" + b"\x9b\x06\x08\x01\x9c\x06" + b"\x9d\x06abcd" + b"\x99\x06abcdefgh"

_ids = st.binary(min_size=16, max_size=16).filter(any)
_states = st.sampled_from(
    ["", "", "", "ot=th:8", "ot=th:fff;rv:ffffffffffffff", "vendor=1,ot=rv:00000000000001", "a=b"]
)


@st.composite
def traces(draw):
    """A request: groups with and without a resource, empty scopes, long spans, unknown fields at every level."""
    made = ExportTraceServiceRequest()
    for scopes in draw(st.lists(st.lists(st.lists(st.integers(0, 300), max_size=5), max_size=3), max_size=3)):
        group = made.resource_spans.add()
        for key in draw(st.lists(st.sampled_from(["service.name", "host.name", "secret"]), max_size=2, unique=True)):
            group.resource.attributes.add(key=key).value.string_value = "as it came"
        for spans in scopes:
            scope = group.scope_spans.add()
            for filler in spans:
                span = scope.spans.add(name="é" * filler, span_id=b"12345678")
                span.trace_id, span.trace_state = draw(_ids), draw(_states)
                if filler % 3 == 0:
                    span.MergeFromString(UNKNOWN)
            if draw(st.booleans()):
                scope.MergeFromString(UNKNOWN)
        if draw(st.booleans()):
            group.MergeFromString(UNKNOWN)
    if draw(st.booleans()):
        made.MergeFromString(UNKNOWN)
    return made
