"""Spans forwarded per CPU-second, OTLP/HTTP in and out: Outrider's path and rotel's, side by side.

    python -m bench.otlp [--requests 3000] [--spans 100] [--rounds 3]

Each subject is a process between the same senders and the same upstream, without compression. Its CPU time is read from
/proc when everything that was sent has arrived. Rounds alternate, so that a busy machine slows both.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.demo.process import HOST
from agent.demo.servers import Rotel, free_port
from agent.receiver.http import RUNNER, application
from agent.relay.relay import Relay
from bench.rows import Row
from config.types import Url
from exporters.otlp.http import OtlpHttpOptions, OtlpHttpSender

CONNECTIONS = 8


def request_body(spans):
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

    @asynccontextmanager
    async def listening(self):
        """Yields its base URL."""
        app = web.Application()
        app.router.add_post("/v1/traces", self.traces)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
        await runner.cleanup()


class PlainRotel(Rotel):
    """Rotel without compression and without a log line for each batch."""

    def _command(self):
        command = super()._command()
        return [*command[: command.index("--debug-log")], "--otlp-exporter-compression", "none"]


async def serve(port, upstream):
    """Outrider's path alone: receiver, relay, sender."""
    relay = Relay({"upstream": OtlpHttpSender(OtlpHttpOptions(endpoint=Url(upstream)))})
    runner = web.AppRunner(application(relay), **RUNNER)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    await asyncio.gather(*(destination.run() for destination in relay.destinations.values()))


async def send(port, body, requests):
    """`requests` requests over CONNECTIONS connections that are kept. Returns how many had to be sent again."""
    head = f"POST /v1/traces HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-protobuf\r\n"
    whole = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    left = requests
    again = 0

    async def one():
        nonlocal left, again
        reader, writer = await asyncio.open_connection(HOST, port)
        while left > 0:
            left -= 1
            while True:
                writer.write(whole)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                if b" 200 " in answer[:16]:
                    break
                again += 1
                await asyncio.sleep(0.02)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return again


def usage(pid):
    """CPU seconds and resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(pid, port, upstream, body, requests):
    """Returns CPU seconds, wall seconds, resident MiB at the end, requests that the upstream saw, requests repeated."""
    await send(port, body, 50)  # warm
    await settled(upstream, 50 * len(body))
    upstream.size = upstream.requests = 0
    before, _ = usage(pid)
    start = time.monotonic()
    again = await send(port, body, requests)
    await settled(upstream, requests * len(body))
    wall = time.monotonic() - start
    after, rss = usage(pid)
    return after - before, wall, rss, upstream.requests, again


async def settled(upstream, size):
    """Everything has arrived: merging keeps the bytes of a batch as they are, re-encoding nearly so."""
    deadline = time.monotonic() + 20
    while upstream.size < size * 0.9:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {upstream.size} of {size} bytes arrived")
        await asyncio.sleep(0.02)
    seen = -1
    while upstream.size != seen:
        seen = upstream.size
        await asyncio.sleep(0.3)


async def compare(requests, spans, rounds):
    """Alternate the subjects; returns what `measure` found, by name."""
    body = request_body(spans)
    upstream = Upstream()
    results = {"outrider": [], "rotel": []}
    async with upstream.listening() as url:
        port = free_port()
        ours = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.otlp", "--serve", str(port), url)
        with PlainRotel(forward_to=url) as rotel:
            try:
                await asyncio.sleep(1)
                for _ in range(rounds):
                    for name, pid, at in (("outrider", ours.pid, port), ("rotel", rotel.pid, rotel.port)):
                        results[name].append(await measure(pid, at, upstream, body, requests))
            finally:
                ours.terminate()
                await ours.wait()
    return results


def report(results, requests, spans):
    """Print the median of each, and how they compare."""
    for name, found in results.items():
        cpu, wall, rss, out, again = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"{name:9} {requests * spans / cpu:10,.0f} spans per CPU-second   {cpu:.2f} s CPU, {wall:.2f} s wall, "
            f"{rss:.0f} MiB, {out:.0f} requests out, {again:.0f} refused and repeated"
        )


def rows():
    """The row of the table: 100-span requests."""
    requests, spans = 3000, 100
    results = uvloop.run(compare(requests, spans, 3))
    ours, theirs = (requests * spans / statistics.median(row[0] for row in results[name]) for name in results)
    yield Row(
        f"OTLP/HTTP forward, {spans}-span requests, memory queue (no RED yet)",
        f"{ours:,.0f} spans per CPU-second",
        peer=f"rotel {theirs:,.0f}",
        gate="1.5 x rotel",
        goal="2 x",
        met=ours > 1.5 * theirs,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--spans", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "UPSTREAM"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(int(arguments.serve[0]), arguments.serve[1]))
    else:
        results = uvloop.run(compare(arguments.requests, arguments.spans, arguments.rounds))
        report(results, arguments.requests, arguments.spans)


if __name__ == "__main__":
    main()
