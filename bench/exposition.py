"""A scrape of 2,500 samples: what it costs, and for how long it holds the loop. Run: python bench/exposition.py."""

import asyncio
import gc
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from exporters.base import Histogram, Sample
from exporters.contract import PROBE_BUCKETS
from exporters.exposition import OPENMETRICS, TEXT, compressed, encoded, page
from exporters.prometheus import snapshot

ROUNDS = 30
GATE = 0.005  # seconds: no single stall may be longer


class Fleet:
    """As many probes as give 2,500 lines: attempts, states and a histogram each."""

    def samples(self):
        """The three families that make up most of a real page."""
        probes = [f"probe-{number}" for number in range(178)]
        yield "outrider_probe_up", [Sample((name, "http"), 1) for name in probes]
        states = ("unknown", "up", "degraded", "down")
        yield "outrider_probe_state", [Sample((name, "http", state), 0) for name in probes for state in states]
        counts = tuple(range(len(PROBE_BUCKETS)))
        yield "outrider_probe_duration_seconds", [Histogram((name, "http"), counts, 1.5) for name in probes]


async def longest_stall(work):
    """Run `work` beside a task that only turns the loop.

    Returns, in seconds: its longest wait by the clock, the same in CPU time (which other processes cannot lengthen),
    and the whole run by the clock.
    """
    longest, busiest, stop = 0.0, 0.0, False

    async def turn():
        nonlocal longest, busiest
        clock, cpu = time.perf_counter(), time.thread_time()
        while not stop:
            await asyncio.sleep(0)
            longest, clock = max(longest, time.perf_counter() - clock), time.perf_counter()
            busiest, cpu = max(busiest, time.thread_time() - cpu), time.thread_time()

    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    started = time.perf_counter()
    await work()
    whole = time.perf_counter() - started
    stop = True
    await turning
    return longest, busiest, whole


async def measure(name, work):
    """Print the median and the worst stall of ROUNDS runs; returns the worst in CPU seconds."""
    stalls, busy, whole = zip(*[await longest_stall(work) for _ in range(ROUNDS)], strict=True)
    median, worst = statistics.median(stalls) * 1000, max(stalls) * 1000
    print(
        f"{name:<24} stall: median {median:5.1f} ms, worst {worst:5.1f} ms, worst of CPU {max(busy) * 1000:5.1f} ms"
        f"  whole page {statistics.median(whole) * 1000:5.1f} ms"
    )
    return max(busy)


async def main():
    """Both formats, in one go and in slices, and the compression; exit code 1 when the gate is missed."""
    # What was imported never goes away. Frozen, a full collection does not walk it: that alone takes 6 ms here.
    gc.collect()
    gc.freeze()
    sources = [Fleet()]
    body, _ = await page(sources)
    lines = sum(not line.startswith(b"#") for line in body.splitlines())
    print(f"{lines} samples, {len(body)} bytes, {ROUNDS} rounds")
    stalls = []
    for name, content_type in (("text", TEXT), ("OpenMetrics", OPENMETRICS)):

        async def whole(content_type=content_type):
            b"".join(encoded(snapshot(sources), content_type, 10**9))

        async def sliced(content_type=content_type):
            await page(sources, content_type)

        await measure(f"{name}, in one go", whole)
        stalls.append(await measure(f"{name}, in slices", sliced))
    stalls.append(await measure("gzip of the text page", lambda: compressed(body)))
    return max(stalls) > GATE


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
