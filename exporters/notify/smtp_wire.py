"""The connection of one mail dialogue: commands out, whole replies in, encrypted in the middle of it."""

import asyncio
import re
import ssl
from typing import cast

from exporters.base import Retryable

MOST = 65_536  #: bytes of a server that wait to be read; no honest reply is as long
LINES = 200  #: of one reply

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class Wire(asyncio.Protocol):
    """One connection. Lines are read by `reply`; whoever sends more than `MOST` bytes ahead is cut off."""

    def __init__(self) -> None:
        self.ended = False
        self._why = "it closed the connection without an answer"
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called once by the loop, before anything comes."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep it until it is read."""
        self._buffer += data
        if len(self._buffer) > MOST:
            self._why = f"it said more than {MOST} bytes at once"
            self.abort()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """What came before can still be read."""
        self.ended = True
        self._news.set()

    @property
    def waiting(self) -> bool:
        """Whether something came that nobody has read."""
        return bool(self._buffer)

    @property
    def own_host(self) -> str:
        """This side's address."""
        assert self._transport is not None  # noqa: S101 - for the reader: a connection is made before it is used
        host: str = self._transport.get_extra_info("sockname")[0]
        return host.partition("%")[0]

    def write(self, text: bytes) -> None:
        """Send; what the other side does not take waits in memory, and is not more than one mail."""
        if self._transport is not None and not self.ended:
            self._transport.write(text)

    async def reply(self) -> tuple[int, list[bytes]]:
        """The next whole reply: its code and what each line says. Raises Retryable where none comes."""
        lines: list[bytes] = []
        while len(lines) < LINES:
            match = _LINE.fullmatch(await self._line())
            if match is None:
                raise Retryable("network", "what it answered is not SMTP")
            lines.append(match[3] or b"")
            if match[2] != b"-":
                return int(match[1]), lines
        raise Retryable("network", f"it answered more than {LINES} lines at once")

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if self.ended:
                raise Retryable("network", self._why)
            self._news.clear()
            await self._news.wait()
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Encrypt from here on. Raises ssl.SSLError, OSError."""
        assert self._transport is not None  # noqa: S101 - as above
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, context, server_hostname=name)
        if transport is None:  # it was closed meanwhile
            raise ConnectionResetError("it closed the connection")
        self._transport = transport

    def abort(self) -> None:
        """Cut it off. Safe twice."""
        if self._transport is not None:
            self._transport.abort()
        self.ended = True
        self._news.set()
