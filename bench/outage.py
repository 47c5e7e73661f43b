"""What an upstream that is dead for ten minutes costs at 10,000 spans a second, and how the agent comes out of it.

Two agents at once, each with an upstream and senders of its own: one keeps spans on disk, one in memory alone.
"""

import asyncio
import statistics
import struct
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import uvloop
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.demo.process import held_port
from bench.installed import sample
from bench.rows import MIB, Row
from bench.spans import HOST, SPANS, Upstream, exchange, paced, service_bodies, written
from bench.subjects import measured, outrider
from exporters.otlp.status import said

RATE = 10_000  # spans a second
DEAD, QUICK = 600.0, 30.0  # seconds
BEFORE, AFTER = 5.0, 5.0  # seconds with an upstream: before, and after all was delivered
PATIENCE = 300.0  # seconds for the backlog
QUEUES = {"process": "disk: 8GiB", "memory": ""}
_MARK = struct.Struct(">4sId")  # 16 bytes in the place of a trace id: these four, which request, when it was sent
_MAGIC = b"\xf0\x9f\x95\xb0"


class Court(Upstream):
    """An upstream that knows each request again, in whatever merged one it comes."""

    def __init__(self):
        super().__init__()
        self.sock = held_port()
        self.port = self.sock.getsockname()[1]
        self.arrived = {}  # request: seconds on its way
        self.twice = 0
        self.first_at = None  # by the monotonic clock

    async def traces(self, request):
        """POST /v1/traces."""
        body, now = b"".join([piece async for piece in request.content.iter_any()]), time.monotonic()
        self.first_at = self.first_at or now
        at = body.find(_MAGIC)
        while at >= 0:
            _, number, sent = _MARK.unpack_from(body, at)
            self.twice += number in self.arrived
            self.arrived.setdefault(number, now - sent)
            at = body.find(_MAGIC, at + _MARK.size)
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def revive(self, stack):
        """Listen from now on; until then connections are refused, and nobody else gets the port."""
        self.first_at = None
        await stack.enter_async_context(self.listening(self.sock))

    async def die(self, stack):
        """Close everything."""
        await stack.aclose()
        self.sock = _bound(self.port)


def _bound(port):
    import socket

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock


def marked(body):
    """A body around the place for a mark: what is before it, and what is after it."""
    request = ExportTraceServiceRequest.FromString(body)
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = _MAGIC * 4
    text = request.SerializeToString()
    before, found, after = text.partition(_MAGIC * 4)
    if not found or _MAGIC in after:
        raise ValueError("this body has the mark already")
    return before, after


@dataclass
class Story:
    """What was seen of one agent; times are by the monotonic clock, memory in bytes."""

    taken: dict = field(default_factory=dict)  # request: when it was sent
    refused: int = 0
    wrong: list = field(default_factory=list)  # answers that are neither a 200 nor an honest refusal
    rss: list = field(default_factory=list)  # (seconds into the outage, bytes)
    on_disk: float = 0.0  # bytes owed when the upstream came back
    first: float = 0.0  # seconds from then to the first delivery
    drained: float = 0.0  # seconds from then until all that was owed then had come
    live: list = field(default_factory=list)  # seconds on its way, of what was sent between those two
    ended: bool = False


async def senders(story, port):
    """Senders that take no for an answer, until the story has ended."""
    bodies, number = [marked(body) for body in service_bodies()], 0

    async def one(turn):
        nonlocal number
        reader, writer = await asyncio.open_connection(HOST, port)
        while not story.ended and await turn():
            mine, number = number, number + 1
            before, after = bodies[mine % len(bodies)]
            at = time.monotonic()
            answer = await exchange(reader, writer, written(before + _MARK.pack(_MAGIC, mine, at) + after))
            if answer[0] == 200:
                story.taken[mine] = at
            elif honest(*answer):
                story.refused += 1
            else:
                story.wrong.append(answer)
        writer.close()

    await paced(RATE / SPANS, float("inf"), one)


def honest(status, head, body):
    """Whether a refusal says that the request was not taken, and when to come again, in both ways."""
    said_when = b"\r\nretry-after:" in head.lower()
    told = said(body, "application/x-protobuf")
    return status == 503 and said_when and told.after is not None and bool(told.message)


async def watch(story, process, seconds):
    """Resident memory, a sample a second."""
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        story.rss.append((at, process.rss))
        await asyncio.sleep(1)


async def play(durability, seconds):
    """The whole of it with one agent."""
    story, court = Story(), Court()
    async with AsyncExitStack() as alive:
        with outrider(court.port, durability, queue=QUEUES[durability]) as subject:
            await court.revive(alive)
            sending = asyncio.create_task(senders(story, subject.port))
            await asyncio.sleep(BEFORE)
            await court.die(alive)
            await watch(story, subject.process, seconds)
            page = (await asyncio.to_thread(subject.agent.get, "/metrics"))[1].decode()
            story.on_disk = sample(page, "outrider_otlp_queue_bytes")
            await recover(story, court, alive)
            await asyncio.sleep(AFTER)
            story.ended = True
            await sending
            await until(lambda: court.arrived.keys() >= story.taken.keys(), "what was sent last")
            books = await asyncio.to_thread(balance, subject.agent, story)
    return story, court, books


async def recover(story, court, alive):
    """The upstream is back, until it has all that was owed when it came."""
    owed, began = set(story.taken), time.monotonic()
    await court.revive(alive)
    await until(lambda: court.arrived.keys() >= owed, "what was owed")
    story.first, story.drained = court.first_at - began, time.monotonic() - began
    until_then = time.monotonic()
    recent = {number: at for number, at in story.taken.items() if court.first_at < at < until_then}
    await until(lambda: court.arrived.keys() >= recent.keys(), "what was sent meanwhile")
    story.live = [court.arrived[number] for number in recent]


async def until(condition, what):
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} has not arrived after {PATIENCE:.0f} s")
        await asyncio.sleep(0.05)


def balance(running, story):
    """The agent's books against what senders and upstream saw: what is wrong with them, "" when they balance."""
    page = running.get("/metrics")[1].decode()
    words = ("received", "delivered", "rejected_upstream", "dropped", "refused")
    books = {word: int(sample(page, f"outrider_otlp_{word}_spans_total")) for word in words}
    expected = len(story.taken) * SPANS
    true = {"received": expected, "delivered": expected, "rejected_upstream": 0, "dropped": 0}
    wrong = {word: number for word, number in books.items() if number != true.get(word, story.refused * SPANS)}
    return "" if not wrong else f"books say {books}, seen were {len(story.taken)} taken, {story.refused} refused"


def slope(samples):
    """Bytes a second by least squares, without the first fifth, in which the queue in memory fills."""
    late = [(at, size) for at, size in samples if at >= samples[-1][0] / 5]
    return statistics.linear_regression(*zip(*late, strict=True)).slope


def rows(*, quick=False):
    """Both agents; quick, half a minute without the upstream: flat memory cannot be judged by that."""
    seconds = QUICK if quick else DEAD
    kept, lost = uvloop.run(_both(seconds))
    yield _memory("process", kept[0], seconds, quick=quick)
    yield from _kept(*kept)
    yield _memory("memory", lost[0], seconds, quick=quick)
    yield _lost(*lost)


async def _both(seconds):
    with measured():
        return await asyncio.gather(play("process", seconds), play("memory", seconds))


def _memory(durability, story, seconds, *, quick):
    most, growth = max(size for _, size in story.rss), slope(story.rss)
    return Row(
        f"upstream dead for {seconds:.0f} s at {RATE:,} spans a second, {durability}: RSS",
        f"at most {most / MIB:.1f} MiB, {growth * 60 / MIB:+.2f} MiB a minute",
        gate="88 MiB, flat (4 MiB in all)",
        met=None if quick else most < 88 * MIB and growth * seconds < 4 * MIB,
    )


def _kept(story, court, wrong):
    refused = story.refused + len(story.wrong)
    yield Row(
        "refused meanwhile, process",
        f"{refused:,} of {len(story.taken) + refused:,} requests; {story.on_disk / MIB:,.0f} MiB waited",
        gate="none",
        met=not refused,
    )
    yield Row(
        "all of it delivered, with the live spans between it",
        f"{len(story.taken) * SPANS:,} spans, {story.drained:.1f} s after the upstream came back "
        f"({story.first:.1f} s to the first); {court.twice} requests twice; {wrong or 'books balance'}",
        gate="everything",
        met=not wrong,
    )
    p50, p95 = (statistics.quantiles(story.live, n=100)[at] for at in (49, 94))
    yield Row(
        "live spans meanwhile, from the sender's call to the upstream: p95",
        f"{p95:.2f} s (median {p50:.2f} s)",
        gate="5 s",
        met=p95 < 5,
    )


def _lost(story, court, wrong):
    said_wrong = f"; {len(story.wrong)} answers were neither: {story.wrong[0]}" if story.wrong else ""
    return Row(
        "refused meanwhile, memory",
        f"{story.refused:,} of {len(story.taken) + story.refused:,} requests, each a 503 with Retry-After and "
        f"RetryInfo; all others delivered, {court.twice} twice; {wrong or 'books balance'}{said_wrong}",
        gate="honest",
        met=bool(story.refused) and not story.wrong and not wrong,
    )
