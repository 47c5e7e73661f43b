"""The OTLP/HTTP listener: the application on its own socket."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from agent.receiver.http import RUNNER, application
from agent.relay.relay import Relay
from agent.sockets import BACKLOG, bind, release
from config.types import ListenAddress

CLOSING_SECONDS = 2.0  #: for requests that are being answered when the listener closes


@contextlib.asynccontextmanager
async def otlp_http(
    relay: Relay, address: ListenAddress, setting: str = "traces.receive.http"
) -> AsyncIterator[ListenAddress]:
    """Take spans at `address`; yields where it really listens. Raises CannotListen."""
    sock = bind(setting, address)
    try:
        runner = web.AppRunner(application(relay), **RUNNER, shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        try:
            await web.SockSite(runner, sock, backlog=BACKLOG).start()
            yield address if address.path else ListenAddress(address.host, sock.getsockname()[1])
        finally:
            await runner.cleanup()
    finally:
        release(sock, address)
