import asyncio
import contextlib
import logging
import socket

import psutil
import pytest

from agent.readiness.policy import unjudged
from agent.sockets import PortInUse
from agent.web.balancers import agent_check as room
from agent.web.balancers.agent_check import CONNECTIONS, agent_check, line
from config.types.address import ListenAddress
from tests.agent.web.conftest import ask, dial

LOOPBACK = ListenAddress("127.0.0.1", 0)


@pytest.fixture
def desk(world):
    """A desk whose weight the world says."""
    desk = world.desk()
    object.__setattr__(desk, "weight", lambda: world.answers.get("weight", 100))
    return desk


@pytest.fixture
async def port(desk):
    """Where the listener is."""
    async with agent_check(desk, LOOPBACK) as listener:
        yield listener.port


def test_the_line_is_the_verdict(world, desk):
    """Ready says up with the weight, degraded too; unready down without a reason; draining drain."""
    world.up("app")
    assert line(desk) == "ready up 100%\n"
    world.answers["weight"] = 37
    world.degraded("cache")
    assert line(desk) == "ready up 37%\n"
    world.down("app")
    assert line(desk) == "down #unready\n"
    world.lifecycle.drain()
    assert line(desk) == "drain\n"


def test_unjudged_gets_its_whole_share(world, desk):
    """Without a valid configuration the replica stays in at its full weight."""
    world.answers["weight"] = 10
    world.verdict = lambda _: unjudged(draining=False)
    assert line(desk) == "ready up 100%\n"


async def test_answers_at_once_and_ends(world, port, monkeypatch):
    """One line to whoever connects, then the end, without a word from the client."""
    world.up("app")
    monkeypatch.setattr(room, "LINGER_SECONDS", 3600.0)
    async with asyncio.timeout(60):
        assert await ask(port, b"") == b"ready up 100%\n"


async def test_what_the_client_sends_is_thrown_away(world, port):
    """A client may send before it reads (`agent-send`): the line arrives whole all the same."""
    world.up("app")
    assert await ask(port, b"x" * 1_000_000) == b"ready up 100%\n"


async def test_every_connection_gets_the_state_of_that_moment(world, port):
    """No answer is an old one."""
    world.up("app")
    assert await ask(port, b"") == b"ready up 100%\n"
    world.down("app")
    assert await ask(port, b"") == b"down #unready\n"


def connected(port):
    """How many clients the listener holds."""
    return sum(one.laddr.port == port and bool(one.raddr) for one in psutil.Process().net_connections())


async def test_a_client_that_never_goes(world, port, monkeypatch):
    """One that neither reads nor closes is sent away after a moment."""
    monkeypatch.setattr(room, "LINGER_SECONDS", 0.05)
    world.up("app")
    async with dial(port), asyncio.timeout(60):
        while not connected(port):
            await asyncio.sleep(0.001)
        while connected(port):
            await asyncio.sleep(0.01)


async def test_many_clients_that_never_go(world, port, monkeypatch):
    """More than there is room for send the oldest away, and the next balancer is answered at once."""
    monkeypatch.setattr(room, "LINGER_SECONDS", 60.0)
    world.up("app")
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(60):
        for _ in range(CONNECTIONS + 20):
            await stack.enter_async_context(dial(port))
        assert await ask(port, b"") == b"ready up 100%\n"
        assert connected(port) <= CONNECTIONS


async def test_a_fault_of_ours_moves_no_balancer(world, port, caplog):
    """Where there is no verdict to tell, nothing is said, and the log says why once."""

    def broken(_):
        raise RuntimeError("boom")

    world.verdict = broken
    with contextlib.suppress(ConnectionError):
        assert await ask(port, b"") == b""
    with contextlib.suppress(ConnectionError):
        assert await ask(port, b"") == b""
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "listen.agent_check: no verdict to tell" in caplog.text


async def test_a_port_that_is_taken(desk):
    """The error names the key of the file."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortInUse, match=r"^listen\.agent_check: "):
        async with agent_check(desk, ListenAddress("127.0.0.1", taken.getsockname()[1])):
            pass


async def test_leaves_nothing_behind(world, desk, tmp_path, monkeypatch):
    """At the end those who stayed are sent away, nobody can connect, and a Unix socket is gone."""
    world.up("app")
    monkeypatch.setattr(room, "LINGER_SECONDS", 3600.0)
    path = tmp_path / "check.sock"
    async with agent_check(desk, ListenAddress("", 0, str(path))):
        reader, writer = await asyncio.open_unix_connection(str(path))
        assert await reader.readline() == b"ready up 100%\n"
        writer.close()
    assert not path.exists()
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(60):
        async with agent_check(desk, LOOPBACK) as listener:
            reader, _ = await stack.enter_async_context(dial(listener.port))
            assert await reader.readline() == b"ready up 100%\n"
        while connected(listener.port):
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionError):
            await ask(listener.port, b"")
