"""asyncpg's way to the network: timed by phase, and cut off when a server sends too much."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from probes.dial import dial, dial_unix
from probes.reason import Reason
from probes.stopwatch import Stopwatch

LIMIT = 1024 * 1024  #: bytes that a server may send in one attempt; an honest one sends some kilobytes


class WireError(Exception):
    """What the server did on the wire makes asyncpg's own word for it misleading; `reason` is the right one."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Wire:
    """The running loop as asyncpg is shown it.

    asyncpg collects a message for as long as its header says, up to 2 GiB, from the first byte of the handshake on, and
    has no limit to set. It makes every connection through the loop it is given, so this one counts what arrives and
    aborts a connection beyond the limit. Everything else is the loop's.
    """

    def __init__(self, watch: Stopwatch, family: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._watch = watch
        self._family = family
        self._received = 0
        self._first = b""
        self._made: list[asyncio.Transport] = []
        self.overrun = False  #: the limit was passed and the connection cut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def established(self) -> None:
        """The session stands: connections made from now on (to cancel a query) are no phases of an attempt."""
        self._watch = Stopwatch(time.monotonic)
        self._made.clear()

    def abort(self) -> None:
        """Close what was opened for a session that did not come to stand; asyncpg forgets some of it."""
        for transport in self._made:
            transport.abort()
        self._made.clear()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise WireError where asyncpg says something else about what happened here."""
        try:
            yield
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            if self.overrun:
                raise WireError(Reason.BODY_TOO_LARGE, f"the server sent more than {LIMIT} bytes") from error
            if type(error) is ConnectionError and self._first:  # asyncpg's own, about the answer to its wish for TLS
                raise self._no_tls() from error
            raise
        except (ValueError, LookupError, BufferError) as error:  # asyncpg met bytes that it did not expect
            raise WireError(Reason.PROTOCOL, f"this is not PostgreSQL ({type(error).__name__})") from error

    def _no_tls(self) -> WireError:
        if self._first == b"N":
            return WireError(Reason.TLS_HANDSHAKE, "the server has no TLS, and the DSN's sslmode asks for it")
        return WireError(Reason.PROTOCOL, f"this is not PostgreSQL: the answer begins with {self._first!r}")

    def refill(self) -> None:
        """A new attempt begins, with the whole limit before it."""
        self._received = 0

    def count(self, data: bytes) -> bool:
        """Take note of bytes that arrived; False once there are too many."""
        self._first = self._first or data[:1]
        self._received += len(data)
        self.overrun = self.overrun or self._received > LIMIT
        return not self.overrun

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int, **options: Any
    ) -> tuple["_Transport", asyncio.Protocol]:
        """As the loop's, but timed and counted."""
        sock = await dial(host, port, self._watch, self._family)
        if options.get("ssl"):
            options.setdefault("server_hostname", host)
        return await self._adopt(sock, factory, options)

    async def create_unix_connection(
        self, factory: Callable[[], asyncio.Protocol], path: str
    ) -> tuple["_Transport", asyncio.Protocol]:
        """As the loop's, but timed and counted."""
        return await self._adopt(await dial_unix(path, self._watch), factory, {})

    async def _adopt(
        self, sock: socket.socket, factory: Callable[[], asyncio.Protocol], options: dict[str, Any]
    ) -> tuple["_Transport", asyncio.Protocol]:
        self._watch.enter("tls" if options.get("ssl") else "auth")
        tap = _Tap(self, factory())
        adopted = False
        try:
            transport, _ = await self._loop.create_connection(lambda: tap, sock=sock, **options)
            adopted = True
        finally:
            if not adopted:
                tap.deaf = True
                sock.close()
        self._made.append(transport)
        self._watch.enter("auth")
        return _Transport(self, transport), tap.inner

    async def start_tls(self, transport: "_Transport", *arguments: Any, **options: Any) -> "_Transport | None":
        """As the loop's, but timed and counted."""
        self._watch.enter("tls")
        secured = await self._loop.start_tls(transport.inner, *arguments, **options)
        self._watch.enter("auth")
        return None if secured is None else _Transport(self, secured)


class _Transport:
    """A transport whose protocol is tapped, whenever it is set."""

    def __init__(self, wire: Wire, inner: asyncio.Transport) -> None:
        self._wire = wire
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        """As the transport's, but counted."""
        self.inner.set_protocol(_Tap(self._wire, protocol, self.inner))


class _Tap(asyncio.Protocol):
    """Passes everything on to asyncpg's protocol until the wire has counted too much."""

    def __init__(self, wire: Wire, inner: asyncio.Protocol, transport: asyncio.Transport | None = None) -> None:
        self._wire = wire
        self.inner = inner
        self.deaf = False  #: asyncpg was never given this connection, and would be surprised by its end
        self._transport = transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # a stream's transport is never another kind
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._wire.count(data):
            self.inner.data_received(data)
        elif self._transport is not None:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.deaf:
            self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
