"""An OTLP/gRPC upstream that does what a test tells it to, over a real socket."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from config.net.grpc_core import grpc
from exporters.otlp import retryinfo
from exporters.otlp.status import status

Codes = grpc.StatusCode


@dataclass
class Reply:
    """One answer. `details` and `legacy`: seconds of a RetryInfo in either of its places."""

    code: str = "OK"
    message: str = ""
    body: bytes = b""
    details: float | None = None
    legacy: float | None = None
    delay: float = 0.0

    @property
    def trailing(self) -> Sequence[tuple[str, bytes]]:
        """Its trailing metadata."""
        found = []
        if self.details is not None:
            whole = status(Codes[self.code].value[0], self.message, self.details)
            found.append((retryinfo.DETAILS, whole.SerializeToString()))
        if self.legacy is not None:
            found.append((retryinfo.LEGACY, retryinfo.made(self.legacy).SerializeToString()))
        return tuple(found)


@dataclass
class Arrival:
    """One request as it came, inflated, and the code it was answered with."""

    at: float
    signal: str
    body: bytes
    metadata: Mapping[str, str | bytes]
    code: str
    spans: int


class Upstream:
    """Answers with `script` first, then with `always`."""

    def __init__(self, credentials: Any = None, host: str = "127.0.0.1") -> None:
        self.script: deque[Reply] = deque()
        self.always = Reply()
        self.arrivals: list[Arrival] = []
        self.inflight = 0
        self.port = 0
        self._credentials = credentials
        self._host = host
        self._server: Any = None

    @property
    def url(self) -> str:
        """Where it listens, as a person would write it."""
        return f"{'grpcs://localhost' if self._credentials else 'grpc://127.0.0.1'}:{self.port}"

    @property
    def accepted(self) -> int:
        """Spans in requests that were answered with success."""
        return sum(arrival.spans for arrival in self.arrivals if arrival.code == "OK")

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 << 20))
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((_Everything(self._export),))
        where = f"{self._host}:{self.port}"
        if self._credentials:
            self.port = self._server.add_secure_port(where, self._credentials)
        else:
            self.port = self._server.add_insecure_port(where)
        await self._server.start()

    async def stop(self) -> None:
        """Close every connection and refuse new ones."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)

    async def _export(self, signal: str, body: bytes, context: Any) -> bytes:
        reply = self.script.popleft() if self.script else self.always
        spans = 0
        if signal == "trace":
            found = ExportTraceServiceRequest.FromString(body)
            spans = sum(len(scope.spans) for resource in found.resource_spans for scope in resource.scope_spans)
        at = asyncio.get_running_loop().time()
        metadata = dict(context.invocation_metadata())
        self.arrivals.append(Arrival(at, signal, body, metadata, reply.code, spans))
        self.inflight += 1
        try:
            await asyncio.sleep(reply.delay)
        finally:
            self.inflight -= 1
        if reply.code != "OK":
            await context.abort(Codes[reply.code], reply.message, reply.trailing)
        return reply.body


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, export: Any) -> None:
        self._export = export

    def service(self, details: Any) -> Any:
        package, _, method = details.method.strip("/").rpartition("/")
        *_, signal, version, _ = package.split(".")
        assert (version, method) == ("v1", "Export")

        async def export(body: bytes, context: Any) -> bytes:
            return await self._export(signal, body, context)

        return grpc.unary_unary_rpc_method_handler(export)


@asynccontextmanager
async def listening(credentials: Any = None) -> AsyncIterator[Upstream]:
    """An upstream that listens while the block runs."""
    upstream = Upstream(credentials)
    await upstream.start()
    try:
        yield upstream
    finally:
        await upstream.stop()
