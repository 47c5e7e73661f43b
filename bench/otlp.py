"""What it costs to carry spans: beside rotel and the collector at full speed, and at the pace of a busy service."""

import asyncio
import contextlib
import statistics
import time
from dataclasses import dataclass

import uvloop

from bench.rows import MIB, Row
from bench.spans import SPANS, Upstream, call, request_body, send, service_bodies
from bench.subjects import PEERS, ServerError, balanced, measured, outrider, peer

REQUESTS, ROUNDS = 3000, 5
STEADY = 15.0  # seconds
PATIENCE = 60.0  # seconds until everything must have arrived
DURABILITIES = ("memory", "process", "host")
#: By durability: what row 1 and row 2 of the design ask for, in multiples of rotel.
GATES = {"memory": (1.5, 2.0), "process": (1.0, 1.5)}


@dataclass(frozen=True)
class Scale:
    """How much is measured: all of it, or enough to see that it works."""

    requests: int = REQUESTS
    rounds: int = ROUNDS
    seconds: float = STEADY


QUICK = Scale(200, 1, 2.0)


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


async def cost(subject, upstream, bodies, requests):
    """CPU seconds that a process needs for so many requests, from the first byte in to the last byte out."""
    upstream.size = 0
    before = subject.process.cpu
    await send(subject.port, bodies, requests)
    await settled(upstream, requests * sum(map(len, bodies)) / len(bodies))
    return subject.process.cpu - before


async def compare(ours, peers, bodies, scale):
    """Spans per CPU-second in each round, by name, and why a peer is missing, by name.

    `ours` are the keywords of `outrider` by name. Rounds alternate, so that a busy machine slows all alike.
    """
    upstream, missing = Upstream(), {}
    async with upstream.listening() as port:
        with contextlib.ExitStack() as stack:
            subjects = {name: stack.enter_context(outrider(port, **made)) for name, made in ours.items()}
            for name in peers:
                try:
                    subjects[name] = stack.enter_context(peer(name, port))
                except ServerError as error:
                    missing[name] = str(error)
            stack.enter_context(measured())
            found = await _rounds(subjects, upstream, bodies, scale)
            for name in ours:
                await asyncio.to_thread(balanced, subjects[name].agent)
    return found, missing


async def _rounds(subjects, upstream, bodies, scale):
    for subject in subjects.values():
        await cost(subject, upstream, bodies, max(100, scale.requests // 5))  # warm
    found = {name: [] for name in subjects}
    for _ in range(scale.rounds):
        for name, subject in subjects.items():
            spent = await cost(subject, upstream, bodies, scale.requests)
            found[name].append(scale.requests * SPANS / max(spent, 0.01))
    return found


def forward(scale):
    """Rows 1 and 2 of the design: senders and upstream in this process, the subject between them."""
    ours = {name: {"durability": name} for name in DURABILITIES}
    found, missing = uvloop.run(compare(ours, PEERS, service_bodies(), scale))
    what = f"OTLP/HTTP forward, {SPANS}-span requests, request metrics on"
    for durability in DURABILITIES:
        said = f"{what}, `durability: {durability}`" if durability != "memory" else f"{what}, memory"
        beside = _beside(found, missing) if durability == "memory" else ""
        yield _compared(said, found, durability, beside, GATES.get(durability))
    plain = {"memory": {"metrics": False}}
    found, missing = uvloop.run(compare(plain, PEERS[:1], [request_body()], scale))
    what = "the same, memory, request metrics off, the body of the last version (server spans alone)"
    yield _compared(what, found, "memory", _beside(found, missing), None)


def _beside(found, missing):
    """The cell of the peers."""
    return "; ".join(
        missing[name] if name in missing else f"{name} {statistics.median(found[name]):,.0f}"
        for name in PEERS
        if name in missing or name in found
    )


def _compared(what, found, name, beside, gates):
    """The median round, and the median of the rounds' ratios."""
    text = f"{statistics.median(found[name]):,.0f} spans per CPU-second"
    ratios = {
        other: statistics.median(a / b for a, b in zip(found[name], found[other], strict=True))
        for other in PEERS
        if other in found
    }
    text = ", ".join((text, *(f"{ratio:.2f} x {other}" for other, ratio in ratios.items())))
    if gates is None:
        return Row(what, text, beside)
    met = ratios["rotel"] > gates[0] if "rotel" in ratios else None
    return Row(what, text, beside, f"{gates[0]} x rotel", f"{gates[1]} x", met)


@dataclass(frozen=True)
class Pace:
    """What one subject needed at a steady rate: share of a core, resident bytes, and p99 of a call in seconds."""

    core: float
    rss: int
    p99: float
    worst: float

    def __str__(self):
        calls = f"p99 {self.p99 * 1000:.1f} ms (worst {self.worst * 1000:.0f})"
        return f"{self.core:.3f} of a core, {self.rss / MIB:.1f} MiB, {calls}"


async def pace(made, rate, seconds, sender=send):
    """A subject at so many spans a second, in requests of 100, after two seconds of warming up."""
    bodies, upstream = service_bodies(), Upstream()
    async with upstream.listening() as port:
        with made(port) as subject, measured():
            to = subject.grpc or subject.port
            a_second = rate // SPANS
            await sender(to, bodies, a_second * 2, a_second)
            before, at = subject.process.cpu, time.perf_counter()
            sent = await sender(to, bodies, int(a_second * seconds), a_second)
            share = (subject.process.cpu - before) / (time.perf_counter() - at)
            rss = subject.process.rss
            await settled(upstream, int(a_second * (seconds + 2)) * sum(map(len, bodies)) / len(bodies))
            if subject.agent:
                await asyncio.to_thread(balanced, subject.agent)
    return Pace(share, rss, statistics.quantiles(sent.times, n=100, method="inclusive")[98], max(sent.times))


def steady(scale):
    """Row 3: CPU by the kernel's clock and RSS at the end of it; p99 is of the sender's call, from write to answer."""
    plans = [(1_000, "memory", False), *((10_000, each, False) for each in DURABILITIES), (10_000, "memory", True)]
    peers = "; ".join(_peers(10_000, scale.seconds))
    for rate, durability, grpc in plans:
        yield _steady(rate, durability, grpc, peers if (rate, durability, grpc) == plans[1] else "", scale)


def _steady(rate, durability, grpc, beside, scale):
    found = uvloop.run(
        pace(
            lambda port: outrider(port, durability, grpc=grpc),
            rate,
            scale.seconds,
            call if grpc else send,
        )
    )
    gated = found.core < 0.15 and found.rss < 88 * MIB and (rate < 10_000 or found.p99 < 0.010)
    return Row(
        f"at {rate:,} spans a second over {'gRPC' if grpc else 'HTTP'}, {durability}",
        str(found),
        beside,
        "0.15 core, 88 MiB" + (", 10 ms" if rate == 10_000 else ""),
        "0.1 core",
        gated,
    )


def _peers(rate, seconds):
    for name in PEERS:
        try:
            yield f"{name} {uvloop.run(pace(lambda port, name=name: peer(name, port), rate, seconds))}"
        except ServerError as error:
            yield str(error)


def rows(*, quick=False):
    """All of this file; quick, to see that it works."""
    scale = QUICK if quick else Scale()
    yield from forward(scale)
    yield from steady(scale)
