"""HTTP clients for what Outrider sends (telemetry, alerts): one way to make a session, one way to read an answer.

Probes do not use this: they make a new connection for every attempt and time its phases themselves.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from config.net.inflate import Inflater, TooLarge, encoding_of
from config.net.interim import Connector
from config.net.resolve import Resolver, resolver
from config.net.text import clean
from config.net.tls import TlsFileError, TlsOptions, client_context

USER_AGENT = "outrider"


class BoundedResolver(AbstractResolver):
    """aiohttp's view of config.net.resolve."""

    def __init__(self, names: Resolver = resolver) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of `host`. Raises OSError (socket.gaierror)."""
        return [
            ResolveResult(
                hostname=host,
                host=found.host,
                port=found.port,
                family=found.family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found in await self._names.resolve(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing to give back: the threads are shared."""


def client_session(
    *, tls: TlsOptions | None = None, timeout: float = 10.0, connections: int = 4, keepalive: float = 30.0
) -> aiohttp.ClientSession:
    """A session to one or a few servers, made inside a running loop. The caller closes it.

    It follows what this house promises: no proxy from the environment, no cookies, no transparent decompression (read
    answers with `read_bounded`), a bounded resolver, and `timeout` seconds for a whole exchange. Raises TlsFileError.
    """
    connector = Connector(
        limit=connections,
        ssl=client_context(tls or TlsOptions()),
        resolver=BoundedResolver(),
        use_dns_cache=False,
        keepalive_timeout=keepalive,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        trust_env=False,
        auto_decompress=False,
    )


class Client:
    """Asks one or a few servers. Made without a running loop; connections are made by the first request.

    They are made anew when a file of the TLS options changes: a certificate is rotated without a restart.
    """

    def __init__(self, *, tls: TlsOptions, timeout: float, connections: int) -> None:
        """`timeout`: seconds for one whole exchange."""
        self._tls = tls
        self._timeout = timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._context: ssl.SSLContext | None = None

    @contextlib.asynccontextmanager
    async def post(
        self, url: str, body: bytes | AsyncIterable[memoryview], headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One exchange; redirects are not followed. Raises OSError, TimeoutError, TlsFileError, aiohttp.ClientError."""
        async with self.request("POST", url, headers, body) as answer:
            yield answer

    @contextlib.asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | AsyncIterable[memoryview] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The same with any method."""
        session, name = await self._current(), self._tls.server_name or None
        async with session.request(
            method, url, data=body, headers=headers, server_hostname=name, allow_redirects=False
        ) as answer:
            yield answer

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _current(self) -> aiohttp.ClientSession:
        context = client_context(self._tls)
        if context is not self._context:
            await self.aclose()
        if self._session is None:
            self._session = client_session(tls=self._tls, timeout=self._timeout, connections=self._connections)
            self._context = context
        return self._session


async def read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The decompressed body of an answer. Raises TooLarge, Malformed, or LookupError for an unknown encoding.

    Never holds more than `limit` bytes; after an error the connection is closed, not returned to the pool.
    """
    try:
        return await _read(response, limit)
    except (ValueError, LookupError):
        response.close()
        raise


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    encoding = encoding_of(response.headers.get("Content-Encoding", ""))
    inflater = None if encoding is None else Inflater(encoding, limit)
    body = bytearray()
    async for piece in response.content.iter_any():
        for out in (piece,) if inflater is None else inflater.feed(piece):
            if len(body) + len(out) > limit:
                raise TooLarge(f"the body has more than {limit} bytes")
            body += out
            if inflater is not None:
                await asyncio.sleep(0)  # a bomb inflates to a thousand times its size: let the loop turn
    if inflater is not None and (inflater.produced or response.headers.get("Content-Length") != "0"):
        inflater.finish()
    return bytes(body)


def explain(error: Exception) -> str:
    """For people. Host and port at most: aiohttp's own texts may hold the path or the query, where a token may be."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return clean(f"{error.host}:{error.port} has a certificate that is not trusted: {error.certificate_error}")
        case aiohttp.ClientConnectorError():
            return clean(f"{error.host}:{error.port} cannot be reached: {_cause(error.os_error)}")
        case aiohttp.ClientResponseError():
            return "what it answered is not HTTP"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer"
        case TlsFileError():
            return clean(str(error))
        case OSError() if not isinstance(error, aiohttp.ClientError) or error.errno:
            return clean(_cause(error))
        case _:
            return type(error).__name__


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno).lower()
