"""How the agent answers while it has all hands full."""

import asyncio
import statistics
import time
from contextlib import contextmanager

import aiohttp
import uvloop

from bench.fleet_peers import PEERS, ports, replicas, urls
from bench.installed import sample
from bench.rows import Row
from bench.spans import HOST, SPANS, beside
from tests.running import agent

RATE = 50_000  # spans a second that are offered
WARM, MEASURED = 12.0, 15.0  # seconds; the agent's own gauge of its stalls remembers 10
EVERY = 0.005  # seconds between two questions


@contextmanager
def upstream():
    """An upstream process; yields its port."""
    with beside("upstream") as process:
        yield int(process.stdout.readline())


def full(port, further=lambda _: "", rest=""):
    """200 probes at 1 s, half of them over the network, and spans that go to this port.

    `further`: what else stands in the entry of each probe. `rest`: more of the file.
    """
    kinds = (f"type: http, url: 'http://{HOST}:{port}/healthz'", "type: memory, of: self")
    probes = "\n".join(f"  p{number}: {{{kinds[number % 2]}, interval: 1s{further(number)}}}" for number in range(200))
    receive = "receive: {http: '127.0.0.1:OTLP_PORT'}"
    forward = f"forward: {{gateway: {{endpoint: 'http://{HOST}:{port}'}}}}"
    return f"probes:\n{probes}\ntraces: {{{receive}, {forward}}}\n{rest}"


def related(number):
    """What ties the probes together: the first twenty are shared, and every tenth of the others depends on one."""
    if number < 20:
        return ", shared: true"
    return f", depends_on: [p{number // 10}]" if number % 10 == 0 else ""


#: Ten groups of twenty probes.
GROUPS = "groups:\n" + "".join(
    f"  g{tens}: {{members: [{', '.join(f'p{tens * 20 + number}' for number in range(20))}], rule: 15}}\n"
    for tens in range(10)
)


async def asked(port, seconds):
    """How long each /readyz took, and each scrape's page, a scrape a second."""
    times, pages, until = [], [], time.monotonic() + seconds
    async with aiohttp.ClientSession(f"http://{HOST}:{port}") as session:

        async def scrape():
            while True:
                async with session.get("/metrics") as page:
                    pages.append((time.monotonic(), await page.text()))
                await asyncio.sleep(1)

        scraping = asyncio.create_task(scrape())
        while time.monotonic() < until:
            at = time.perf_counter()
            async with session.get("/readyz") as verdict:
                assert verdict.status == 200, await verdict.text()
            times.append(time.perf_counter() - at)
            await asyncio.sleep(EVERY)
        scraping.cancel()
    return times, pages


def measure(seconds=MEASURED):
    """Latencies, pages, and the share of a core, from a sender, an upstream and an asker that share the machine."""
    with upstream() as port, agent(full(port)) as running:
        running.until("/readyz")
        return under_load(running, seconds)


def measure_in_fleet(seconds=MEASURED):
    """The same of an agent that knows twelve others, with groups, shared probes and probes that explain others."""
    others = ports()
    with upstream() as port, agent(full(port, related, GROUPS), readiness=urls(others)) as running:
        running.until("/readyz")
        with replicas(others, urls([running.public])):  # they ask this one alone: the machine is for the measured one
            fresh = "outrider_peers_fresh"
            running.wait(lambda: sample(running.get("/metrics")[1].decode(), fresh) == PEERS, "a view of every peer")
            return under_load(running, seconds)


def under_load(running, seconds):
    """What is seen while spans come in."""
    with beside("send", running.otlp, RATE // SPANS, int(WARM + seconds) + 5):
        time.sleep(WARM)
        before, at = running.cpu, time.perf_counter()
        times, pages = uvloop.run(asked(running.public, seconds))
        share = (running.cpu - before) / (time.perf_counter() - at)
    return times, pages, share


def rows():
    """`/readyz` as a client of the same machine sees it, and the stalls that the agent itself saw.

    Both while spans are offered at 50,000 a second; the rate that was reached is what the ledger says was delivered.
    """
    yield from _rows(measure(), "")


def fleet_rows():
    """The same in a fleet."""
    yield from _rows(measure_in_fleet(), f" of a fleet ({PEERS} peers over HTTP, 10 groups, 20 shared probes)")


def _rows(measured, where):
    times, pages, share = measured
    (first, before), (last, after) = pages[0], pages[-1]
    spans = [sample(page, "outrider_otlp_delivered_spans_total") for page in (before, after)]
    rate = (spans[1] - spans[0]) / (last - first)
    lag = max(sample(page, "outrider_event_loop_lag_seconds") for _, page in pages)
    p50, p99 = (statistics.quantiles(times, n=100)[at] for at in (49, 98))
    yield Row(
        f"/readyz p99{where}, 200 probes at 1 s, a scrape a second, {RATE:,} spans a second offered",
        f"{p99 * 1000:.1f} ms (median {p50 * 1000:.1f} ms) at {rate:,.0f} spans a second and {share:.2f} of a core",
        gate="10 ms",
        goal="5 ms",
        met=p99 < 0.010,
    )
    yield Row(
        "worst loop stall meanwhile (outrider_event_loop_lag_seconds)",
        f"{lag * 1000:.1f} ms",
        "",
        "20 ms",
        "",
        lag < 0.020,
    )
