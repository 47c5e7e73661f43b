"""`family` says which addresses of a name may be used."""

import asyncio
import socket

import pytest

from config.types import Url
from probes.base import ProbeContext
from probes.dial import dial
from probes.http.options import HttpOptions
from probes.http.probe import HttpProbe
from probes.stopwatch import Stopwatch


@pytest.fixture
async def port():
    """A server on 127.0.0.1 alone that answers HTTP."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("family", "reached"), [(socket.AF_INET, True), (socket.AF_INET6, False), (0, True)])
async def test_dialing_keeps_to_the_family(port, family, reached):
    """IPv6 alone never reaches a server that has only an IPv4 address; any finds the one that answers."""
    try:
        sock = await dial("localhost", port, Stopwatch(asyncio.get_running_loop().time), family)
    except OSError:
        assert not reached
    else:
        sock.close()
        assert reached


@pytest.mark.parametrize(("family", "outcome"), [(socket.AF_INET, 200), (socket.AF_INET6, None)])
async def test_http_keeps_to_the_family(port, family, outcome):
    """The same through a whole probe."""
    from agent.health.judge import Judge
    from agent.scheduler.attempt import Runner

    options = HttpOptions(url=Url(f"http://localhost:{port}/"))
    probe = HttpProbe(options, ProbeContext("app", family=family))
    seen = await Runner(probe, "http", Judge(), 3.0, lambda *_: False).run(fresh=True)
    status = {reading.name: reading.value for reading in seen.measurement.readings}.get("status")
    assert status == outcome
