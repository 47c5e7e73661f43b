"""What is measured between the senders and the upstream: our agent in its variants, rotel, and the collector.

Each runs on one core, the senders and the upstream on another (where there are two): `measured` is around it all.
"""

import contextlib
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent.demo.servers import Rotel, ServerError, free_port
from bench.installed import Process, sample
from bench.otelcol import Collector
from bench.spans import HOST, pinned
from tests.running import Agent, agent

ROTEL, OTELCOL, SPANMETRICS = "rotel", "otelcol", "otelcol + spanmetrics"
PEERS = (ROTEL, OTELCOL, SPANMETRICS)


@dataclass(frozen=True)
class Subject:
    """A running relay: `process` tells its CPU and memory; `agent` where it is ours, `grpc` where it listens there."""

    process: Any
    port: int
    agent: Agent | None = None
    grpc: int = 0


class PlainRotel(Rotel):
    """Rotel without a line for each batch, and without compression: Outrider does not compress on loopback either."""

    def _command(self):
        command = super()._command()
        return [*command[: command.index("--debug-log")], "--otlp-exporter-compression", "none"]


@contextmanager
def outrider(upstream, durability="memory", *, metrics=True, grpc=False, queue=""):
    """A whole agent that forwards to this port. `queue`: what stands in `traces.queue`."""
    port = free_port()
    receive = "http: '127.0.0.1:OTLP_PORT'" + (f", grpc: '{HOST}:{port}'" if grpc else "")
    with contextlib.ExitStack() as stack:
        state = ""
        if durability != "memory":
            state = f"state_dir: {stack.enter_context(tempfile.TemporaryDirectory())}\n"
        body = (
            "probes: {memory: {type: memory}}\n"
            f"{state}traces:\n"
            f"  receive: {{{receive}}}\n"
            f"  forward: {{gateway: {{endpoint: 'http://{HOST}:{upstream}'}}}}\n"
            f"  durability: {durability}\n"
            f"  queue: {{{queue}}}\n"
            f"  metrics: {{enabled: {str(metrics).lower()}}}\n"
        )
        with pinned(-1):
            running = stack.enter_context(agent(body))
        running.until("/v1/traces", 405, port=running.otlp)
        yield Subject(running, running.otlp, running, port if grpc else 0)


@contextmanager
def peer(name, upstream):
    """One of PEERS that forwards to this port. Raises ServerError where it cannot be had."""
    server = (
        PlainRotel(forward_to=f"http://{HOST}:{upstream}")
        if name == ROTEL
        else Collector(upstream, spanmetrics=name == SPANMETRICS)
    )
    with pinned(-1), server:
        yield Subject(Process(server.pid), server.port)


@contextmanager
def measured():
    """The senders and the upstream, which are this thread, on the first core."""
    with pinned(0):
        yield


def balanced(running):
    """Raise unless every span that was taken has been delivered; returns how many."""
    page = running.get("/metrics")[1].decode()
    words = {word: sample(page, f"outrider_otlp_{word}_spans_total") for word in ("received", "delivered", "dropped")}
    if words["received"] != words["delivered"] or not words["received"] or words["dropped"]:
        raise RuntimeError(", ".join(f"{word} {number:.0f} spans" for word, number in words.items()))
    return int(words["received"])


__all__ = ["PEERS", "ServerError", "Subject", "balanced", "measured", "outrider", "peer"]
