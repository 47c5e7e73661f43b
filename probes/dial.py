"""A connected socket, with its phases timed: what every kind that speaks over TCP begins with."""

import asyncio
import socket

from aiohappyeyeballs import start_connection

from config.net.resolve import resolve
from probes.stopwatch import Stopwatch

STAGGER = 0.25  #: seconds a silent address gets before the next one is tried beside it (RFC 8305)


async def dial(host: str, port: int, watch: Stopwatch, family: int = 0) -> socket.socket:
    """Resolve and connect to the first address that answers. The caller closes the socket.

    Raises OSError: socket.gaierror, or what the addresses said.
    """
    watch.enter("resolve")
    addresses = await resolve(host, port, family)
    if not addresses:
        raise socket.gaierror(socket.EAI_NODATA, "the name has no address")
    watch.enter("connect")
    places = [(a.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (a.host, a.port)) for a in addresses]
    sock = await start_connection(places, happy_eyeballs_delay=STAGGER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def dial_unix(path: str, watch: Stopwatch) -> socket.socket:
    """Connect to a Unix socket. The caller closes it. Raises OSError."""
    watch.enter("connect")
    sock, connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), False
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, path)
        connected = True
        return sock
    finally:
        if not connected:
            sock.close()
