"""A listening receiver."""

from contextlib import asynccontextmanager

import aiohttp
import pytest

from agent.receiver.admission import Budget
from agent.receiver.http import OtlpHttp
from agent.receiver.limits import Limits
from agent.receiver.listener import serving
from agent.relay.entry import Signal
from config.sections.traces import Receive
from config.types import ListenAddress
from tests.agent import upstream as scriptable
from tests.agent.receiver import doubles
from tests.agent.receiver.client import Client

MIB = 1 << 20


@asynccontextmanager
async def receiving(
    relay=None, *, max_body=64 * MIB, memory=128 * MIB, body_seconds=30.0, signals=(Signal.TRACES,), **written
):
    """A receiver on a free port, with these keys of `traces.receive`; before a relay that keeps, or the given one."""
    intake = doubles.intake(relay, signals)
    limits, receive = Limits(max_body, memory), Receive(**written)
    receiver = OtlpHttp(intake, limits=limits, budget=Budget(memory), receive=receive, body_seconds=body_seconds)
    async with (
        serving(receiver, ListenAddress("127.0.0.1", 0), receive.tls) as address,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Client(intake.relay, session, address.port, receiver)


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with scriptable.listening() as listening:
        yield listening


@pytest.fixture
async def client():
    """A receiver of everything with a limit of 1 MiB."""
    async with receiving(max_body=MIB, signals=tuple(Signal)) as listening:
        yield listening


@pytest.fixture
def receive():
    """A maker of receivers with settings of their own."""
    return receiving
