"""One POST to a place that takes alerts, and what its answer means for the next attempt."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import aiohttp

from config.net.http import client_session, explain
from config.net.retry import retry_after
from config.net.text import clean_bytes
from config.net.tls import TlsFileError, TlsOptions
from config.types import Secret, Url
from exporters.base import Permanent, Retryable

MAX_TIMEOUT = 30.0  #: seconds; a receiver that needs longer for one answer is not one to be called by
#: Beside these every 5xx is worth another attempt; any other status but 2xx will be the same again.
RETRYABLE: Final = {408: "timeout", 425: "server", 429: "throttled"}
PERMANENT: Final = {401: "auth", 403: "auth", 404: "gone", 410: "gone", 413: "too_large"}

_ANSWER = 1024  # bytes read of a refusal, for the log
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding", "connection"})


class Poster:
    """Sends JSON with one set of headers. Made without a running loop; connections are made by the first `post`."""

    def __init__(self, *, headers: Mapping[str, Secret], tls: TlsOptions, timeout: float, connections: int = 1) -> None:
        """`timeout`: seconds for one whole exchange."""
        self._headers = {name: value.reveal() for name, value in headers.items()}
        self._tls = tls
        self._timeout = timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: Url | str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """One attempt. Raises Retryable or Permanent; any 2xx is success, whatever its body."""
        address = url.reveal() if isinstance(url, Url) else url
        try:
            await self._exchange(address, body, headers or {})
        except TimeoutError as error:
            raise Retryable("timeout", f"no answer within {self._timeout:g} s") from error
        except TlsFileError as error:
            raise Retryable("tls", str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Retryable("network", explain(error)) from error

    async def _exchange(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        if self._session is None:
            self._session = client_session(tls=self._tls, timeout=self._timeout, connections=self._connections)
        request = self._session.post(
            url,
            data=body,
            headers={**self._headers, "Content-Type": "application/json", **headers},
            server_hostname=self._tls.server_name or None,
            allow_redirects=False,
        )
        async with request as response:
            if not 200 <= response.status < 300:
                raise await _refusal(response)

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _refusal(response: aiohttp.ClientResponse) -> Retryable | Permanent:
    """The status decides; what the body says is for the log, so a body that cannot be read does not matter."""
    status = response.status
    try:
        said = "" if response.headers.get("Content-Encoding") else clean_bytes(await response.content.read(_ANSWER))
    except (aiohttp.ClientError, TimeoutError):
        said = ""
    detail = f"it answered {status}" + (f": {said}" if said else "")
    if status in RETRYABLE or status >= 500:
        after = retry_after(response.headers.get("Retry-After"), time.time())
        return Retryable(RETRYABLE.get(status, "server"), detail, after)
    if status < 400:
        return Permanent("redirect", f"{detail}; give the final URL, redirects are not followed")
    return Permanent(PERMANENT.get(status, "refused"), detail)


def rfc3339(at: float) -> str:
    """Unix time as text, in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def url_problem(url: Url) -> str | None:
    """What is wrong with a URL to post to; what would be right."""
    if url.scheme not in ("http", "https"):
        return "is not HTTP; write http://host:port or https://host"
    return None


def header_problems(headers: Mapping[str, Secret], urls: Iterable[Url]) -> Iterator[tuple[str, str]]:
    """Pairs (key, what is wrong; what would be right) for the option `headers`, next to the URLs they go to."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield "headers", "has a name that no header can have; use letters, digits and dashes"
        elif name.lower() in _OURS:
            yield f"headers.{name}", "is set by the notifier itself; leave it out"
        elif not _HEADER_VALUE.fullmatch(value.reveal()):
            yield f"headers.{name}", "has a line break or control character in its value; one line is allowed"
    users = any("@" in url.reveal().partition("://")[2].partition("/")[0] for url in urls)
    if users and any(name.lower() == "authorization" for name in headers):
        yield "headers.authorization", "is given twice, here and as the user of the URL; write it once"
