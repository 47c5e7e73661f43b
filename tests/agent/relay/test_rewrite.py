"""A body that is taken apart and put together again is the same message, and holds the loop for moments only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay.rewrite import rewrite
from agent.relay.thin import RESOURCES, SPANS
from agent.relay.wire import WireError, header
from tests.agent.relay.bodies import traces
from tests.agent.spans import request


class Copy:
    """An editor that changes nothing, and remembers the sizes of the pieces."""

    def __init__(self):
        self.sizes = []
        self.open = []

    def piece(self, node, body, first):
        yield from ()
        self.sizes.append(len(body))
        if first:
            self.open.append(node)
        assert self.open[-1] is node, "a piece of a message that is not the innermost open one"
        return body

    def end(self, node):
        assert self.open.pop() is node
        return b""


def ended(steps):
    """What the steps return, and how many turns the loop had."""
    turns = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return b"".join(end.value), turns
        turns += 1


@settings(max_examples=200, deadline=None)
@given(traces(), st.integers(1, 600), st.sampled_from([SPANS, RESOURCES]))
def test_what_is_put_together_is_what_was_taken_apart(message, limit, root):
    """Every body comes back byte for byte, whatever the size of its pieces."""
    body = message.SerializeToString()
    copy = Copy()
    assert ended(rewrite(body, root, limit, copy))[0] == body
    assert not copy.open


def test_pieces_are_small():
    """No piece is larger than asked for by more than a span, and the loop turns between any two."""
    body = request(3000, filler=200)
    copy = Copy()
    _, turns = ended(rewrite(body, SPANS, 10_000, copy))
    assert max(copy.sizes) < 10_000 + 300
    assert turns == len(copy.sizes) - 1


def test_what_is_not_ours_is_passed_on_unread():
    """A scope is not walked through where only resources are wanted."""
    body = request(3000, filler=200)
    copy = Copy()
    ended(rewrite(body, RESOURCES, 100_000, copy))
    assert len(copy.sizes) < 12


def test_a_message_is_left_out():
    """What an editor gives up is gone with its header, and the lengths around it are right."""
    found = ExportTraceServiceRequest()
    for name in ("a", "b", "c"):
        found.resource_spans.add(schema_url=name * 200)

    class Without(Copy):
        def end(self, node):
            super().end(node)
            return None if node is not SPANS and b"b" * 200 in seen.pop() else b""

        def piece(self, node, body, first):
            if node is not SPANS:
                seen.append(body)
            return (yield from super().piece(node, body, first))

    seen: list[bytes] = []
    body, _ = ended(rewrite(found.SerializeToString(), SPANS, 50, Without()))
    left = ExportTraceServiceRequest.FromString(body)
    assert [group.schema_url[0] for group in left.resource_spans] == ["a", "c"]


@pytest.mark.parametrize(
    "body", [b"\x0a\x05abc", b"\x0a\xff\xff\xff\xff\xff\x01", b"\x0a", b"\x0b", b"\x0a\x83\x01abc"]
)
def test_broken_bytes_are_refused(body):
    """A length beyond the end, or one that does not end, is an error that has a name."""
    with pytest.raises(WireError):
        ended(rewrite(body, SPANS, 1, Copy()))


@given(st.integers(1, 2**29 - 1), st.binary(max_size=300))
def test_headers_are_those_of_the_encoding(number, value):
    """A field with our header is read by protobuf as an unknown one of that number, and written as it was."""
    body = header(number << 3 | 2, len(value)) + value
    if number != 1:  # resource_spans
        assert ExportTraceServiceRequest.FromString(body).SerializeToString() == body
