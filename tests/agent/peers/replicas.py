"""Real replicas, as far as their peers see them: a public listener with `/peerz`, and what it tells."""

import contextlib
import dataclasses
import time
from dataclasses import dataclass, field

from agent.peers.way import Hearing, Outcome
from agent.peers.wire import document
from agent.readiness.fleet import Attempted, Fleet
from agent.tokens import Tokens
from agent.web import listeners
from config.types import ListenAddress, Secret
from tests.agent.web.conftest import World

SHARED = {"db": 2.0}  # the shared probe of all of them, and its timeout


@dataclass
class Replica:
    """What one replica tells, and how often it was asked."""

    identity: str
    wants_out: bool = False
    attempts: list = field(default_factory=lambda: [Attempted(time.monotonic() - 1.0, True)])
    tokens: Tokens = field(default_factory=Tokens)
    asked: int = 0
    port: int = 0

    @property
    def url(self):
        """Its public listener."""
        return f"http://127.0.0.1:{self.port}"

    def own(self):
        """The document of `/peerz`."""
        self.asked += 1
        return document(self.identity, self.wants_out, {"db": self.attempts}, time.monotonic())


@contextlib.asynccontextmanager
async def listening(replica, host="127.0.0.1", port=0):
    """The replica's real public listener."""
    desk = dataclasses.replace(World().desk(), peerz=replica.own, peer_tokens=lambda: replica.tokens)
    async with listeners.public(desk, ListenAddress(host, port)) as bound:
        replica.port = bound.port
        yield replica


def hearing(identity="me", refresh=2.0, shared=SHARED):
    """A fleet that is asked about, from the eyes of the replica with this identity."""
    return Hearing(Fleet(identity, refresh), lambda: shared, time.monotonic)


def heard(hear):
    """Who was heard, sorted."""
    return sorted(view.identity for view in hear.fleet.fresh(time.monotonic()))


def counts(hear):
    """Outcomes that were counted at all."""
    return {str(outcome): count for outcome, count in hear.counts.items() if count}


def secret(text):
    """A token."""
    return Tokens(Secret(text))


__all__ = ["Outcome", "Replica", "counts", "heard", "hearing", "listening", "secret"]
