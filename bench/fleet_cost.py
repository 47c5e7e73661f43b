"""What it costs an agent to know twelve others: CPU while nothing happens, and memory."""

import time
from contextlib import ExitStack, contextmanager

from agent.demo.servers import Postgres, Valkey
from bench.agent import MEMORY, TRACES
from bench.fleet_peers import PEERS, SHARED, ports, replicas, urls
from bench.installed import sample
from bench.rows import MIB, Row
from tests.running import agent

SETTLE, IDLE = 10.0, 30.0  # seconds
WAYS = ("http", "redis")


def twenty(kinds):
    """Twenty probes at 10 s over these kinds, half of them shared."""
    lines = (
        f"  p{number}: {{{kinds[number % len(kinds)]}, interval: 10s, shared: {str(number < SHARED).lower()}}}"
        for number in range(20)
    )
    return "probes:\n" + "\n".join(lines) + "\n"


@contextmanager
def among(way, body, valkey):
    """An agent with this body that knows twelve others by that way; "" is an agent alone."""
    with ExitStack() as stack:
        if not way:
            yield stack.enter_context(agent(body))
            return
        others = ports()
        peers = urls(others) if way == "http" else f"peers: {{redis: '{valkey.url}'}}"
        running = stack.enter_context(agent(body, readiness=peers))
        back = urls([*others, running.public]) if way == "http" else peers
        stack.enter_context(replicas(others, back))
        running.wait(lambda: _known(running) == PEERS, "a view of every peer")
        yield running


def _known(running):
    return sample(running.get("/metrics")[1].decode(), "outrider_peers_fresh")


def measure(way, body, valkey, idle):
    """Share of a core while it idles, and RSS in MiB after that and two scrapes."""
    with among(way, body, valkey) as running:
        running.until("/readyz")
        running.get("/metrics")
        time.sleep(SETTLE)
        before, at = running.cpu, time.perf_counter()
        time.sleep(idle)
        share = (running.cpu - before) / (time.perf_counter() - at)
        running.get("/metrics")
        return share, running.rss / MIB


def rows(*, ways=WAYS, idle=IDLE):
    """The kernel's CPU time and VmRSS of an agent that asks twelve real ones every 2 s, and is asked by them.

    Beside it the same file without peers. Ten of the twenty probes are shared, so a view tells of ten. Full:
    PostgreSQL, Redis and OTLP/HTTP; slim: memory probes alone.
    """
    with Postgres(max_connections=50) as postgres, Valkey() as watched, Valkey() as valkey:
        kinds = (f"type: postgres, dsn: '{postgres.dsn}'", f"type: redis, url: '{watched.url}'", *MEMORY)
        for what, body, limit in (("full", twenty(kinds) + TRACES, 72), ("slim", twenty(MEMORY), 50)):
            alone, base = measure("", body, valkey, idle)
            for way in ways:
                share, rss = measure(way, body, valkey, idle)
                yield Row(
                    f"{PEERS} peers over {way} every 2 s, {what}",
                    f"{share:.2%} of a core, {rss:.1f} MiB",
                    f"without peers {alone:.2%}, {base:.1f} MiB",
                    f"1 %, {limit} MiB",
                    met=share < 0.01 and rss < limit,
                )
