"""The receiver on its own socket, opened and closed with the application."""

import asyncio
import contextlib

import pytest

from agent.receiver import http
from agent.receiver.listener import otlp_http
from agent.relay.relay import Relay
from agent.sockets import PortInUse
from config.types import ListenAddress, Url
from exporters.otlp.http import OtlpHttpOptions, OtlpHttpSender
from tests.agent.receiver.client import head
from tests.agent.spans import request

UPSTREAM = "http://127.0.0.1:9"  # nobody delivers here: what is taken stays queued


def owing():
    """A relay with one destination, whose worker does not run."""
    return Relay({"gateway": OtlpHttpSender(OtlpHttpOptions(endpoint=Url(UPSTREAM)))})


ONE = head(len(request(1)), "Connection: close") + request(1)


async def exchange(connection, whole=ONE):
    reader, writer = connection
    writer.write(whole)
    answer = await reader.read()
    writer.close()
    return answer


async def test_it_listens_where_it_says():
    """Port 0 becomes the real one; afterwards nobody listens there."""
    relay = owing()
    async with otlp_http(relay, ListenAddress("127.0.0.1", 0)) as address:
        assert (await exchange(await asyncio.open_connection(address.host, address.port))).startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
    assert relay.ledger.received["http"] == 1


async def test_a_unix_socket_is_taken_away_at_the_end(tmp_path):
    """Spans may come over a Unix socket, whose file does not stay behind."""
    path = tmp_path / "otlp.sock"
    async with otlp_http(owing(), ListenAddress.parse(f"unix:{path}")):
        assert (await exchange(await asyncio.open_unix_connection(path))).startswith(b"HTTP/1.1 200")
    assert not path.exists()


async def test_a_taken_port_is_one_sentence():
    """The error names the port and the setting."""
    async with otlp_http(owing(), ListenAddress("127.0.0.1", 0)) as taken:
        with pytest.raises(PortInUse, match=rf"traces\.receive\.http.*{taken.port}"):
            async with otlp_http(owing(), taken):
                pytest.fail("two listeners on one port")


@pytest.mark.parametrize("kind", ["silent", "open head"])
async def test_connections_without_number_keep_nobody_out(monkeypatch, kind):
    """Connections that never say anything whole make room for those that do."""
    monkeypatch.setattr(http, "CONNECTIONS", 8)
    async with otlp_http(owing(), ListenAddress("127.0.0.1", 0)) as address, contextlib.AsyncExitStack() as clients:
        for _ in range(20):
            _, writer = await asyncio.open_connection(address.host, address.port)
            clients.callback(writer.close)
            writer.write(b"" if kind == "silent" else b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
        assert (await exchange(await asyncio.open_connection(address.host, address.port))).startswith(b"HTTP/1.1 200")


async def test_a_large_body_is_not_taken_for_a_head():
    """A body may be far larger than any head, in one piece or with the blank line in two."""
    body = request(1, filler=200_000)
    async with otlp_http(owing(), ListenAddress("127.0.0.1", 0)) as address:
        whole = head(len(body), "Connection: close") + body
        for cut in (0, whole.index(b"\r\n\r\n") + 1, whole.index(b"\r\n\r\n") + 3):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(whole[:cut])
            await writer.drain()
            await asyncio.sleep(0.02)
            assert (await exchange((reader, writer), whole[cut:])).startswith(b"HTTP/1.1 200")
