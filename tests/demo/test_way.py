"""The way of one replica to the database, as its own process before a real server."""

import asyncio
import socket

import pytest

from agent.demo.children import Way
from agent.demo.servers import Valkey


@pytest.fixture
def target():
    """A server that can be reached directly as well."""
    with Valkey() as target:
        yield target


@pytest.fixture
def way(target):
    """The way to it."""
    with Way(to=target) as way:
        yield way


def _connect(port):
    return socket.create_connection(("127.0.0.1", port), 30)


def _pong(connection):
    connection.sendall(b"PING\r\n")
    return connection.recv(64) == b"+PONG\r\n"


def _found(port):
    try:
        _connect(port).close()
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:  # in the moment in which it closes
        return "reset"
    return "open"


async def _until(true):
    """Until it is; the test's timeout is the deadline."""
    while not true():
        await asyncio.sleep(0.02)


def test_it_carries_both_ways(way, target):
    """What is sent by it arrives whole, on one of several connections as on another."""
    assert way.url == target.url.replace(str(target.port), str(way.port))
    with _connect(way.port) as one, _connect(way.port) as other:
        one.sendall(b"SET big %b\r\n" % (b"x" * 60_000))
        assert one.recv(64) == b"+OK\r\n"
        other.sendall(b"GET big\r\n")
        got = b""
        while len(got) < 60_000:
            got += other.recv(65536)
        assert got.count(b"x") == 60_000


def test_to_cut_it_ends_what_it_carried_and_refuses_what_is_new(way, target):
    """The fault is private: the target answers everybody else, and by the way again once it is mended."""
    with _connect(way.port) as connection:
        assert _pong(connection)
        way.stop()
        assert connection.recv(64) == b""
    assert _found(way.port) == "refused"
    with _connect(target.port) as direct:
        assert _pong(direct)
    way.start()
    with _connect(way.port) as connection:
        assert _pong(connection)


async def test_it_refuses_while_its_target_refuses(way, target):
    """A target that is away looks by the way as it looks directly, and is back when it is back."""
    with _connect(way.port) as connection:
        assert _pong(connection)
        target.stop()
        assert connection.recv(64) == b""
    await _until(lambda: _found(way.port) == "refused")
    target.start()
    await _until(lambda: _found(way.port) == "open")
    with _connect(way.port) as connection:
        assert _pong(connection)


def test_an_end_is_passed_on(way, target):
    """A client that leaves leaves the target too: no connection is kept for nobody."""
    with _connect(way.port) as connection:
        assert _pong(connection)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(64) == b""
