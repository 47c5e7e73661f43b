"""An OTLP/HTTP upstream that does what a test tells it to, over a real socket."""

import asyncio
import gzip
from collections import deque
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"


@dataclass
class Reply:
    """One answer. `reset` cuts the connection instead: before answering, or in the middle of the answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = PROTOBUF
    delay: float = 0.0
    reset: Literal["", "before", "during"] = ""


def partial(rejected: int, message: str = "") -> Reply:
    """200 with partial_success."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return Reply(body=response.SerializeToString())


@dataclass
class Arrival:
    """One request as it came, decompressed, and the status it was answered with."""

    at: float
    body: bytes
    headers: Mapping[str, str]
    status: int
    spans: int
    signal: str = "traces"


class Upstream:
    """Answers with `script` first, then with `always`; `poison` in a body makes it a 400."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.always = Reply()
        self.poison: bytes | None = None
        self.largest: int | None = None
        self.arrivals: list[Arrival] = []
        self.inflight = 0
        self.most_inflight = 0
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def accepted(self) -> int:
        """Spans in requests that were answered 200."""
        return sum(arrival.spans for arrival in self.arrivals if arrival.status == 200)

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        app = web.Application(client_max_size=1 << 30)
        for signal in ("traces", "metrics", "logs"):
            app.router.add_post(f"/v1/{signal}", self._take)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection and refuse new ones."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> Any:
        self.inflight += 1
        self.most_inflight = max(self.most_inflight, self.inflight)
        try:
            return await self._answer(request)
        finally:
            self.inflight -= 1

    async def _answer(self, request: web.Request) -> Any:
        at = asyncio.get_running_loop().time()
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        signal = request.path.rpartition("/")[2]
        spans = _spans(body, signal)
        reply = self._reply(body)
        status = 0 if reply.reset else reply.status
        self.arrivals.append(Arrival(at, body, dict(request.headers), status, spans, signal))
        await asyncio.sleep(reply.delay)
        if reply.reset == "before":
            request.transport.abort()
        if reply.reset == "during":
            response = web.StreamResponse(status=reply.status, headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
            request.transport.abort()
            return response
        return web.Response(
            status=reply.status, body=reply.body, headers=dict(reply.headers), content_type=reply.content_type
        )

    def _reply(self, body: bytes) -> Reply:
        if self.poison is not None and self.poison in body:
            return Reply(400)
        if self.largest is not None and len(body) > self.largest:
            return Reply(413)
        return self.script.popleft() if self.script else self.always


def _spans(body: bytes, signal: str) -> int:
    """Spans; metrics and log records for the others. Fails where it is not a request of that signal."""
    if signal == "metrics":
        metrics = ExportMetricsServiceRequest.FromString(body).resource_metrics
        return sum(len(scope.metrics) for resource in metrics for scope in resource.scope_metrics)
    if signal == "logs":
        logs = ExportLogsServiceRequest.FromString(body).resource_logs
        return sum(len(scope.log_records) for resource in logs for scope in resource.scope_logs)
    traces = ExportTraceServiceRequest.FromString(body).resource_spans
    return sum(len(scope.spans) for resource in traces for scope in resource.scope_spans)


@asynccontextmanager
async def listening() -> Any:
    """An upstream that listens while the block runs."""
    upstream = Upstream()
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()
