"""The public and the admin listener: sockets, limits, and what happens to clients that do not behave.

The limits are set so that nothing a stranger sends can keep a health check waiting: connections are few, and a new one
always finds a place (the oldest idle one makes room); headers are small and must arrive soon; no body is ever read.
"""

import asyncio
import contextlib
import logging
import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agent.sockets import BACKLOG, CannotListen, PortInUse, bind, release
from agent.web import tables
from agent.web.desk import Desk
from agent.web.problem import problem
from agent.web.routes import Routes
from agent.web.sparing import SparingLog
from config.net.text import clean
from config.types.address import HostPort, ListenAddress

__all__ = ["CannotListen", "Listener", "PortInUse", "admin", "public"]

#: Seconds for a whole request to arrive, and for a connection to rest. Less than the usual 10 s of slow-header limits,
#: and no multiple of the usual intervals of those who ask (5, 10, 15 s): our closing must not meet their asking.
QUIET_SECONDS = 8.0
PUBLIC_CONNECTIONS = 256  #: kubelet, Prometheus and every load balancer node hold one each
ADMIN_CONNECTIONS = 64
CLOSING_SECONDS = 2.0  #: for answers on their way when the listener closes

_LINE = _FIELD = 8190  # bytes; beyond that 400
_FIELDS = 64  # header fields; beyond that 400

_logger = logging.getLogger(__name__)


class _Connection(web.RequestHandler):
    """One client. Only says differently what aiohttp says of requests that it could not parse."""

    def __init__(self, server: "_Server", **limits: Any) -> None:
        super().__init__(server, **limits)
        self._log = server.log

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A request that is not HTTP: a short answer, and at most one line a minute."""
        now = asyncio.get_running_loop().time()
        self._log.write(logging.INFO, "malformed", f"refused a malformed request: {clean(message or '', 120)}", now)
        answer = problem(request, status, "this is not a well-formed HTTP request, or its head is too large")
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What aiohttp could not bring to an end, at most once a minute."""
        text = str(args[0]) if args else "request failed"
        self._log.write(logging.ERROR, "aiohttp", text, asyncio.get_running_loop().time(), error=kw.get("exc_info"))


class _Server(web.Server):
    """The connections of one listener, at most `limit` of them."""

    def __init__(self, routes: Routes, limit: int) -> None:
        super().__init__(self._answer)
        self.log = SparingLog(_logger)
        self._routes = routes
        self._limit = limit
        self._connections_open: dict[web.RequestHandler, asyncio.Transport] = {}  # oldest first
        self._answering: set[web.RequestHandler] = set()

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=QUIET_SECONDS,
            lingering_time=0,
            auto_decompress=False,
            max_line_size=_LINE,
            max_field_size=_FIELD,
            max_headers=_FIELDS,
            access_log=None,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take a client in; when that is one too many, the oldest that waits for nothing goes."""
        super().connection_made(handler, transport)
        self._connections_open[handler] = transport
        if len(self._connections_open) > self._limit:
            oldest = next(iter(self._connections_open))
            idle = (one for one in self._connections_open if one not in self._answering and one is not handler)
            self._connections_open.pop(next(idle, oldest)).abort()
            text = f"more than {self._limit} connections: the oldest idle ones are closed"
            self.log.write(logging.WARNING, "connections", text, asyncio.get_running_loop().time())

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A client went."""
        self._connections_open.pop(handler, None)
        super().connection_lost(handler, exc)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._answering.add(connection)
        try:
            return await self._routes.answer(request)
        except Exception as error:  # noqa: BLE001 - the last one who can answer
            # A fault of ours. The client learns that it was one, the log learns which.
            now = asyncio.get_running_loop().time()
            self.log.write(logging.ERROR, type(error).__name__, "a request could not be answered", now, error)
            return problem(request, 500, "this request could not be answered: the agent's log says why")
        finally:
            self._answering.discard(connection)


@dataclass(frozen=True, slots=True)
class Listener:
    """An open listener. `address` is where it really listens: its port is never 0."""

    address: ListenAddress

    @property
    def url(self) -> str:
        """The base URL for a client on this machine, without a slash at the end; "" for a Unix socket."""
        if self.address.path:
            return ""
        everywhere = self.address.host in {"*", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        return f"http://{HostPort('127.0.0.1', self.address.port) if everywhere else self.address}"


@contextlib.asynccontextmanager
async def public(desk: Desk, address: ListenAddress, setting: str = "listen.public") -> AsyncIterator[Listener]:
    """Verdicts and metrics for the kubelet, balancers and Prometheus. Raises CannotListen."""
    async with _listen(Routes(tables.public(desk)), address, setting, PUBLIC_CONNECTIONS) as listener:
        yield listener


@contextlib.asynccontextmanager
async def admin(desk: Desk, address: ListenAddress, setting: str = "listen.admin") -> AsyncIterator[Listener]:
    """Everything public with its details, the page and the API, for this machine alone. Raises CannotListen."""
    if not address.local:
        why = "others could reach it, and access tokens are not in this version"
        raise CannotListen(setting, address, why, f"write 127.0.0.1:{address.port} or unix:/path")
    async with _listen(Routes(tables.admin(desk), trusted=True), address, setting, ADMIN_CONNECTIONS) as listener:
        yield listener


@contextlib.asynccontextmanager
async def _listen(routes: Routes, address: ListenAddress, setting: str, limit: int) -> AsyncIterator[Listener]:
    limit = _affordable(limit)
    sock = bind(setting, address)
    try:
        runner = web.ServerRunner(_Server(routes, limit), shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        try:
            # asyncio accepts as many at once as it is told the backlog is long, and must not open more than we may;
            # those who wait in the kernel's queue cost nothing.
            await web.SockSite(runner, sock, backlog=min(BACKLOG, limit)).start()
            sock.listen(BACKLOG)
            bound = address if address.path else ListenAddress(address.host, sock.getsockname()[1])
            yield Listener(bound)
        finally:
            await runner.cleanup()
    finally:
        release(sock, address)


def _affordable(limit: int) -> int:
    """At most a quarter of the files this process may open: probes and the queue need the rest."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit if soft == resource.RLIM_INFINITY else max(4, min(limit, soft // 4))
