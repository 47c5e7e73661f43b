"""The OTLP/gRPC listener: the receiver on its own socket.

Imported only where `traces.receive.grpc` is written: gRPC costs memory and start-up time.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from agent.connections import Limits as ConnectionLimits
from agent.grpc_port import open_port
from agent.receiver.grpc_calls import SETTING, OtlpGrpc
from agent.receiver.grpc_tls import credentials
from agent.relay.entry import Signal
from agent.sockets import CannotListen
from config.net.grpc_core import grpc
from config.net.tls import TlsFileError
from config.sections.traces import ReceiveTls
from config.types import ListenAddress
from exporters.otlp.grpc import METHODS

CLOSING_SECONDS = 2.0  #: for calls on their way when the listener closes
CONNECTIONS = 128  #: an SDK keeps one, and a service may have many processes
STREAMS = 256  #: calls of one connection at once

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # or two agents would share a port, and neither would know
    ("grpc.max_concurrent_streams", STREAMS),
    ("grpc.max_metadata_size", 16 * 1024),  # bytes
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 600_000),  # without a call
    ("grpc.keepalive_time_ms", 60_000),  # a client that vanished is gone some time later
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),  # the Collector's clients ping a quiet connection
    # What was not asked for yet stays with its sender: at most 64 KiB of a connection wait here.
    ("grpc.http2.bdp_probe", 0),
)


@contextlib.asynccontextmanager
async def serving(receiver: OtlpGrpc, address: ListenAddress, tls: ReceiveTls | None) -> AsyncIterator[ListenAddress]:
    """Take telemetry at `address`; yields where it really listens. What the receiver says may change meanwhile.

    Raises CannotListen.
    """
    most = ConnectionLimits(CONNECTIONS, share=1 / 8, quiet=0).connections
    options = (
        *_OPTIONS,
        ("grpc.max_receive_message_length", receiver.max_body),
        ("grpc.max_allowed_incoming_connections", most),
    )
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((_Methods(receiver),))
    try:
        secure = credentials(tls, receiver.trouble) if tls else None
    except TlsFileError as error:
        raise CannotListen(SETTING, address, str(error), "mend the file, or `traces.receive.tls`") from error
    bound = open_port(server, SETTING, address, secure)
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(CLOSING_SECONDS)
        await receiver.settled()


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc] # gRPC has no types
    """Says which calls there are: one for each signal, and a refusal in words for any other."""

    def __init__(self, receiver: OtlpGrpc) -> None:
        self._receiver = receiver
        self._known = {path: _as_stream(receiver, Signal(signal)) for signal, path in METHODS.items()}
        self._unknown = _as_stream(receiver, None)

    def service(self, details: Any) -> Any:
        return self._known.get(details.method, self._unknown)


def _as_stream(receiver: OtlpGrpc, signal: Signal | None) -> Any:
    """As if the client sent a stream of messages: so we say when the one it sends is read, and nothing is before."""

    async def export(_messages: object, context: Any) -> bytes:
        return await receiver.answer(signal, context)

    return grpc.stream_unary_rpc_method_handler(export)
