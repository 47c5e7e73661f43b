"""One gRPC channel to an upstream. Imports gRPC, so nothing imports this before there is something to send."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from config.net.grpc_core import grpc
from config.net.resolve import Address
from config.net.tls import TlsOptions
from exporters.otlp.status import MAX_ANSWER

#: Larger bodies are not compressed: the library does it in the thread of the loop, and takes 14 ms for a MiB.
MOST_COMPRESSED = 512 * 1024

Metadata = Sequence[tuple[str, str | bytes]]

_OWN = ("failed to connect to ", "Stream removed (")  # our own library's words, even while it calls the line ready
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),  # none from the environment
    ("grpc.enable_retries", 0),  # one call is one attempt
    ("grpc.use_local_subchannel_pool", 1),  # a new channel connects at once, whatever an older one went through
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    ("grpc.client_idle_timeout_ms", 60_000),  # before a balancer between us forgets the connection
    ("grpc.primary_user_agent", "outrider"),
)


class Failed(Exception):  # noqa: N818 - what happened to the call
    """A call that did not end well.

    `code` is the name of gRPC's code. `answered` False: the connection failed, and the code is our own library's word.
    """

    def __init__(self, code: str, detail: str, trailing: Metadata, *, answered: bool) -> None:
        super().__init__(code, detail)
        self.code, self.detail, self.trailing, self.answered = code, detail, trailing, answered


class Line:
    """A channel to addresses that were looked up when it was made. Once `over` is set it takes no further call."""

    def __init__(self, addresses: Sequence[Address], authority: str, credentials: Any = None) -> None:
        """`credentials` None: without TLS. `authority`: name and port of the upstream, and of its certificate."""
        options = (*_OPTIONS, ("grpc.default_authority", authority))
        where = target(addresses)
        self._channel = (
            grpc.aio.insecure_channel(where, options)
            if credentials is None
            else grpc.aio.secure_channel(where, credentials, options)
        )
        self._calls: dict[str, Any] = {}
        self._using = 0
        self.over = False

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator["Line"]:
        """Around a call: whoever leaves a line last that is over closes it."""
        self._using += 1
        try:
            yield self
        finally:
            self._using -= 1
            if self.over:
                await self.leave()

    async def leave(self) -> None:
        """No further call; those on their way come to their end."""
        self.over = True
        if not self._using:
            await self._channel.close()

    async def call(self, path: str, body: bytes, metadata: Metadata, seconds: float, *, compressed: bool) -> bytes:
        """One call; returns the bytes of the answer. Raises Failed."""
        call = self._calls.get(path)
        if call is None:
            call = self._calls[path] = self._channel.unary_unary(path)
        packing = grpc.Compression.Gzip if compressed and len(body) <= MOST_COMPRESSED else None
        try:
            answer: bytes = await call(body, timeout=seconds, metadata=metadata, compression=packing)
        except grpc.aio.AioRpcError as error:
            detail, trailing = error.details() or "", tuple(error.trailing_metadata() or ())
            up = self._channel.get_state() is grpc.ChannelConnectivity.READY and not detail.startswith(_OWN)
            raise Failed(error.code().name, detail, trailing, answered=up or bool(trailing)) from error
        return answer


def credentials(tls: TlsOptions) -> Any:
    """What a channel needs for TLS, read from its files; TlsOptions must have been checked by making a context."""
    cert = Path(tls.cert).read_bytes() if tls.cert else None
    key = Path(tls.key).read_bytes() if tls.key else cert
    return grpc.ssl_channel_credentials(Path(tls.ca).read_bytes() if tls.ca else None, key, cert)


def target(addresses: Sequence[Address]) -> str:
    """Addresses as gRPC wants them: of one family only, so IPv4 goes as mapped IPv6 beside real IPv6."""
    if all(address.family is socket.AF_INET for address in addresses):
        return "ipv4:" + ",".join(map(str, addresses))
    places = (f"::ffff:{each.host}" if each.family is socket.AF_INET else each.host for each in addresses)
    return "ipv6:" + ",".join(f"[{place}]:{each.port}" for place, each in zip(places, addresses, strict=True))
