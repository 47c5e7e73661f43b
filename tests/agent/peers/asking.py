"""The way `urls`, as a replica that asks, and a server that gives one answer."""

import contextlib
import random
import time

from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.peers.http import Asker, HttpWay
from agent.peers.urls import Listed
from agent.tokens import Tokens
from config.types import Url
from tests.agent.peers.replicas import counts, hearing


@contextlib.asynccontextmanager
async def way(*urls, tokens=None, seconds=2.0, identity="me", clock=time.monotonic):
    """The way `urls` of the replica `identity`; nothing is left open."""
    asker = Asker(tokens or Tokens(), seconds, clock)
    found = HttpWay(identity, Listed([Url.parse(url) for url in urls]), asker, clock=clock, chance=random.Random(1))
    try:
        yield found
    finally:
        await found.aclose()
        await found.aclose()


@contextlib.asynccontextmanager
async def answering(status=200, body=b"", **headers):
    """A server that gives one answer to everything; gives its URL."""

    async def answer(request):
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


async def outcome(url, **options):
    """What becomes of one look at this URL, and what is said of it."""
    hear = hearing()
    async with way(url, **options) as asking:
        await asking.look(hear)
    return counts(hear), hear.trouble
