"""One HTTP/1.1 exchange on a connection of its own: connect, TLS, one request, one answer, every phase timed.

aiohttp's session cannot tell TLS from connecting, and keeps no address for a second look at a bad certificate, so the
connection is made here; aiohttp's protocol class, with the llhttp parser inside, reads the answer.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator

from aiohttp import ClientOSError, ClientPayloadError, ServerDisconnectedError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from config.net.resolve import Address, resolve
from config.net.text import clean
from config.net.tls import TlsOptions, client_context, unverified
from probes.base import ProbeFailed
from probes.certificate import Certificate, read_certificate
from probes.http.tunnel import Tunnel
from probes.reason import Reason
from probes.stopwatch import Stopwatch

MAX_INTERIM = 8  # answers 1xx before the real one
HEAD_ROOM = 256 * 1024  # bytes of status line, headers and chunk framing beside the body


class Wire(ResponseHandler):
    """aiohttp's reader of answers; it also times them, notes how the end came, and stops a flood."""

    def __init__(self, loop: asyncio.AbstractEventLoop, watch: Stopwatch, limit: int) -> None:
        super().__init__(loop)
        self.lost: BaseException | None = None
        self.flooded = False
        self._watch = watch
        self._room = 2 * limit + HEAD_ROOM  # tiny chunks may need as many bytes of framing as of body
        self._body: StreamReader | None = None

    async def answer(self) -> tuple[RawResponseMessage, StreamReader]:
        """The first message that is not interim."""
        for _ in range(MAX_INTERIM):
            message, body = await self.read()
            if message.code >= 200 or message.code == 101:
                self._body = body
                return message, body
        raise ProbeFailed(Reason.PROTOCOL, f"more than {MAX_INTERIM} interim answers")

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        if self._watch.phase == "processing":
            self._watch.enter("transfer")
        self._room -= len(data)
        if self._room >= 0:
            super().data_received(data)
            return
        self.flooded = True
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the transport."""
        self.lost = exc
        super().connection_lost(exc)
        body = self._body
        # A bad chunk ends the connection without a word to whoever reads the body.
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(ClientPayloadError())


class Exchange:
    """One new connection, one request, one answer. `close` it, whatever happened."""

    def __init__(self, limit: int, watch: Stopwatch, deadline: float, family: int = 0) -> None:  # by time.monotonic
        self.address: Address | None = None
        self.certificate: Certificate | None = None
        self.tls_version = ""
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(self._loop, watch, limit)
        self._watch = watch
        self._deadline = deadline
        self._family = family
        self._transport: asyncio.Transport | None = None
        self._stream: StreamReader | None = None

    async def connect(self, host: str, port: int) -> None:
        """Resolve and connect: to each address in turn, each with an equal share of the time that is left."""
        self._watch.enter("resolve")
        addresses = await resolve(host, port, self._family)
        self._watch.enter("connect")
        first: OSError | None = None
        for tried, address in enumerate(addresses):
            share = (self._deadline - time.monotonic()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    self._transport, _ = await self._loop.create_connection(
                        lambda: self._wire, address.host, address.port
                    )
            except OSError as error:  # TimeoutError is one too
                first = first or error
            else:
                self.address = address
                return
        raise first or ConnectionError("the name has no address")

    async def tunnel(self, host: str, port: int, authorization: str) -> None:
        """Ask the proxy at the other end for a way through."""
        transport = self._connected()
        tunnel = Tunnel(self._loop.create_future())
        transport.set_protocol(tunnel)
        transport.write(Tunnel.request(host, port, authorization))
        await tunnel.opened
        transport.set_protocol(self._wire)

    async def secure(self, options: TlsOptions, name: str, *, peek: bool) -> None:
        """Speak TLS from here on. The certificate is known afterwards; with `peek` also when it was refused."""
        self._watch.enter("tls")
        context, plain = client_context(options), self._connected()
        try:
            transport = await self._loop.start_tls(plain, self._wire, context, server_hostname=name)
        except ssl.SSLCertVerificationError:
            if self.address is not None and peek:
                left = self._deadline - time.monotonic()
                self.certificate = await _peek(self.address, unverified(options), name, left * 0.8)
            raise
        if transport is None:
            raise ConnectionResetError("the connection was closed during TLS")
        self._transport = transport
        self._wire.connection_made(transport)
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self.tls_version = tls.version() or ""
        self.certificate = _certificate(tls)

    async def ask(self, request: bytes, *, bodiless: bool) -> RawResponseMessage:
        """Send the request, and wait for the head of the answer. `bodiless`: as after HEAD, there will be no body."""
        self._watch.enter("processing")
        self._wire.set_response_params(skip_payload=bodiless, read_until_eof=True, auto_decompress=False)
        self._connected().write(request)
        with self._explained():
            message, self._stream = await self._wire.answer()
        return message

    async def read(self) -> bytes:
        """The next piece of the body as it came, still compressed; b"" at its end."""
        if self._stream is None:
            raise ConnectionResetError("not asked")
        with self._explained():
            piece = await self._stream.readany()
            # A body without a length ends well when the connection does, whoever ended it.
            if not piece and self._wire.flooded:
                raise ClientPayloadError
        return piece

    def close(self) -> None:
        """Give the socket back at once; nothing is kept, so nothing is owed to the other side."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _connected(self) -> asyncio.Transport:
        if self._transport is None:
            raise ConnectionResetError("not connected")
        return self._transport

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Aiohttp's exceptions, said in ours."""
        try:
            yield
        except (ClientOSError, ClientPayloadError, HttpProcessingError, ServerDisconnectedError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> Exception:
        broken = error if isinstance(error, HttpProcessingError) else self._wire.exception()
        if self._wire.flooded:
            return ProbeFailed(Reason.BODY_TOO_LARGE, "the answer does not end")
        if isinstance(broken, HttpProcessingError):
            return ProbeFailed(Reason.PROTOCOL, f"not an HTTP answer: {clean(broken.message)}")
        if isinstance(self._wire.lost, OSError):
            return self._wire.lost
        if isinstance(error, ClientPayloadError):
            return EOFError()
        return ProbeFailed(Reason.CONNECTION_RESET, "the connection was closed without an answer")


async def _peek(address: Address, context: ssl.SSLContext, name: str, seconds: float) -> Certificate | None:
    """The certificate that failed verification, from the same address; None when it cannot be had in time."""
    loop = asyncio.get_running_loop()
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(seconds):
            transport, _ = await loop.create_connection(
                asyncio.Protocol, address.host, address.port, ssl=context, server_hostname=name
            )
        return _certificate(transport.get_extra_info("ssl_object"))
    except OSError:
        return None
    finally:
        if transport is not None:
            transport.abort()


def _certificate(tls: ssl.SSLObject) -> Certificate | None:
    der = tls.getpeercert(binary_form=True)
    try:
        return read_certificate(der) if der else None
    except ValueError:
        return None
