"""The public and the admin listener: what a stranger sends must keep no health check waiting.

No body is read on public; on admin a few changes have one, of a few lines.
"""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from agent.connections import Connections, Limits, listening
from agent.sockets import CannotListen
from agent.web import tables
from agent.web.desk import Desk
from agent.web.problem import problem
from agent.web.routes import Routes
from config.types import ListenAddress

#: Seconds for a whole request to arrive, and for a connection to rest. Less than the usual 10 s of slow-header limits,
#: and no multiple of the usual intervals of those who ask (5, 10, 15 s): our closing must not meet their asking.
QUIET_SECONDS = 8.0
PUBLIC_CONNECTIONS = 256  #: kubelet, Prometheus and every load balancer node hold one each
ADMIN_CONNECTIONS = 64
LINGERING_SECONDS = 1.0  #: for the rest of a refused body; on admin only, where a few paths take one

_PUBLIC, _ADMIN = "listen.public", "listen.admin"  # keys of the file


@contextlib.asynccontextmanager
async def public(desk: Desk, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    """Verdicts and metrics for the kubelet, balancers and Prometheus; yields as `listening`. Raises CannotListen."""
    limits = Limits(PUBLIC_CONNECTIONS, share=1 / 4, quiet=QUIET_SECONDS)
    async with listening(server(_PUBLIC, Routes(tables.public(desk), counted=desk.counted), limits), address) as bound:
        yield bound


@contextlib.asynccontextmanager
async def admin(desk: Desk, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    """Everything public with its details, the page and the API, for this machine alone. Raises CannotListen."""
    if not address.local:
        why = "others could reach it, and access tokens are not in this version"
        raise CannotListen(_ADMIN, address, why, f"write 127.0.0.1:{address.port} or unix:/path")
    limits = Limits(ADMIN_CONNECTIONS, share=1 / 8, quiet=QUIET_SECONDS, lingering=LINGERING_SECONDS)
    routes = Routes(tables.admin(desk), trusted=True, counted=desk.counted)
    async with listening(server(_ADMIN, routes, limits), address) as bound:
        yield bound


def server(setting: str, routes: Routes, limits: Limits) -> Connections:
    """A listener's server: its refusals are problem documents."""
    return Connections(setting, routes.answer, _refuse, limits)


def _refuse(request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
    return problem(request, status, text)
