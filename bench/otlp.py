"""What it costs to carry spans, OTLP/HTTP in and out: beside rotel at full speed, and at the pace of a busy service."""

import asyncio
import statistics
import time

import uvloop

from agent.demo.servers import Rotel, ServerError
from bench.installed import Process, sample
from bench.rows import MIB, Row
from bench.spans import HOST, SPANS, Upstream, request_body, send
from tests.running import agent

REQUESTS, ROUNDS = 3000, 5
STEADY = 15.0  # seconds
PATIENCE = 30.0  # seconds until everything must have arrived


class PlainRotel(Rotel):
    """Rotel without a line for each batch, and without compression: Outrider does not compress on loopback either."""

    def _command(self):
        command = super()._command()
        return [*command[: command.index("--debug-log")], "--otlp-exporter-compression", "none"]


def outrider(upstream):
    """A whole agent that forwards to this port."""
    receive = "receive: {http: '127.0.0.1:OTLP_PORT'}"
    forward = f"forward: {{gateway: {{endpoint: 'http://{HOST}:{upstream}'}}}}"
    return agent(f"probes: {{memory: {{type: memory}}}}\ntraces: {{{receive}, {forward}}}\n")


def balanced(running):
    """Raise unless every span that was taken has been delivered."""
    page = running.get("/metrics")[1].decode()
    received, delivered = (sample(page, f"outrider_otlp_{word}_spans_total") for word in ("received", "delivered"))
    if received != delivered or not received:
        raise RuntimeError(f"received {received:.0f} spans, delivered {delivered:.0f}")


async def settled(upstream, size):
    """Everything has arrived: merging keeps the bytes of a batch as they are, re-encoding nearly so."""
    deadline = time.monotonic() + PATIENCE
    while upstream.size < size * 0.9:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {upstream.size} of {size} bytes arrived")
        await asyncio.sleep(0.02)
    seen = -1
    while upstream.size != seen:
        seen = upstream.size
        await asyncio.sleep(0.3)


async def cost(process, port, upstream, body, requests):
    """CPU seconds that a process needs for so many requests, from the first byte in to the last byte out."""
    upstream.size = 0
    before = process.cpu
    await send(port, body, requests)
    await settled(upstream, requests * len(body))
    return process.cpu - before


async def compare():
    """Spans per CPU-second in each round, by name. Rounds alternate, so that a busy machine slows both."""
    body, upstream = request_body(), Upstream()
    async with upstream.listening() as port:
        with outrider(port) as ours:
            ours.until("/v1/traces", 405, port=ours.otlp)
            subjects = {"outrider": (ours, ours.otlp)}
            try:
                rotel = PlainRotel(forward_to=f"http://{HOST}:{port}").start()
            except ServerError as error:
                found, missing = await _rounds(subjects, upstream, body), str(error)
            else:
                with rotel:
                    subjects["rotel"] = (Process(rotel.pid), rotel.port)
                    found, missing = await _rounds(subjects, upstream, body), ""
            await asyncio.to_thread(balanced, ours)
            return found, missing


async def _rounds(subjects, upstream, body):
    for process, port in subjects.values():
        await cost(process, port, upstream, body, REQUESTS // 10)  # warm
    found = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, (process, port) in subjects.items():
            found[name].append(REQUESTS * SPANS / await cost(process, port, upstream, body, REQUESTS))
    return found


def forward():
    """Senders and upstream in this process, the subject between them; the median round, and the median ratio."""
    found, missing = uvloop.run(compare())
    ours = statistics.median(found["outrider"])
    what = f"OTLP/HTTP forward, {SPANS}-span requests, memory queue (request metrics are not in this version)"
    if missing:
        yield Row(what, f"{ours:,.0f} spans per CPU-second", f"{missing}", "1.5 x rotel", "2 x")
        return
    ratio = statistics.median(a / b for a, b in zip(found["outrider"], found["rotel"], strict=True))
    yield Row(
        what,
        f"{ours:,.0f} spans per CPU-second, {ratio:.2f} x rotel",
        f"rotel {statistics.median(found['rotel']):,.0f}",
        "1.5 x",
        "2 x",
        ratio > 1.5,
    )


async def pace(rate):
    """Share of a core and RSS in MiB at so many spans a second, in requests of 100, after a second of warming up."""
    body, upstream = request_body(), Upstream()
    async with upstream.listening() as port:
        with outrider(port) as ours:
            ours.until("/v1/traces", 405, port=ours.otlp)
            a_second = rate // SPANS
            await send(ours.otlp, body, a_second, a_second)
            before, at = ours.cpu, time.perf_counter()
            await send(ours.otlp, body, int(a_second * STEADY), a_second)
            share = (ours.cpu - before) / (time.perf_counter() - at)
            rss = ours.rss / MIB
            await settled(upstream, int(a_second * (STEADY + 1)) * len(body))
            await asyncio.to_thread(balanced, ours)
    return share, rss


def steady():
    """The same agent at the pace of a service; CPU by the kernel's clock over 15 s, RSS at the end of them."""
    for rate in (1_000, 10_000):
        share, rss = uvloop.run(pace(rate))
        yield Row(
            f"at {rate:,} spans a second",
            f"{share:.3f} of a core, {rss:.1f} MiB",
            "",
            "0.15 core, 88 MiB",
            "0.1 core",
            share < 0.15 and rss < 88,
        )


def rows():
    """All of this file."""
    yield from forward()
    yield from steady()
