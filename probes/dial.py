"""A connected socket, with its phases timed: what every kind that speaks over TCP begins with."""

import asyncio
import socket

from config.net.resolve import resolve
from probes.stopwatch import Stopwatch


async def dial(host: str, port: int, watch: Stopwatch) -> socket.socket:
    """Resolve and connect; the addresses are tried in the resolver's order. The caller closes the socket.

    Raises OSError: socket.gaierror, or what the last address said.
    """
    watch.enter("resolve")
    addresses = await resolve(host, port)
    watch.enter("connect")
    refused: OSError = socket.gaierror(socket.EAI_NODATA, "the name has no address")
    for address in addresses:
        try:
            return await _connect(socket.socket(address.family, socket.SOCK_STREAM), (address.host, address.port))
        except OSError as error:
            refused = error
    raise refused


async def dial_unix(path: str, watch: Stopwatch) -> socket.socket:
    """Connect to a Unix socket. The caller closes it. Raises OSError."""
    watch.enter("connect")
    return await _connect(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


async def _connect(sock: socket.socket, where: tuple[str, int] | str) -> socket.socket:
    connected = False
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, where)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = True
        return sock
    finally:
        if not connected:
            sock.close()
