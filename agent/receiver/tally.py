"""Pure: counts the items of parsed pieces (spans, data points, log records), and finds spans whose ids cannot be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from agent.relay.wire import LEAST_BYTES, Level, WireError

MOST_INVALID = 10_000  #: spans left out of one request; a sender of more has no ids at all
_FREE_ITEMS = 1000  # that may be of any size
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)

#: Is shown each parsed piece of spans: its level, whether a message of that level begins there, the piece itself.
See = Callable[[Level, bool, Message], None]


class Inspection(NamedTuple):
    """How many items a body has, and which of its spans (ordinals in the order of the body) have invalid ids.

    `why`: a sentence about those, for the sender; "" when there are none.
    """

    items: int
    invalid: tuple[int, ...] = ()
    why: str = ""


class Spans:
    """The sum over all pieces of a body of spans."""

    def __init__(self, see: See | None) -> None:
        self._see = see
        self._items = 0
        self._invalid: list[int] = []
        self._first_fault = ""
        self._ids: list[bytes] | None = None  # of a span that comes in several pieces: trace, span and parent

    def add(self, message: Message, first: bool, size: int) -> None:
        """One more piece, in the order of the body; `size` in bytes. Raises WireError when most of it is empty."""
        room = _FREE_ITEMS + size // LEAST_BYTES
        match message:
            case ExportTraceServiceRequest():
                level, resources = Level.REQUEST, message.resource_spans
                _fits(room, len(resources))
                held = self._scopes([scope for resource in resources for scope in resource.scope_spans], room)
            case ResourceSpans():
                level = Level.RESOURCE_SPANS
                held = self._scopes(message.scope_spans, room)
            case ScopeSpans():
                level = Level.SCOPE_SPANS
                held = self._scopes((message,), room)
            case Span():
                level, held = Level.SPAN, []
                self._part(message, first)
            case _:
                return  # of an attribute, an event or a link that is too large for its span's piece
        if self._see:
            self._see(level, first, message)
        del held  # protobuf makes its objects when they are asked for: these were made once, for both of us

    def found(self) -> Inspection:
        """When all pieces were added."""
        self._close()
        if not self._invalid:
            return Inspection(self._items)
        why = f"{len(self._invalid)} of {self._items} spans are left out, as their ids cannot be: {self._first_fault}"
        return Inspection(self._items, tuple(self._invalid), why)

    def _scopes(self, scopes: Sequence[Any], room: int) -> list[list[Span]]:
        self._close()
        _fits(room, len(scopes))
        _fits(room, sum(len(scope.spans) for scope in scopes))
        no_trace, no_span, held = _NO_TRACE, _NO_SPAN, []
        for scope in scopes:
            spans = [*scope.spans]
            held.append(spans)
            # The hot path of the receiver: 0.2 us a span. Which one it is, is asked only when there is one.
            if [
                True
                for span in spans
                if len(trace := span.trace_id) != 16
                or trace == no_trace
                or len(own := span.span_id) != 8
                or own == no_span
                or len(span.parent_span_id) & ~8
            ]:
                for at, span in enumerate(spans, self._items):
                    self._check(at, span.trace_id, span.span_id, span.parent_span_id)
            self._items += len(spans)
        return held

    def _part(self, span: Span, first: bool) -> None:
        """A run of fields of one span: its ids may be anywhere in it, and the last of each counts."""
        if first:
            self._close()
            self._items += 1
            self._ids = [b"", b"", b""]
        if self._ids:
            ids = (span.trace_id, span.span_id, span.parent_span_id)
            self._ids = [new or old for new, old in zip(ids, self._ids, strict=True)]

    def _close(self) -> None:
        """The span that came in pieces is whole."""
        if self._ids:
            self._check(self._items - 1, *self._ids)
            self._ids = None

    def _check(self, at: int, trace: bytes, own: bytes, parent: bytes) -> None:
        fault = _fault("trace id", trace, 16) or _fault("span id", own, 8)
        if not fault and len(parent) not in {0, 8}:
            fault = f"a parent span id of {len(parent)} bytes, it needs 8 or none"
        if not fault:
            return
        self._invalid.append(at)
        self._first_fault = self._first_fault or f"span {at} has {fault}"
        if len(self._invalid) > MOST_INVALID:
            raise WireError(f"more than {MOST_INVALID} spans with ids that cannot be: {self._first_fault}")


class Items:
    """The sum over all pieces of a body of metrics (data points) or of logs (records)."""

    def __init__(self) -> None:
        self._items = 0

    def add(self, message: Message, first: bool, size: int) -> None:
        """As of Spans."""
        self._items += _count(message, first, _FREE_ITEMS + size // LEAST_BYTES)

    def found(self) -> Inspection:
        """When all pieces were added."""
        return Inspection(self._items)


#: Where the items of a message are, and where the messages are that hold them. By name: metrics are not imported here.
_ITEMS: Final[Mapping[str, str]] = {
    "ScopeLogs": "log_records",
    **dict.fromkeys(("Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary"), "data_points"),
}
_HOLDERS: Final[Mapping[str, str]] = {
    "ExportMetricsServiceRequest": "resource_metrics",
    "ResourceMetrics": "scope_metrics",
    "ScopeMetrics": "metrics",
    "ExportLogsServiceRequest": "resource_logs",
    "ResourceLogs": "scope_logs",
}


def _count(message: Message, first: bool, room: int) -> int:
    name = message.DESCRIPTOR.name
    if name in _ITEMS:
        return len(getattr(message, _ITEMS[name]))
    if name == "Metric":
        kind = message.WhichOneof("data")
        return len(getattr(message, kind).data_points) if kind else 0
    if name in _HOLDERS:
        inside = getattr(message, _HOLDERS[name])
        _fits(room, len(inside))
        return sum(_count(each, True, room) for each in inside)
    return int(first and (name == "LogRecord" or name.endswith("DataPoint")))


def _fits(room: int, number: int) -> None:
    """Two bytes on the wire are a hundred in memory, and a microsecond: nobody sends empty ones in good faith."""
    if number > room:
        raise WireError(f"its fields have fewer than {LEAST_BYTES} bytes on average: most are empty")


def _fault(name: str, value: bytes, size: int) -> str:
    if len(value) != size:
        return f"a {name} of {len(value)} bytes, it needs {size}"
    return "" if any(value) else f"a {name} of zeros alone"
