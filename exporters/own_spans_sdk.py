"""The part of the agent's own traces that needs OpenTelemetry's SDK; importing it costs some 70 ms and 10 MiB."""

import logging

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode

from exporters.own_spans import Attempted, Seldom

QUEUE = 1024  #: spans that may wait; the oldest are given up
BATCH = 256
TIMEOUT = 5.0  #: seconds for one request, with its retries
SDK = "opentelemetry"  #: the SDK's logger, and the parent of all it has

_SILENT = logging.NullHandler()  # for a thread that ends after its pipe: without it Python would write to stderr itself


class _Ids(IdGenerator):
    """The ids that the attempt already had when it asked its target."""

    def __init__(self) -> None:
        self.trace = self.span = 1

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class Pipe:
    """A tracer of its own: a queue, a thread, an exporter. Blocks to be made and to be closed."""

    def __init__(self, url: str, headers: dict[str, str], resource: dict[str, str], every: float) -> None:
        session = requests.Session()
        session.trust_env = False  # the environment's proxies are the service's, and its .netrc nobody's
        self._exporter = OTLPSpanExporter(url, headers=headers, timeout=TIMEOUT, session=session)
        self._ids = _Ids()
        self._provider = TracerProvider(
            ALWAYS_ON, Resource(dict(resource)), shutdown_on_exit=False, id_generator=self._ids
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(self._exporter, QUEUE, schedule_delay_millis=every * 1000, max_export_batch_size=BATCH)
        )
        self._tracer = self._provider.get_tracer("outrider")
        self._seldom = Seldom()
        logger = logging.getLogger(SDK)
        logger.addHandler(_SILENT)
        logger.addHandler(self._seldom)
        logger.propagate = False

    def send(self, attempted: Attempted) -> None:
        """Make the span and queue it. Called by the loop's thread alone: the ids are its own."""
        _, trace, span_id, _ = attempted.traceparent.split("-")
        self._ids.trace, self._ids.span = int(trace, 16), int(span_id, 16)
        span = self._tracer.start_span(
            attempted.name,
            Context(),
            SpanKind.CLIENT,
            dict(attempted.attributes),
            start_time=_nanoseconds(attempted.started),
        )
        at = attempted.started
        for phase, seconds in attempted.phases.items():
            span.add_event(phase, {"outrider.seconds": seconds}, _nanoseconds(at))
            at = min(at + seconds, attempted.ended)
        if attempted.failed:
            span.set_status(Status(StatusCode.ERROR, attempted.failed))
        span.end(_nanoseconds(attempted.ended))

    def close(self) -> None:
        """Send what waits; blocks for as long as the upstream makes it."""
        self._provider.shutdown()

    def abandon(self) -> None:
        """Try nothing again, and say nothing more. Safe after `close`, and while it still blocks."""
        logging.getLogger(SDK).removeHandler(self._seldom)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def _nanoseconds(at: float) -> int:
    return int(at * 1e9)
