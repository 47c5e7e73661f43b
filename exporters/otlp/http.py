"""OTLP over HTTP with binary protobuf: one attempt to deliver one request, of any signal."""

import asyncio
import re
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Annotated, Final, Literal

import aiohttp
import msgspec
from multidict import CIMultiDict

from config.net.headers import header_problems, hidden, secrets_of
from config.net.http import Client, explain, read_bounded
from config.net.retry import retry_after
from config.net.tls import TlsFileError, TlsOptions
from config.options import Options
from config.types import Duration, Secret, Url
from exporters.base import Delivery, Permanent, Retryable
from exporters.otlp import retryinfo
from exporters.otlp.status import MAX_ANSWER, PROTOBUF, Said, accepted, said

RETRYABLE: Final = frozenset({429, 502, 503, 504})  #: the whole list of the specification
#: What the other statuses mean for the relay: whose fault it is decides what it does. Any other status is `status`.
PERMANENT: Final = {400: "invalid", 401: "auth", 403: "auth", 413: "too_large", 422: "invalid"}

#: Of a destination, each has one request on its way at a time: as many connections as signals are enough.
SIGNALS = 3

_SLICE = 256 * 1024  # bytes compressed or written between two turns of the loop: about 1 ms
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")


class OtlpHttpOptions(Options, frozen=True):
    """Where telemetry goes, over OTLP/HTTP with protobuf."""

    endpoint: Annotated[Url, msgspec.Meta(description="base URL of the upstream; /v1/traces is appended")]
    headers: Annotated[dict[str, Secret], msgspec.Meta(description="sent with every request")] = msgspec.field(
        default_factory=dict
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
        url = self.endpoint.reveal()
        if self.endpoint.scheme not in ("http", "https"):
            yield "endpoint", "is not HTTP; write http://host:4318 or https://host:4318"
        elif "@" in url:
            yield "endpoint", "has a user in it; write the base URL alone, and put credentials into `headers`"
        elif "?" in url or "#" in url:
            yield "endpoint", "has a query; write the base URL alone, and put keys into `headers`"
        elif self.endpoint.path.rstrip("/").endswith("/v1/traces"):
            yield "endpoint", "already ends in /v1/traces, which is appended; write the base URL alone"
        if self.timeout <= 0:
            yield "timeout", "would leave no time at all; write for example 10s"
        yield from header_problems(self.headers)

    @property
    def compressed(self) -> bool:
        """Whether bodies are sent as gzip: on the same machine that costs more than it saves."""
        if self.compression is None:
            return not _LOOPBACK.fullmatch(self.endpoint.host)
        return self.compression == "gzip"


class OtlpHttpSender:
    """Delivers to one OTLP/HTTP upstream. Made without a running loop; the connection is made by the first `send`."""

    options_type = OtlpHttpOptions

    def __init__(self, options: OtlpHttpOptions) -> None:
        self.options = options
        self._url = options.endpoint.reveal().rstrip("/") + "/v1/"
        self._headers = CIMultiDict((name, value.reveal()) for name, value in options.headers.items())
        self._secrets = secrets_of(options.headers)
        self._headers["Content-Type"] = PROTOBUF
        self._headers["Accept-Encoding"] = "gzip"
        if options.compressed:
            self._headers["Content-Encoding"] = "gzip"
        self._client = Client(tls=options.tls, timeout=options.timeout, connections=SIGNALS)

    async def send(self, body: bytes, signal: str = "traces", headers: Sequence[tuple[str, str]] = ()) -> Delivery:
        """One attempt. Raises Retryable (RETRYABLE, or no whole answer) or Permanent (any other status).

        `headers` take the place of those of the options that have the same name.
        """
        sent = await _gzip(body) if self.options.compressed else body
        try:
            return await self._exchange(self._url + signal, sent, headers)
        except TimeoutError as error:
            raise Retryable("timeout", f"no answer within {self.options.timeout}") from error
        except (aiohttp.ClientError, OSError, TlsFileError) as error:
            raise Retryable(_phase(error), explain(error)) from error

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        await self._client.aclose()

    async def _exchange(self, url: str, body: bytes, more: Sequence[tuple[str, str]]) -> Delivery:
        content = body if len(body) <= _SLICE else _slices(body)
        headers = self._headers.copy()
        headers.update((*more, ("Content-Length", str(len(body)))))
        async with self._client.post(url, content, headers) as response:
            if not response.ok or response.status >= 300:
                raise await _refusal(response, self._secrets)
            return await _acceptance(response, self._secrets)


async def _acceptance(response: aiohttp.ClientResponse, secrets: Sequence[bytes]) -> Delivery:
    """What a 2xx says. Only protobuf can say more than yes; some gateways answer with a text."""
    try:
        body = await read_bounded(response, MAX_ANSWER)
    except (ValueError, LookupError) as error:
        raise Permanent("answer", f"{response.status} with a body that cannot be read: {error}") from error
    return accepted(hidden(body, secrets)) if response.content_type == PROTOBUF else Delivery()


async def _refusal(response: aiohttp.ClientResponse, secrets: Sequence[bytes]) -> Retryable | Permanent:
    """What any other status says. The status decides, so a body that cannot be read does not matter."""
    try:
        found = said(hidden(await read_bounded(response, MAX_ANSWER), secrets), response.content_type)
    except (ValueError, LookupError, aiohttp.ClientError, TimeoutError):
        found = Said()
    detail = f"the upstream answered {response.status}" + (f": {found.message}" if found.message else "")
    if response.status in RETRYABLE:
        asked = retry_after(response.headers.get("Retry-After"), time.time())
        return Retryable(str(response.status), detail, retryinfo.longest(asked, found.after))
    return Permanent(PERMANENT.get(response.status, "status"), detail)


def _phase(error: Exception) -> str:
    """How far the exchange came: a small closed set."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case TlsFileError() | aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorError():
            return "connect"
        case aiohttp.ClientResponseError():
            return "protocol"
        case _:
            return "disconnect"


async def _slices(body: bytes) -> AsyncIterator[memoryview]:
    """The body in parts, so that writing a large one lets the loop turn."""
    whole = memoryview(body)
    for start in range(0, len(body), _SLICE):
        yield whole[start : start + _SLICE]


async def _gzip(body: bytes) -> bytes:
    """Level 1: on spans the higher ones cost two to three times as much and save little (290 against 120 MB/s)."""
    stream = zlib.compressobj(1, zlib.DEFLATED, 31)
    parts = []
    async for part in _slices(body):
        parts.append(stream.compress(part))
        await asyncio.sleep(0)
    return b"".join((*parts, stream.flush()))
