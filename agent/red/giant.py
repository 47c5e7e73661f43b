"""A span so large that it comes in several pieces: what request metrics need of it, as one small span."""

from itertools import islice
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agent.red.attributes import LIMIT, value_of
from agent.red.databases import ADDRESS, PORT, SYSTEM
from agent.red.statuses import STATUS_CODE
from agent.red.thrown import MESSAGE_KEY, READ, TYPE_KEY, is_exception

_SCALARS = ("name", "kind", "start_time_unix_nano", "end_time_unix_nano", "trace_id", "span_id", "trace_state")
_WANTED = {"http.route", *STATUS_CODE, *SYSTEM, *ADDRESS, *PORT}


class Giant:
    """Gathers the pieces of one span at a time."""

    def __init__(self) -> None:
        self._span: Any = None

    def add(self, piece: Any, *, first: bool) -> None:
        """The next piece; `first`: the span begins with it. The last of each field counts, as in protobuf."""
        if first or self._span is None:
            self._span = Span()
        span = self._span
        for name in _SCALARS:
            if value := getattr(piece, name):
                setattr(span, name, value)
        if piece.HasField("status"):
            span.status.code = piece.status.code
        for attribute in islice(piece.attributes, LIMIT):
            if attribute.key in _WANTED and len(span.attributes) < LIMIT:
                _copy(attribute, span.attributes)
        for event in islice(piece.events, LIMIT):
            if is_exception(event) and len(span.events) < LIMIT:
                _copy_exception(event, span.events.add(name=event.name))

    def take(self) -> Any:
        """The span that is whole now, or None."""
        span, self._span = self._span, None
        return span


def _copy_exception(event: Any, into: Any) -> None:
    for attribute in islice(event.attributes, LIMIT):
        if attribute.key in {TYPE_KEY, MESSAGE_KEY}:
            _copy(attribute, into.attributes)


def _copy(attribute: Any, into: Any) -> None:
    value = value_of(attribute)
    if isinstance(value, str):
        into.add(key=attribute.key).value.string_value = value[:READ]
    elif value is not None:
        into.add(key=attribute.key).value.int_value = value
