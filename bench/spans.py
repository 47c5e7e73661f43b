"""What stands around a relay: SDKs that send at a rate, and an upstream that takes everything.

python -m bench.spans upstream              prints its port
python -m bench.spans send PORT RATE SECONDS    requests a second; prints how many were taken and how many repeated
"""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HOST = "127.0.0.1"
CONNECTIONS = 8
SPANS = 100  # in a request
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CORES = sorted(os.sched_getaffinity(0))
_AGAIN = 0.02  # seconds until a request that was refused is sent once more
_DISTINCT = 4  # bodies of each kind


def request_body(spans=SPANS, route="a plausible value here"):
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
            value = route if key == "http.route" else "a plausible value here"
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="http.response.status_code").value.int_value = 200
    return request.SerializeToString()


def service_bodies():
    """What a web service sends, seven attributes on each span.

    Half of the bodies have server spans alone; the others a third each of server, internal and database client spans.
    """
    from bench.red import mixed_body

    return [body for _ in range(_DISTINCT) for body in (mixed_body(), request_body(route="/orders/{id}"))]


@contextmanager
def pinned(core):
    """This thread, and the processes that it starts meanwhile, on one core: the first (0), or the last (-1)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Upstream:
    """Takes everything, and keeps the sizes: the spans are counted by the bytes of their batches."""

    def __init__(self):
        self.size = 0
        self.requests = 0

    async def traces(self, request):
        """POST /v1/traces."""
        async for piece in request.content.iter_any():
            self.size += len(piece)
        self.requests += 1
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def metrics(self, request):
        """POST /v1/metrics, from those that make metrics of spans and send them."""
        async for _ in request.content.iter_any():
            pass
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def healthy(self, request):
        """GET /healthz."""
        return web.Response(text="ok")

    @asynccontextmanager
    async def listening(self, sock=None):
        """Yields its port; `sock`: bound already."""
        app = web.Application()
        app.router.add_post("/v1/traces", self.traces)
        app.router.add_post("/v1/metrics", self.metrics)
        app.router.add_get("/healthz", self.healthy)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.SockSite(runner, sock) if sock else web.TCPSite(runner, HOST, 0)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@dataclass
class Sent:
    """What became of a number of requests: `times` are seconds from the first byte of each to its answer."""

    taken: int = 0
    again: int = 0
    times: list[float] = field(default_factory=list)


async def paced(rate, requests, call, at_once=CONNECTIONS):
    """Await `call(turn)` so many times, at most `rate` a second, `turn()` waiting for the next; False ends it."""
    began, given = time.monotonic(), 0

    async def turn():
        nonlocal given
        if given >= requests:
            return False
        due = began + given / rate
        given += 1
        await asyncio.sleep(due - time.monotonic())
        return True

    await asyncio.gather(*(call(turn) for _ in range(at_once)))


def written(body):
    """A request of this body as a client writes it."""
    head = f"POST /v1/traces HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-protobuf\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def exchange(reader, writer, whole):
    """Write a request; its answer's status, head and body."""
    writer.write(whole)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return int(head[9:12]), head, await reader.readexactly(int(length or 0))


async def send(port, bodies: Sequence[bytes], requests, rate=float("inf")):
    """So many requests over connections that are kept, at most `rate` a second; a refused one is sent again."""
    wholes, sent = [written(body) for body in bodies], Sent()

    async def one(turn):
        reader, writer = await asyncio.open_connection(HOST, port)
        while await turn():
            whole = wholes[sent.taken % len(wholes)]
            at = time.perf_counter()
            while (await exchange(reader, writer, whole))[0] != 200:
                sent.again += 1
                await asyncio.sleep(_AGAIN)
            sent.times.append(time.perf_counter() - at)
            sent.taken += 1
        writer.close()

    await paced(rate, requests, one)
    return sent


async def call(port, bodies: Sequence[bytes], requests, rate=float("inf")):
    """The same over gRPC, all calls on one channel."""
    import grpc.aio

    sent = Sent()
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        export = channel.unary_unary(EXPORT)

        async def one(turn):
            while await turn():
                at = time.perf_counter()
                await export(bodies[sent.taken % len(bodies)])
                sent.times.append(time.perf_counter() - at)
                sent.taken += 1

        await paced(rate, requests, one)
    return sent


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
        sent = uvloop.run(send(port, service_bodies(), rate * seconds, rate))
        print(sent.taken, sent.again)


if __name__ == "__main__":
    _main(*sys.argv[1:])
