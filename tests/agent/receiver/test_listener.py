"""The receiver on its own socket, opened and closed with the application."""

import asyncio
import contextlib

import aiohttp
import pytest

from agent.receiver import http, listener
from agent.receiver.admission import Budget
from agent.receiver.http import OtlpHttp
from agent.receiver.limits import Limits
from agent.sockets import PortInUse
from config.sections.traces import Receive
from config.types import ListenAddress
from tests.agent.receiver import doubles
from tests.agent.receiver.client import PROTOBUF, head
from tests.agent.spans import request

MIB = 1 << 20


def otlp_http(address, intake=None):
    """The receiver at this address, in front of a relay that keeps what it is given."""
    settings = {"limits": Limits(MIB, MIB), "budget": Budget(MIB), "receive": Receive()}
    return listener.serving(OtlpHttp(intake or doubles.intake(), **settings), address, None)


ONE = head(len(request(1)), "Connection: close") + request(1)


async def exchange(connection, whole=ONE):
    reader, writer = connection
    writer.write(whole)
    answer = await reader.read()
    writer.close()
    return answer


async def test_it_listens_where_it_says():
    """Port 0 becomes the real one; afterwards nobody listens there."""
    intake = doubles.intake()
    async with otlp_http(ListenAddress("127.0.0.1", 0), intake) as address:
        assert (await exchange(await asyncio.open_connection(address.host, address.port))).startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
    assert intake.relay.ledger.received["http"] == 1


async def test_a_unix_socket_is_taken_away_at_the_end(tmp_path):
    """Telemetry may come over a Unix socket, whose file does not stay behind."""
    path, intake = tmp_path / "otlp.sock", doubles.intake()
    async with (
        otlp_http(ListenAddress.parse(f"unix:{path}"), intake),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
    ):
        headers = {"Content-Type": PROTOBUF}
        async with session.post("http://localhost/v1/traces", data=request(3), headers=headers) as answer:
            assert answer.status == 200
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    assert intake.relay.ledger.received["http"] == 3


async def test_a_taken_port_is_one_sentence():
    """The error names the port and the setting."""
    async with otlp_http(ListenAddress("127.0.0.1", 0)) as taken:
        with pytest.raises(PortInUse, match=rf"traces\.receive\.http.*{taken.port}"):
            async with otlp_http(taken):
                pytest.fail("two listeners on one port")


@pytest.mark.parametrize("kind", ["silent", "open head"])
async def test_connections_without_number_keep_nobody_out(monkeypatch, kind):
    """Connections that never say anything whole make room for those that do."""
    monkeypatch.setattr(http, "CONNECTIONS", 8)
    async with otlp_http(ListenAddress("127.0.0.1", 0)) as address, contextlib.AsyncExitStack() as clients:
        for _ in range(20):
            _, writer = await asyncio.open_connection(address.host, address.port)
            clients.callback(writer.close)
            writer.write(b"" if kind == "silent" else b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
        assert (await exchange(await asyncio.open_connection(address.host, address.port))).startswith(b"HTTP/1.1 200")


async def test_a_large_body_is_not_taken_for_a_head():
    """A body may be far larger than any head, in one piece or with the blank line in two."""
    body = request(1, filler=200_000)
    async with otlp_http(ListenAddress("127.0.0.1", 0)) as address:
        whole = head(len(body), "Connection: close") + body
        for cut in (0, whole.index(b"\r\n\r\n") + 1, whole.index(b"\r\n\r\n") + 3):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(whole[:cut])
            await writer.drain()
            await asyncio.sleep(0.02)
            assert (await exchange((reader, writer), whole[cut:])).startswith(b"HTTP/1.1 200")
