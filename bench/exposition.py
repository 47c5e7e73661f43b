"""A scrape of 2,500 samples: for how long it holds the loop."""

import asyncio
import gc
import statistics
import time
from functools import partial

import uvloop

from agent.cli.open import read_plan
from agent.events import Observation, Outcome
from agent.health.board import Board
from agent.scheduler.metrics import ProbeMetrics
from bench.rows import Row
from exporters.exposition import OPENMETRICS, TEXT, compressed, encoded, page
from exporters.prometheus import snapshot
from probes.base import Measurement, Reading
from probes.reason import Reason

ROUNDS = 40
PROBES = 86  # give 2,500 samples
GATE = 0.005  # seconds: no single stall may be longer


def fleet():
    """The agent's own view of so many HTTP probes that passed once: the samples of a real page."""
    probes = "".join(f"  probe-{number}: {{type: http, url: 'http://127.0.0.1/'}}\n" for number in range(PROBES))
    plan = read_plan(f"service: bench\nprobes:\n{probes}".encode()).plan
    board, now = Board(), time.monotonic()
    metrics = ProbeMetrics(lambda: board.view(now))
    readings = tuple(Reading(name, 200.0) for name in ("status", "content_length", "uncompressed_length", "redirects"))
    phases = dict.fromkeys(("resolve", "connect", "processing", "transfer"), 0.001)
    measurement = Measurement(readings, phases, {"http_version": "1.1"})
    for name, planned in plan.probes.items():
        board.enter(planned.member, now)
        metrics.enter(planned.member, planned.cls)
        times = (now, now + 0.004, time.time())
        seen = Observation(name, "http", 1, *times, Outcome.PASS, Reason.OK, "fresh", "", "", measurement)
        board.record(seen)
        metrics.observe(seen)
    return metrics


async def longest_stall(work):
    """Run `work` beside a task that only turns the loop.

    Returns the longest that this task had to wait, in seconds of this thread's CPU: as on a core of one's own, for
    other processes cannot lengthen it.
    """
    longest, stop = 0.0, False

    async def turn():
        nonlocal longest
        before = time.thread_time()
        while not stop:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    await work()
    stop = True
    await turning
    return longest


async def stalls(work):
    """Of ROUNDS runs."""
    return [await longest_stall(work) for _ in range(ROUNDS)]


async def in_one_go(sources):
    """What a page costs that is not cut into slices."""
    b"".join(encoded(snapshot(sources), TEXT, 10**9))


async def compare():
    """The row: the worst of both formats and of the compression."""
    sources = [fleet()]
    # As the agent does: what stays is not walked by a collection in the middle of a page.
    gc.collect()
    gc.freeze()
    body, _ = await page(sources)
    lines = sum(not line.startswith(b"#") for line in body.splitlines())
    works = (partial(page, sources, TEXT), partial(page, sources, OPENMETRICS), partial(compressed, body))
    found = [await stalls(work) for work in works]
    worst, median = max(map(max, found)), max(map(statistics.median, found))
    whole = statistics.median(await stalls(partial(in_one_go, sources)))
    return Row(
        f"scrape of {lines:,} samples, text, OpenMetrics or gzip: worst stall in {ROUNDS} of each",
        f"{worst * 1000:.1f} ms (median {median * 1000:.1f} ms)",
        f"in one go {whole * 1000:.1f} ms",
        "5 ms",
        met=worst < GATE,
    )


def rows():
    """In this process, on the loop that the agent uses."""
    yield uvloop.run(compare())
