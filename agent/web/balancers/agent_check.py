"""HAProxy's agent-check: whoever connects gets one line, the state and the weight of this replica, and the end.

HAProxy keeps the last word of each kind until another takes it back: `ready` ends `drain`, `up` ends `down`. So every
line of a replica that may get traffic says both. A line that never comes changes nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import cast

from agent.connections import Limits
from agent.sockets import BACKLOG, bind, release
from agent.sparing import SparingLog
from agent.web.desk import Desk
from config.types import ListenAddress

SETTING = "listen.agent_check"  #: the key of the file that has the address
CONNECTIONS = 64  #: each balancer process holds one, for a moment
LINGER_SECONDS = 1.0  #: for the client to read its line and go


def line(desk: Desk) -> str:
    """The answer now. No reason: whoever reaches the port may read it."""
    verdict = desk.verdict(frozenset())
    if verdict.draining:
        return "drain\n"
    if not verdict.ready:
        return "down #unready\n"  # without the blank HAProxy would take it for an unknown word
    return f"ready up {100 if verdict.unjudged else desk.weight()}%\n"


@contextlib.asynccontextmanager
async def agent_check(desk: Desk, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    """Answer at `address`; yields where it really listens: its port is never 0. Raises CannotListen."""
    clients = _Clients(desk, Limits(CONNECTIONS, share=1 / 16, quiet=LINGER_SECONDS).connections)
    sock = bind(SETTING, address)
    try:
        loop = asyncio.get_running_loop()
        # No more than this is accepted at once: those who wait in the kernel's queue cost no file.
        backlog = min(BACKLOG, clients.most)
        server = await loop.create_server(lambda: _Client(clients), sock=sock, backlog=backlog)
        try:
            sock.listen(BACKLOG)
            yield address if address.path else ListenAddress(address.host, sock.getsockname()[1])
        finally:
            server.close()
            for client in list(clients.open):
                client.end()
            await server.wait_closed()
    finally:
        release(sock, address)


class _Clients:
    """Who is connected, and what they are told."""

    def __init__(self, desk: Desk, most: int) -> None:
        self.most = most
        self.open: dict[_Client, None] = {}  # oldest first
        self._desk = desk
        self._log = SparingLog(logging.getLogger(__name__))

    def enter(self, client: "_Client") -> None:
        """One more; when that is one too many, the oldest goes."""
        self.open[client] = None
        if len(self.open) > self.most:
            next(iter(self.open)).end()

    def answer(self) -> str:
        """The line; none after a fault of ours, which must move no balancer: silence moves nothing."""
        try:
            return line(self._desk)
        except Exception as error:  # noqa: BLE001 - whatever it is
            now = asyncio.get_running_loop().time()
            self._log.write(logging.ERROR, "answer", f"{SETTING}: no verdict to tell", now, error)
            return ""


class _Client(asyncio.Protocol):
    """One client: it is answered at once, and what it says is thrown away."""

    def __init__(self, clients: _Clients) -> None:
        self._clients = clients
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it, and wait a moment for the client to go: closing over what it sent would take the line back."""
        self._transport = stream = cast("asyncio.Transport", transport)
        self._clients.enter(self)
        stream.write(self._clients.answer().encode())
        stream.write_eof()
        self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.end)

    def connection_lost(self, exc: Exception | None) -> None:
        """It went, or was sent away."""
        self._clients.open.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def end(self) -> None:
        """Close now, whatever is on its way."""
        self._clients.open.pop(self, None)
        if self._transport is not None:
            self._transport.abort()
