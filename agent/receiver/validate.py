"""Is this a request of its signal, and what is in it? Parsed by protobuf itself, forwarded as it came."""

import asyncio
from functools import cache
from typing import Protocol

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.receiver.culprit import culprit
from agent.receiver.pieces import pieces
from agent.receiver.tally import Inspection, Items, See, Spans
from agent.relay.entry import Signal
from agent.relay.wire import WireError

__all__ = ["SLICE", "Inspection", "Invalid", "inspect", "request_type"]

#: Bytes parsed at once. The parser holds the interpreter, and 64 KiB of empty spans become 5 MiB of objects (1 MiB
#: become 86 MiB, in 160 ms), so larger bodies are cut first.
SLICE = 64 * 1024


class Invalid(ValueError):  # noqa: N818 - reads as what the body is
    """The body is not a request of its signal. The text says what is wrong with it."""


class _Tally(Protocol):
    def add(self, message: Message, first: bool, size: int) -> None: ...
    def found(self) -> Inspection: ...


async def inspect(body: bytes, signal: Signal, see: See | None = None) -> Inspection:
    """Count a valid body's items, and find the spans with invalid ids. Raises Invalid.

    Valid is what protobuf's parser takes: the structure, and UTF-8 in every text. `see` is shown each parsed piece of
    a body of spans. The loop turns between pieces; a body of up to SLICE bytes is one.
    """
    kind = request_type(signal)
    tally: _Tally = Spans(see) if signal is Signal.TRACES else Items()
    try:
        if len(body) <= SLICE:
            tally.add(_parse(kind, body), True, len(body))
            return tally.found()
        for piece in pieces(body, kind, SLICE):
            if piece:
                tally.add(_parse(piece.kind, piece.body), piece.first, len(piece.body))
            await asyncio.sleep(0)
        return tally.found()
    except WireError as error:
        raise Invalid(str(error)) from error


@cache
def request_type(signal: Signal) -> type[Message]:
    """The type of a signal's requests. Those of metrics and logs are imported when they are wanted."""
    if signal is Signal.METRICS:
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics  # noqa: PLC0415

        return metrics.ExportMetricsServiceRequest
    if signal is Signal.LOGS:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs  # noqa: PLC0415

        return logs.ExportLogsServiceRequest
    return ExportTraceServiceRequest


def _parse(kind: type[Message], body: bytes) -> Message:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        if path := culprit(body, kind):
            inside = "" if kind.DESCRIPTOR.name.startswith("Export") else f"in one {kind.DESCRIPTOR.name}, "
            raise Invalid(f"{inside}{path} is not UTF-8") from error
        raise Invalid(str(error).rpartition(": ")[2]) from error
