"""The connections of one listener: few, with small heads, and a short answer to whatever is not HTTP.

The limits are set so that nothing a client sends can keep a health check waiting or fill the memory: a new connection
always finds a place (the oldest idle one makes room), and its request must arrive soon.
"""

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agent.handshakes import Handshakes
from agent.sockets import BACKLOG, bind, release
from agent.sparing import SparingLog
from config.net.text import clean
from config.types import ListenAddress

CLOSING_SECONDS = 2.0  #: for answers on their way when the listener closes
#: Bytes of one request's head. aiohttp bounds each field and their number, not their sum: 250 connections with half a
#: MiB each, and no end, would cost 240 MiB.
HEAD_BYTES = 16 * 1024
HANDSHAKE_SECONDS = 5.0  #: for TLS; a connection counts as one only when it has come so far

_LINE = _FIELD = 8190  # bytes; beyond that 400
_FIELDS = 64  # header fields; beyond that 400
_BLANK = b"\r\n\r\n"  # ends a head

_logger = logging.getLogger(__name__)

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
#: (request, status, one sentence): the answer to a request that cannot be answered as it should.
Refuse = Callable[[web.BaseRequest, int, str], web.StreamResponse]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the clients of one listener may use.

    `share`: of the files this process may open, so that `most` is not more than there are. `quiet`: seconds for a whole
    head to arrive, and for a connection to rest. `lingering`: seconds in which the rest of a refused body is read, or
    the reset of the closed connection would overtake the answer; 0 where no body is ever read. `buffer`: bytes that
    the kernel holds of each connection, which is also what one read may bring; 0 leaves it several MiB.
    """

    most: int
    share: float
    quiet: float
    lingering: float = 0.0
    buffer: int = 0

    @property
    def connections(self) -> int:
        """How many connections, with the files that this process may open now."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.most if soft == resource.RLIM_INFINITY else max(4, min(self.most, int(soft * self.share)))


class _Connection(web.RequestHandler):
    """One client."""

    __slots__ = ("_end", "_head", "_server", "_taking")

    def __init__(self, server: "Connections", **settings: Any) -> None:
        super().__init__(server, **settings)
        self._server = server
        self._head = 0  # bytes of a head that has not ended
        self._end = b""  # of what came: the blank line may come in two pieces
        self._taking = False  # a body may follow: what comes is the endpoint's to bound

    def data_received(self, data: bytes) -> None:
        """Cut off a client whose head does not end."""
        if self._taking:
            self._rest(data)
            return
        self._count(data)
        if self._head <= HEAD_BYTES:
            super().data_received(data)
        elif self.transport is not None:
            text = f"closed a connection: the head of its request has more than {HEAD_BYTES >> 10} KiB"
            self._server.tell(logging.INFO, "head", text)
            self.transport.abort()

    def answered(self) -> None:
        """What comes next is another request's head."""
        self._head, self._end, self._taking = 0, b"", False

    def _rest(self, data: bytes) -> None:
        """More of a body. aiohttp throws it away once the listener closes, though it lets the answer end."""
        closing = self._close, self._force_close
        self._close = self._force_close = False
        super().data_received(data)
        self._close, self._force_close = closing

    def _count(self, data: bytes) -> None:
        seen = self._end + data
        if self._server.limits.lingering and _BLANK in seen:
            self._head, self._taking = 0, True
            return
        blank = seen.rfind(_BLANK)
        self._head = self._head + len(data) if blank < 0 else len(seen) - blank - len(_BLANK)
        self._end = seen[1 - len(_BLANK) :]

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A request that is not HTTP: a short answer, and at most one line a minute."""
        self._server.tell(logging.INFO, "malformed", f"refused a malformed request: {clean(message or '', 120)}")
        return self._server.refuse(request, status, "this is not a well-formed HTTP request, or its head is too large")

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What aiohttp could not bring to an end, at most once a minute."""
        text = str(args[0]) if args else "request failed"
        self._server.tell(logging.ERROR, "aiohttp", text, kw.get("exc_info"))


class Connections(web.Server):
    """All of them, with who answers; given to `listening`."""

    def __init__(self, setting: str, answer: Answer, refuse: Refuse, limits: Limits) -> None:
        """`setting` is the key of the file that has the address: for errors, and for the log."""
        super().__init__(self._answer)
        self.setting = setting
        self.limits = limits
        self.most = limits.connections
        self._ask, self._refusal = answer, refuse
        self._log = SparingLog(_logger)
        self._open: dict[web.RequestHandler, asyncio.Transport] = {}  # oldest first
        self._answering: set[web.RequestHandler] = set()

    def __call__(self) -> web.RequestHandler:
        """One more connection."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self.limits.quiet,
            lingering_time=self.limits.lingering,
            auto_decompress=False,  # aiohttp takes bodies that are cut short, and stalls on bombs
            max_line_size=_LINE,
            max_field_size=_FIELD,
            max_headers=_FIELDS,
            access_log=None,
            logger=_logger,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take a client in; when that is one too many, the oldest that waits for nothing goes."""
        super().connection_made(handler, transport)
        self._open[handler] = transport
        if len(self._open) > self.most:
            oldest = next(iter(self._open))
            idle = (one for one in self._open if one not in self._answering and one is not handler)
            self._open.pop(next(idle, oldest)).abort()
            text = f"more than {self.most} connections: the oldest idle ones are closed"
            self.tell(logging.WARNING, "connections", text)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A client went."""
        self._open.pop(handler, None)
        super().connection_lost(handler, exc)

    def refuse(self, request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
        """The listener's own way to say no, and the end of this connection."""
        answer = self._refusal(request, status, text)
        answer.force_close()
        return answer

    def tell(self, level: int, kind: str, text: str, error: BaseException | None = None) -> None:
        """One line, unless one of its kind was written less than a minute ago."""
        self._log.write(level, kind, f"{self.setting}: {text}", asyncio.get_running_loop().time(), error)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._answering.add(connection)
        try:
            return await self._ask(request)
        except Exception as error:  # noqa: BLE001 - the last one who can answer
            # A fault of ours. The client learns that it was one, the log learns which.
            self.tell(logging.ERROR, type(error).__name__, "a request could not be answered", error)
            return self._refusal(request, 500, "this request could not be answered: the agent's log says why")
        finally:
            self._answering.discard(connection)
            if isinstance(connection, _Connection) and request.content.is_eof():
                connection.answered()


class _TlsSite(web.SockSite):
    """aiohttp's own would let a handshake take a minute."""

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,  # type: ignore[arg-type]  # BaseSite.start has made sure of it
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )


@contextlib.asynccontextmanager
async def listening(
    server: Connections, address: ListenAddress, tls: Handshakes | None = None
) -> AsyncIterator[ListenAddress]:
    """Serve at `address`; yields where it really listens: its port is never 0. Raises CannotListen."""
    sock = bind(server.setting, address)
    if server.limits.buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, server.limits.buffer)  # connections inherit it
    try:
        runner = web.ServerRunner(server, shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        try:
            # asyncio accepts as many at once as it is told the backlog is long, and must not open more than we may;
            # those who wait in the kernel's queue cost nothing.
            backlog = min(BACKLOG, server.most)
            site = _TlsSite if tls else web.SockSite
            await site(runner, sock, ssl_context=tls.context if tls else None, backlog=backlog).start()
            sock.listen(BACKLOG)
            yield address if address.path else ListenAddress(address.host, sock.getsockname()[1])
        finally:
            await runner.cleanup()
    finally:
        release(sock, address)
