"""The whole agent as a process: how fast it starts, what it weighs, and what it costs while nothing happens."""

import statistics
import time

from agent.demo.servers import Postgres, ServerError, Valkey
from bench.installed import sample
from bench.rows import MIB, Row
from tests.running import agent

STARTS = 7
SETTLE, IDLE = 8.0, 20.0  # seconds
MEMORY = ("type: memory", "type: memory, of: self")
TRACES = "traces: {receive: {http: '127.0.0.1:OTLP_PORT'}, forward: {gateway: {endpoint: 'http://127.0.0.1:9'}}}\n"


def twenty(kinds):
    """Twenty probes at 10 s over these kinds."""
    lines = [f"  p{number}: {{{kinds[number % len(kinds)]}, interval: 10s}}" for number in range(20)]
    return "probes:\n" + "\n".join(lines) + "\n"


def start():
    """From the start of the process to the first 200 of /livez, and to an answer at the OTLP port (405 to a GET).

    Each in starts of its own, asked every 2 ms.
    """
    for what, body, ready in (
        ("start to /livez, one probe", "", lambda running: running.until("/livez")),
        ("start to OTLP accepting", TRACES, lambda running: running.until("/v1/traces", 405, port=running.otlp)),
    ):
        times = []
        for _ in range(STARTS):
            with agent("probes: {memory: {type: memory}}\n" + body) as running:
                times.append(ready(running))
        median = statistics.median(times)
        yield Row(what, f"{median * 1000:.0f} ms", gate="500 ms", goal="300 ms", met=median < 0.5)


def _rest(body):
    """RSS in MiB when it has settled and was scraped, and the share of a core while it idles."""
    with agent(body) as running:
        running.until("/readyz")
        assert sample(running.get("/metrics")[1].decode(), "outrider_ready") == 1
        time.sleep(SETTLE)
        before, at = running.cpu, time.perf_counter()
        time.sleep(IDLE)
        share = (running.cpu - before) / (time.perf_counter() - at)
        running.get("/metrics")
        return running.rss / MIB, share


def weigh():
    """RSS (the kernel's VmRSS) with twenty probes, all of them passing, after half a minute and two scrapes.

    With PostgreSQL, Redis (five of each) and OTLP/HTTP; and slim, with memory probes alone. Idle CPU is of the first.
    """
    full = "RSS: PostgreSQL, Redis, OTLP/HTTP, 20 probes"
    try:
        with Postgres(max_connections=50) as postgres, Valkey() as valkey:
            kinds = (f"type: postgres, dsn: '{postgres.dsn}'", f"type: redis, url: '{valkey.url}'", *MEMORY)
            rss, share = _rest(twenty(kinds) + TRACES)
    except ServerError as error:
        yield Row(full, f"not measured: {error}", gate="72 MiB", goal="64 MiB")
    else:
        yield Row(full, f"{rss:.1f} MiB", gate="72 MiB", goal="64 MiB", met=rss < 72)
        yield Row("idle CPU, those 20 probes at 10 s", f"{share:.2%} of a core", "", "1 %", "0.5 %", share < 0.01)
    rss, _ = _rest(twenty(MEMORY))
    yield Row("RSS slim: no drivers, no OTLP", f"{rss:.1f} MiB", gate="50 MiB", goal="45 MiB", met=rss < 50)


def rows():
    """All of this file."""
    yield from start()
    yield from weigh()
