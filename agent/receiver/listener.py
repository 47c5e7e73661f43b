"""The OTLP/HTTP listener: the receiver on its own socket."""

import contextlib
import logging
from collections.abc import AsyncIterator

from agent.connections import Connections, listening
from agent.handshakes import Handshakes
from agent.receiver.http import SETTING, OtlpHttp
from agent.sockets import CannotListen
from config.net.tls import TlsFileError
from config.sections.traces import ReceiveTls
from config.types import ListenAddress


@contextlib.asynccontextmanager
async def serving(receiver: OtlpHttp, address: ListenAddress, tls: ReceiveTls | None) -> AsyncIterator[ListenAddress]:
    """Take telemetry at `address`; yields where it really listens. What the receiver says may change meanwhile.

    Raises CannotListen.
    """
    server = receiver.connections()
    shaking = _handshakes(receiver, server, address, tls) if tls else None
    async with listening(server, address, shaking) as bound:
        yield bound


def _handshakes(receiver: OtlpHttp, server: Connections, address: ListenAddress, tls: ReceiveTls) -> Handshakes:
    def failed(reason: str) -> None:
        receiver.handshake_failed()
        server.tell(logging.INFO, "tls", f"a TLS handshake failed: {reason}")

    def trouble(text: str) -> None:
        server.tell(logging.WARNING, "tls files", text)

    try:
        return Handshakes((tls.cert, tls.key, tls.client_ca), failed=failed, trouble=trouble, most=server.most)
    except TlsFileError as error:
        raise CannotListen(SETTING, address, str(error), "mend the file, or `traces.receive.tls`") from error
