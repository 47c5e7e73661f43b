"""The agent's event loop closes each descriptor once."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import threading
import time

import pytest
import uvloop

from agent.cli.loop import Loop

ROUNDS = 30
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Eager(asyncio.Protocol):
    """Writes as soon as it is connected, as asyncpg and every TLS client do."""

    def connection_made(self, transport):
        transport.write(b"hello")


@pytest.fixture
def resetting():
    """A server that resets every connection at once; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def reset(sock):
    """Wait until the reset has arrived."""
    deadline = time.monotonic() + 60
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01":  # TCP_ESTABLISHED
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def connected(address):
    """A socket as the agent dials it."""
    sock = socket.create_connection(address)
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_connection_that_is_reset_at_once_leaves_no_number_behind(resetting, tls):
    """Whoever gets the number of a closed descriptor next keeps it: no forgotten object closes it again."""

    async def left_behind():
        options = {"ssl": ssl.create_default_context(), "server_hostname": "x"} if tls else {}
        numbers = []
        for _ in range(ROUNDS):
            sock = connected(resetting)
            reset(sock)
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().create_connection(Eager, sock=sock, **options)
            numbers.append(sock.detach())
        return numbers

    assert uvloop.run(left_behind(), loop_factory=Loop) == [-1] * ROUNDS


def test_a_connection_that_stands_is_closed_with_its_transport():
    """The loop closes what it took over: no descriptor is left open."""

    async def play():
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        sock = connected(server.sockets[0].getsockname())
        number = sock.fileno()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=sock)
        os.fstat(number)
        transport.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(OSError):
            os.fstat(number)
        server.close()

    uvloop.run(play(), loop_factory=Loop)
