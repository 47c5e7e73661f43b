"""OTLP over gRPC: one attempt to deliver one request, of any signal."""

import asyncio
import base64
import contextlib
import importlib
import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

import msgspec

from config.net.headers import header_problems, hidden, secrets_of
from config.net.resolve import resolve
from config.net.text import clean, clean_bytes
from config.net.tls import TlsFileError, TlsOptions, client_context
from config.options import Options
from config.types import Duration, HostPort, Secret, Url
from config.types.address import is_loopback
from exporters.base import Delivery, Permanent, Retryable
from exporters.otlp import retryinfo
from exporters.otlp.status import accepted

if TYPE_CHECKING:
    from exporters.otlp.grpc_line import Failed, Line

PORT = 4317  #: where OTLP/gRPC listens when nothing else is said
#: The whole list of the specification, in the relay's words.
RETRYABLE: Final = {
    "UNAVAILABLE": "unavailable",
    "DEADLINE_EXCEEDED": "timeout",
    "CANCELLED": "unavailable",
    "ABORTED": "unavailable",
    "OUT_OF_RANGE": "unavailable",
    "DATA_LOSS": "unavailable",
}
#: What the other codes mean for the relay; any further one is `status`. RESOURCE_EXHAUSTED is what a receiver says to a
#: request above its limit, and means "later" only with RetryInfo.
PERMANENT: Final = {
    "INVALID_ARGUMENT": "invalid",
    "RESOURCE_EXHAUSTED": "too_large",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
}
#: The method of each signal.
METHODS: Final = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}

_LIBRARY = "exporters.otlp.grpc_line"  # loading it takes a tenth of a second, which the loop need not wait for
_NAME = re.compile(r"(?!grpc-)[0-9a-z_.-]+")
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_OURS = frozenset({"te", "host", "user-agent", "content-type", "content-length", "connection", "transfer-encoding"})


class OtlpGrpcOptions(Options, frozen=True):
    """Where telemetry goes, over OTLP/gRPC."""

    endpoint: Annotated[Url, msgspec.Meta(description="the upstream: grpc://host:4317, or grpcs:// with TLS")]
    headers: Annotated[dict[str, Secret], msgspec.Meta(description="sent with every request, as metadata")] = (
        msgspec.field(default_factory=dict)
    )
    tls: TlsOptions = TlsOptions()
    timeout: Annotated[Duration, msgspec.Meta(description="for one attempt, from connecting to the whole answer")] = (
        Duration(10)
    )
    compression: Annotated[
        Literal["gzip", "none"] | None, msgspec.Meta(description="gzip by default, none to a loopback address")
    ] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        yield from self._endpoint_problems()
        if self.timeout <= 0:
            yield "timeout", "would leave no time at all; write for example 10s"
        if not self.tls.verify:
            yield "tls.verify", "gRPC always verifies; leave it out, and name the upstream's root in `ca`"
        if self.tls.min_version != "1.2":
            yield "tls.min_version", "gRPC takes TLS 1.2 and 1.3, and cannot be told otherwise; leave it out"
        if self.tls != TlsOptions() and not self.secure:
            yield "tls", "is of no use without TLS; write grpcs:// in `endpoint`, or leave it out"
        yield from header_problems(self.headers, _OURS)
        for name, value in self.headers.items():
            if not _NAME.fullmatch(name.lower()):
                yield (
                    f"headers.{name}",
                    "is no name for gRPC; use letters, digits, dots and dashes, not grpc- at the start",
                )
            elif not set(value.reveal()).issubset(_PRINTABLE):
                yield f"headers.{name}", "has a value that gRPC cannot carry; use printable ASCII"

    def _endpoint_problems(self) -> Iterator[tuple[str, str]]:
        url = self.endpoint.reveal()
        if self.endpoint.scheme not in ("grpc", "grpcs", "http", "https") or not self.endpoint.host:
            yield "endpoint", "is no address for gRPC; write grpc://host:4317, or grpcs://host:4317 with TLS"
        elif "@" in url:
            yield "endpoint", "has a user in it; write the address alone, and put credentials into `headers`"
        elif self.endpoint.path.strip("/") or "?" in url or "#" in url:
            yield "endpoint", "has a path or a query, which gRPC does not know; write grpc://host:4317"

    @property
    def secure(self) -> bool:
        """Whether it is spoken over TLS; https means so too, as in OTEL_EXPORTER_OTLP_ENDPOINT."""
        return self.endpoint.scheme in ("grpcs", "https")

    @property
    def compressed(self) -> bool:
        """Whether requests are sent as gzip: on the same machine that costs more than it saves."""
        if self.compression is None:
            return not is_loopback(self.endpoint.host)
        return self.compression == "gzip"


class OtlpGrpcSender:
    """Delivers to one OTLP/gRPC upstream. Made without a running loop; the first `send` connects.

    A connection that failed is not used again: the next attempt looks the name up anew, reads the files of `tls` if
    they changed, and connects at once, instead of when gRPC thinks it is time.
    """

    options_type = OtlpGrpcOptions
    default_port = PORT

    def __init__(self, options: OtlpGrpcOptions) -> None:
        self.options = options
        #: Bytes of a merged request. gRPC compresses in the loop's thread, so what is compressed should be short.
        self.merge_bytes = 256 * 1024 if options.compressed else None
        self._place = HostPort(options.endpoint.host, options.endpoint.port or PORT)
        self._secrets = secrets_of(options.headers)
        self._metadata = {name.lower(): value.reveal() for name, value in options.headers.items()}
        self._connecting = asyncio.Lock()
        self._library: Any = None
        self._line: Line | None = None
        self._context: ssl.SSLContext | None = None
        self._credentials: Any = None

    async def send(self, body: bytes, signal: str = "traces", headers: Sequence[tuple[str, str]] = ()) -> Delivery:
        """One attempt. Raises Retryable (RETRYABLE, or no whole answer) or Permanent (any other code).

        `headers` take the place of those of the options that have the same name.
        """
        line = None
        try:
            async with asyncio.timeout(self.options.timeout):
                line = await self._connected()
                answer = await self._call(line, METHODS[signal], body, headers)
        except TimeoutError as error:
            await self._fail(line)
            raise Retryable("timeout", f"no answer within {self.options.timeout}") from error
        except TlsFileError as error:
            raise Retryable("tls", clean(str(error))) from error
        except OSError as error:
            raise Retryable("dns", f"{self._place.host} cannot be found: {error.strerror or error}") from error
        return accepted(hidden(answer, self._secrets))

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        line, self._line = self._line, None
        if line is not None:
            await line.leave()

    async def _call(self, line: "Line", path: str, body: bytes, headers: Sequence[tuple[str, str]]) -> bytes:
        from exporters.otlp.grpc_line import Failed  # noqa: PLC0415 - loaded when the line was made

        metadata = tuple(_metadata({**self._metadata, **dict(headers)}))
        try:
            async with line.used():
                return await line.call(path, body, metadata, self.options.timeout, compressed=self.options.compressed)
        except Failed as failed:
            error = self._verdict(failed)
            if not failed.answered or error.reason == "timeout":
                await self._fail(line)
            raise error from failed

    def _verdict(self, failed: "Failed") -> Retryable | Permanent:
        """Whose fault it was, and with that what the relay does."""
        if "CLIENT: Received message larger than max" in failed.detail:
            return Permanent("answer", "the upstream answered with more than can be read")
        if not failed.answered and failed.code in {"UNAVAILABLE", "UNKNOWN", "INTERNAL"}:
            return Retryable(_phase(failed.detail), clean(f"{self._place} cannot be reached: {failed.detail}"))
        after = retryinfo.in_metadata(failed.trailing)
        said = clean_bytes(hidden(failed.detail.encode("utf-8", "replace"), self._secrets))
        detail = f"the upstream answered {failed.code}" + (f": {said}" if said else "")
        if failed.code == "RESOURCE_EXHAUSTED" and after is not None:
            return Retryable("unavailable", detail, after)
        if failed.code in RETRYABLE:
            return Retryable(RETRYABLE[failed.code], detail, after)
        return Permanent(PERMANENT.get(failed.code, "status"), detail)

    async def _connected(self) -> "Line":
        """The line to use; a new one after a failure, or when a file of `tls` changed. Raises OSError, TlsFileError."""
        async with self._connecting:
            lines = self._library = self._library or await asyncio.to_thread(importlib.import_module, _LIBRARY)
            context = client_context(self.options.tls) if self.options.secure else None
            if self._line is None or self._line.over or context is not self._context:
                addresses = await resolve(self._place.host, self._place.port)
                if context is not self._context:
                    self._credentials = lines.credentials(self.options.tls)
                    self._context = context
                await self.aclose()
                authority = HostPort(self.options.tls.server_name or self._place.host, self._place.port)
                self._line = lines.Line(addresses, str(authority), self._credentials)
            line: Line = self._line
            return line

    async def _fail(self, line: "Line | None") -> None:
        if line is not None:
            await line.leave()


def _phase(detail: str) -> str:
    """How far the exchange came, by what gRPC says of it: a small closed set."""
    said = detail.lower()
    for phase, marks in _PHASES.items():
        if any(mark in said for mark in marks):
            return phase
    return "disconnect"


_PHASES: Final = {
    "tls": ("handshake failed", "verification check", "ssl_error"),
    "protocol": ("parsing http/2", "http2"),
    "disconnect": ("socket closed", "connection reset", "broken pipe", "goaway", "stream removed"),
    "connect": ("failed to connect", "connection refused", "connection timed out"),
}


def _metadata(headers: dict[str, str]) -> Iterator[tuple[str, str | bytes]]:
    """Headers as gRPC has them: what HTTP can carry and gRPC cannot is left out or percent-encoded."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            continue
        if name.endswith("-bin"):
            with contextlib.suppress(ValueError):
                yield name, base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        else:
            yield name, quote(value, safe=_PRINTABLE, errors="replace")
