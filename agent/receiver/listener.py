"""The OTLP/HTTP listener: the receiver on its own socket."""

import contextlib
from collections.abc import AsyncIterator

from agent.connections import listening
from agent.receiver.http import server
from agent.relay.relay import Relay
from config.types import ListenAddress


@contextlib.asynccontextmanager
async def otlp_http(relay: Relay, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    """Take spans at `address`; yields where it really listens. Raises CannotListen."""
    async with listening(server(relay), address) as bound:
        yield bound
