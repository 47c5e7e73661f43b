"""What stands around a relay: SDKs that send at a rate, and an upstream that takes everything.

python -m bench.spans upstream              prints its port
python -m bench.spans send PORT RATE SECONDS    requests a second; prints how many were taken and how many repeated
"""

import asyncio
import random
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HOST = "127.0.0.1"
CONNECTIONS = 8
SPANS = 100  # in a request


def request_body(spans=SPANS):
    """One SDK batch: server spans with the attributes that a web framework sets, about 350 bytes each."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "checkout"
    scope = resource.scope_spans.add()
    for _ in range(spans):
        span = scope.spans.add(name="GET /orders/{id}", kind=2, trace_id=random.randbytes(16))
        span.span_id = random.randbytes(8)
        span.start_time_unix_nano = time.time_ns()
        span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
        for key in ("http.request.method", "http.route", "url.path", "url.scheme", "server.address", "user_agent"):
            span.attributes.add(key=key).value.string_value = "a plausible value here"
        span.attributes.add(key="http.response.status_code").value.int_value = 200
    return request.SerializeToString()


class Upstream:
    """Takes everything, and keeps the sizes: the spans are counted by the bytes of their identical batches."""

    def __init__(self):
        self.size = 0
        self.requests = 0

    async def traces(self, request):
        """POST /v1/traces."""
        async for piece in request.content.iter_any():
            self.size += len(piece)
        self.requests += 1
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def healthy(self, request):
        """GET /healthz."""
        return web.Response(text="ok")

    @asynccontextmanager
    async def listening(self):
        """Yields its port."""
        app = web.Application()
        app.router.add_post("/v1/traces", self.traces)
        app.router.add_get("/healthz", self.healthy)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


async def send(port, body, requests, rate=float("inf")):
    """So many requests over connections that are kept, at most `rate` a second.

    Returns how many were answered 200, and how many had to be sent again.
    """
    head = f"POST /v1/traces HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-protobuf\r\n"
    whole = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    began, sent, taken, again = time.monotonic(), 0, 0, 0

    async def one():
        nonlocal sent, taken, again
        reader, writer = await asyncio.open_connection(HOST, port)
        while sent < requests:
            due = began + sent / rate
            sent += 1
            await asyncio.sleep(due - time.monotonic())
            while not await _taken(reader, writer, whole):
                again += 1
                await asyncio.sleep(0.02)
            taken += 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return taken, again


async def _taken(reader, writer, whole):
    writer.write(whole)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    await reader.readexactly(int(length or 0))
    return b" 200 " in answer[:16]


@contextmanager
def beside(*arguments):
    """This file as a process of its own; yields it, its output a pipe of text."""
    command = [sys.executable, "-m", "bench.spans", *map(str, arguments)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            yield process
        finally:
            process.terminate()


async def _upstream():
    async with Upstream().listening() as port:
        print(port, flush=True)
        await asyncio.Event().wait()


def _main(role, *numbers):
    if role == "upstream":
        uvloop.run(_upstream())
    else:
        port, rate, seconds = map(int, numbers)
        print(*uvloop.run(send(port, request_body(), rate * seconds, rate)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
