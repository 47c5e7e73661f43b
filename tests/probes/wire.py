"""A server that plays a script: whatever a real one could do wrong, byte by byte, on 127.0.0.1."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Script = Callable[["Peer"], Awaitable[None]]


@dataclass
class Attempt:
    """An attempt as the framework makes one."""

    number: int = 1
    fresh: bool = True
    timeout: float = 5.0
    readings: bool = True
    traceparent: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.started + self.timeout - time.monotonic())


@dataclass
class Peer:
    """One connection, seen from the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]

    async def request(self) -> bytes:
        """The whole request, body included."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        whole = head + await self.reader.readexactly(length)
        self.requests.append(whole)
        return whole

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    def reset(self) -> None:
        """Close so that the other side gets a reset."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang(self) -> None:
        """Say nothing more until the other side goes away."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()


@dataclass
class Stub:
    """A running server: its port, and the requests that came, whole."""

    port: int
    requests: list[bytes]
    connections: int = 0

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def serve(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Stub]:
    """Play `script` on every connection; at the end all connections are gone."""
    stub = Stub(0, [])
    tasks: set[asyncio.Task] = set()

    async def connected(reader, writer):
        stub.connections += 1
        tasks.add(asyncio.current_task())
        try:
            await script(Peer(reader, writer, stub.requests))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort() if writer.get_extra_info("ssl_object") else writer.close()

    server = await asyncio.start_server(lambda r, w: _started(connected(r, w), tasks), "127.0.0.1", 0, ssl=tls)
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _started(work, tasks):
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def answering(
    status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None, *, lines: bytes = b""
) -> Script:
    """A well-behaved server with one answer. `lines`: further header lines, raw."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        head = f"HTTP/1.1 {status} Whatever\r\n".encode() + lines
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            head += f"{name}: {value}\r\n".encode()
        await peer.send(head + b"\r\n" + (b"" if request.startswith(b"HEAD") else body))

    return script


def saying(*parts: bytes, then: str = "close", pause: float = 0.0) -> Script:
    """Wait for the request, send these bytes (with pauses, so that each arrives alone), then close, hang or reset."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
            await asyncio.sleep(pause)
        if then == "hang":
            await peer.hang()
        elif then == "reset":
            await asyncio.sleep(0.05)  # so that what was sent arrives before the reset overtakes it
            peer.reset()

    return script


def dripping(head: bytes, drop: bytes = b"x", pause: float = 0.02) -> Script:
    """A slow-loris server: a byte now and then, for ever."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head)
        while True:
            await peer.send(drop)
            await asyncio.sleep(pause)

    return script


def flooding(head: bytes, piece: bytes, total: int = 1 << 30) -> Script:
    """As fast as it will go, until `total` bytes or until the other side has had enough."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head)
        for _ in range(total // len(piece)):
            await peer.send(piece)

    return script


async def pipe(reader, writer):
    """Carry bytes one way until they end."""
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
