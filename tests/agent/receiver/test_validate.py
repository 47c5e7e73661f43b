"""What a request is: as protobuf's own parser sees it, in one piece or in many."""

import asyncio
import random

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.receiver import validate
from agent.receiver.validate import Invalid, inspect
from agent.relay.entry import Signal
from agent.relay.wire import Level
from tests.agent.receiver.requests import (
    attribute_list,
    field,
    logs,
    metrics,
    nested,
    spans,
    with_attributes,
    with_events,
)
from tests.agent.spans import request

TRACE, SPAN = b"t" * 16, b"s" * 8
GOOD = (TRACE, SPAN, b"")
KINDS = ["gauge", "sum", "histogram", "exponential_histogram", "summary"]


def inspected(body, signal=Signal.TRACES, see=None, slice_=validate.SLICE):
    """In pieces of `slice_` bytes."""
    before, validate.SLICE = validate.SLICE, slice_
    try:
        return asyncio.run(inspect(body, signal, see))
    finally:
        validate.SLICE = before


@pytest.mark.parametrize("slice_", [64, 1000, 1 << 20])
@pytest.mark.parametrize(
    ("body", "signal", "items"),
    [
        (request(50), Signal.TRACES, 50),
        (request(2) + request(3), Signal.TRACES, 5),
        (with_events(200), Signal.TRACES, 1),
        (with_attributes(200), Signal.TRACES, 1),
        *((metrics(40, kind=kind), Signal.METRICS, 40) for kind in KINDS),
        (metrics(2) + metrics(3, kind="sum"), Signal.METRICS, 5),
        (logs(30), Signal.LOGS, 30),
        (logs(2, filler=3000), Signal.LOGS, 2),
        *((b"", signal, 0) for signal in Signal),
    ],
)
def test_items_are_counted(body, signal, items, slice_):
    """Spans, data points of every kind and log records, however the body is cut."""
    assert inspected(body, signal, slice_=slice_) == (items, (), "")


@pytest.mark.parametrize("slice_", [40, 1 << 20], ids=["cut", "whole"])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ((TRACE[:15], SPAN, b""), "a trace id of 15 bytes, it needs 16"),
        ((TRACE * 2, SPAN, b""), "a trace id of 32 bytes"),
        ((b"", SPAN, b""), "a trace id of 0 bytes"),
        ((bytes(16), SPAN, b""), "a trace id of zeros alone"),
        ((TRACE, SPAN[:7], b""), "a span id of 7 bytes, it needs 8"),
        ((TRACE, bytes(8), b""), "a span id of zeros alone"),
        ((TRACE, SPAN, SPAN[:4]), "a parent span id of 4 bytes, it needs 8 or none"),
    ],
)
def test_ids_that_cannot_be_are_found(bad, words, slice_):
    """By their place in the body, with the first fault in words; the good ones are none of them."""
    body = spans(GOOD, bad, (TRACE, SPAN, SPAN)) + spans(bad)
    found = inspected(body, slice_=slice_)
    assert (found.items, found.invalid) == (4, (1, 3))
    assert found.why.startswith("2 of 4 spans are left out")
    assert f"span 1 has {words}" in found.why


def test_ids_of_a_span_in_pieces_are_put_together():
    """They may come before, between and after what made the span too large for one piece."""
    events = b"".join(field(0x5A, field(0x12, b"x" * 50)) for _ in range(20))
    late = events + field(0x0A, TRACE) + events + field(0x12, SPAN)
    missing = events + field(0x0A, TRACE) + events
    body = field(0x0A, b"".join(field(0x12, field(0x12, span)) for span in (late, missing, late)))
    found = inspected(body, slice_=100)
    assert (found.items, found.invalid) == (3, (1,))


def test_a_request_without_any_ids_is_refused_whole():
    """What would be left out span by span without end is one refusal."""
    body = spans(*[(b"", SPAN, b"")] * 11_000)
    with pytest.raises(Invalid, match="more than 10000 spans with ids that cannot be"):
        inspected(body)


@pytest.mark.parametrize("slice_", [64, 1 << 20], ids=["cut", "whole"])
def test_pieces_are_shown_in_their_order(slice_):
    """Every span is seen once, below the message that it belongs to, and each message begins once."""
    body = request(10, name="a") + with_events(50) + request(10, name="b")
    seen = []
    inspected(body, see=lambda level, first, message: seen.append((level, first, message)), slice_=slice_)
    whole = ExportTraceServiceRequest()
    names = []
    for level, first, message in seen:
        if level is Level.REQUEST:
            names += [span.name for part in message.resource_spans for s in part.scope_spans for span in s.spans]
        elif level is Level.RESOURCE_SPANS:
            names += [span.name for scope in message.scope_spans for span in scope.spans]
        elif level is Level.SCOPE_SPANS:
            names += [span.name for span in message.spans]
        elif first:
            names.append("")
        if level is Level.SPAN and message.name:
            names[-1] = message.name
    whole.ParseFromString(body)
    expected = [span.name for part in whole.resource_spans for scope in part.scope_spans for span in scope.spans]
    assert names == expected
    begun = [level for level, first, _ in seen if first]
    assert begun.count(Level.REQUEST) == 1
    if slice_ == 64:
        assert begun.count(Level.RESOURCE_SPANS) == begun.count(Level.SCOPE_SPANS) == 3


@pytest.mark.case("B11")
@pytest.mark.parametrize(
    ("body", "signal", "words"),
    [
        (request(4).replace(b"GET", b"\xff\xfe\xfd"), Signal.TRACES, "resource_spans[0].scope_spans[0].spans[0].name"),
        (
            metrics(3).replace(b"queue-1", b"queue-\xff"),
            Signal.METRICS,
            "data_points[1].attributes[0].value.string_value",
        ),
        (logs(2).replace(b"something", b"\xc3\x28mething"), Signal.LOGS, "log_records[0].body.string_value"),
        (request(1, filler=100_000).replace(b"xx", b"x\xff"), Signal.TRACES, "AnyValue.string_value"),
        (request(2000).replace(b"GET", b"\xff\xfe\xfd"), Signal.TRACES, "in one ScopeSpans, spans[0].name"),
    ],
    ids=["spans", "metrics", "logs", "large-text", "large-body"],
)
def test_text_that_is_not_utf_8_is_named(body, signal, words):
    """By the path of its field, as far as that is known."""
    with pytest.raises(Invalid, match="is not UTF-8") as error:
        inspected(body, signal)
    assert words in str(error.value)


def test_a_deep_attribute_is_cut_too():
    """Lists within lists are refused at the depth at which protobuf refuses them, and taken below."""
    for slice_ in (50, 1 << 20):
        assert inspected(nested(30), slice_=slice_).items == 1
        with pytest.raises(Invalid):
            inspected(nested(200), slice_=slice_)


def test_a_list_of_small_numbers_is_good_faith():
    """Values deep in an attribute may be far smaller than spans."""
    body = attribute_list(field(0x0A, b"\x18\x05") * 50_000)
    assert inspected(body) == (1, (), "")


def _valid(body, kind=ExportTraceServiceRequest):
    try:
        kind.FromString(body)
    except DecodeError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            (request(12, filler=30), Signal.TRACES),
            (with_events(12), Signal.TRACES),
            (nested(4) + request(2), Signal.TRACES),
            *((metrics(8, kind=kind), Signal.METRICS) for kind in KINDS),
            (logs(8, filler=60), Signal.LOGS),
        ]
    ),
    st.integers(24, 400),
    st.randoms(use_true_random=False),
)
def test_in_pieces_as_in_one(made, slice_, chance: random.Random):
    """Whatever a few bytes are changed to, cut bodies are valid exactly when whole ones are, with the same items."""
    body, signal = made
    spoilt = bytearray(body)
    for _ in range(chance.randrange(4)):
        spoilt[chance.randrange(len(spoilt))] = chance.choice(
            (0, 1, 0x0A, 0x12, 0x7F, 0x80, 0xFF, chance.randrange(256))
        )
    body = bytes(spoilt)
    if _valid(body, validate.request_type(signal)):
        assert inspected(body, signal, slice_=slice_)[:2] == inspected(body, signal)[:2]
    else:
        with pytest.raises(Invalid):
            inspected(body, signal, slice_=slice_)
