"""Replicas that leave word in a real Valkey and read what others left."""

import contextlib
import random
import time

from agent.peers.redis import RedisWay
from agent.peers.wire import document
from config.types import Url
from probes.redis.connection import Connection
from probes.redis.options import RedisOptions
from probes.stopwatch import Stopwatch
from tests.agent.peers.replicas import heard, hearing

INDEX = "outrider:{shop}:peers"


def key(identity):
    """Where this replica leaves word."""
    return f"outrider:{{shop}}:peer:{identity}"


async def connect(url):
    """A connection to the server at this URL."""
    place = RedisOptions(url=Url.parse(url)).place()
    return await Connection.open(place, None, "", "test", Stopwatch(time.monotonic))


class Sight:
    """One replica that leaves word and reads: its way, and what it heard."""

    def __init__(self, url, identity="me", refresh=2.0, attempts=(), wants_out=False):
        self.hear = hearing(identity, refresh)
        self.attempts, self.wants_out, self.identity = attempts, wants_out, identity
        self.way = RedisWay(Url.parse(url), "shop", identity, refresh, self.own, chance=random.Random(identity))

    def own(self):
        """Its document."""
        return document(self.identity, self.wants_out, {"db": self.attempts}, time.monotonic())

    async def look(self):
        """One round; whom it has heard so far."""
        await self.way.look(self.hear)
        return heard(self.hear)


@contextlib.asynccontextmanager
async def sights(url, *identities, **options):
    """Replicas over one Redis; all say goodbye."""
    found = [Sight(url, identity, **options) for identity in identities]
    try:
        yield found
    finally:
        for each in found:
            await each.way.aclose()
