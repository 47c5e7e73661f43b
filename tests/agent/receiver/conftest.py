"""A listening receiver."""

from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from agent.receiver.http import server
from tests.agent import upstream as scriptable
from tests.agent.pipeline import relaying
from tests.agent.receiver.client import Client


@asynccontextmanager
async def receiving(relay, **limits):
    """The receiver of this relay on a free port."""
    runner = web.ServerRunner(server(relay, **limits), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Client(relay, session, runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with scriptable.listening() as listening:
        yield listening


@pytest.fixture
async def client(upstream):
    """A receiver with a limit of 1 MiB in front of the upstream."""
    async with relaying(upstream.url) as relay, receiving(relay, max_body=1 << 20) as listening:
        yield listening


@pytest.fixture
def receive():
    """A maker of receivers with limits of their own."""
    return receiving
