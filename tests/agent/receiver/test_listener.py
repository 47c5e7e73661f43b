"""The receiver on its own socket, opened and closed with the application."""

import asyncio

import pytest

from agent.receiver.listener import otlp_http
from agent.relay.relay import Relay
from agent.sockets import PortInUse
from config.types import ListenAddress
from tests.agent.receiver.client import head
from tests.agent.spans import request


async def exchange(connection):
    reader, writer = connection
    body = request(1)
    writer.write(head(len(body), "Connection: close") + body)
    answer = await reader.read()
    writer.close()
    return answer


async def test_it_listens_where_it_says():
    """Port 0 becomes the real one; afterwards nobody listens there."""
    relay = Relay({})
    async with otlp_http(relay, ListenAddress("127.0.0.1", 0)) as address:
        assert (await exchange(await asyncio.open_connection(address.host, address.port))).startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
    assert relay.ledger.received["http"] == 1


async def test_a_unix_socket_is_taken_away_at_the_end(tmp_path):
    """Spans may come over a Unix socket, whose file does not stay behind."""
    path = tmp_path / "otlp.sock"
    async with otlp_http(Relay({}), ListenAddress.parse(f"unix:{path}")):
        assert (await exchange(await asyncio.open_unix_connection(path))).startswith(b"HTTP/1.1 200")
    assert not path.exists()


async def test_a_taken_port_is_one_sentence():
    """The error names the port and the setting."""
    async with otlp_http(Relay({}), ListenAddress("127.0.0.1", 0)) as taken:
        with pytest.raises(PortInUse, match=rf"traces\.receive\.http.*{taken.port}"):
            async with otlp_http(Relay({}), taken):
                pytest.fail("two listeners on one port")
