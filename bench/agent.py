"""The whole agent as a process: start, memory, idle CPU, and how fast it answers while it is busy."""

import asyncio
import statistics
import time

import aiohttp

from agent.demo.servers import Postgres, Valkey
from bench.rows import MIB, Row
from tests.running import agent

STARTS = 5
SETTLE, IDLE = 10.0, 30.0  # seconds
READS = 2000


def _many(kinds):
    """Twenty probes at 10 s over these kinds."""
    lines = [f"  p{number}: {{{kinds[number % len(kinds)]}, interval: 10s}}" for number in range(20)]
    return "probes:\n" + "\n".join(lines) + "\n"


def _traces():
    return "traces: {receive: {http: '127.0.0.1:OTLP_PORT'}, forward: {gateway: {endpoint: 'http://127.0.0.1:9'}}}\n"


def start():
    """From the start of the process to /livez, and to the OTLP port."""
    live, otlp = [], []
    for _ in range(STARTS):
        with agent("probes: {memory: {type: memory}}\n" + _traces()) as running:
            live.append(running.until("/livez"))
            otlp.append(running.until("/v1/traces", 405, port=running.otlp))
    yield Row(
        f"start to /livez (median of {STARTS})",
        f"{statistics.median(live) * 1000:.0f} ms",
        gate="500 ms",
        goal="300 ms",
        met=statistics.median(live) < 0.5,
    )
    yield Row(
        "start to OTLP accepting",
        f"{statistics.median(otlp) * 1000:.0f} ms",
        gate="500 ms",
        goal="300 ms",
        met=statistics.median(otlp) < 0.5,
    )


def weigh():
    """Memory and idle CPU with everything loaded, and slim."""
    with Postgres() as postgres, Valkey() as valkey:
        kinds = (
            f"type: postgres, dsn: '{postgres.dsn}'",
            f"type: redis, url: '{valkey.url}'",
            "type: memory",
            "type: memory, of: self",
        )
        with agent(_many(kinds) + _traces()) as running:
            running.until("/readyz")
            time.sleep(SETTLE)
            before, at = running.cpu, time.perf_counter()
            time.sleep(IDLE)
            share = (running.cpu - before) / (time.perf_counter() - at)
            rss = running.rss / MIB
    all_in = "RSS: PostgreSQL, Redis, OTLP/HTTP, 20 probes"
    yield Row(all_in, f"{rss:.1f} MiB", gate="72 MiB", goal="64 MiB", met=rss < 72)
    yield Row("idle CPU, those 20 probes at 10 s", f"{share:.2%} of a core", gate="1 %", goal="0.5 %", met=share < 0.01)
    with agent(_many(("type: memory", "type: memory, of: self"))) as running:
        running.until("/readyz")
        time.sleep(SETTLE)
        rss = running.rss / MIB
    yield Row("RSS slim: no drivers, no OTLP", f"{rss:.1f} MiB", gate="50 MiB", goal="45 MiB", met=rss < 50)


def answer():
    """`/readyz` while 200 probes run at 1 s and a scrape is made each second."""
    probes = "\n".join(f"  p{number}: {{type: memory, interval: 1s}}" for number in range(200))
    with agent(f"probes:\n{probes}\n") as running:
        running.until("/readyz")
        times = asyncio.run(_ask(running.public))
    p99 = statistics.quantiles(times, n=100)[98]
    yield Row(
        "/readyz p99, 200 probes at 1 s, a scrape a second (no spans yet)",
        f"{p99 * 1000:.1f} ms",
        gate="10 ms",
        goal="5 ms",
        met=p99 < 0.010,
    )


async def _ask(port):
    times, base = [], f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:

        async def scrape():
            while True:
                async with session.get(f"{base}/metrics") as page:
                    await page.read()
                await asyncio.sleep(1)

        scraping = asyncio.create_task(scrape())
        for _ in range(READS):
            at = time.perf_counter()
            async with session.get(f"{base}/readyz") as verdict:
                await verdict.read()
            times.append(time.perf_counter() - at)
            await asyncio.sleep(0.005)
        scraping.cancel()
    return times


def rows():
    """All of this file."""
    yield from start()
    yield from weigh()
    yield from answer()
