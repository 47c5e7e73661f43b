"""One POST to a place that takes alerts, and what its answer means for the next attempt."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import aiohttp

from config.net.headers import header_problems
from config.net.http import Client, explain
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


class Poster:
    """Sends JSON with one set of headers. Made without a running loop; connections are made by the first `post`."""

    def __init__(self, *, headers: Mapping[str, Secret], tls: TlsOptions, timeout: float, connections: int = 1) -> None:
        """`timeout`: seconds for one whole exchange."""
        self._headers = {name: value.reveal() for name, value in headers.items()}
        self._timeout = timeout
        self._client = Client(tls=tls, timeout=timeout, connections=connections)

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
        headers = {**self._headers, "Content-Type": "application/json", **headers}
        async with self._client.post(url, body, headers) as response:
            if not 200 <= response.status < 300:
                raise await _refusal(response)

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        await self._client.aclose()


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


def url_problem(url: Url) -> str | None:
    """What is wrong with a URL to post to; what would be right."""
    if url.scheme not in ("http", "https"):
        return "is not HTTP; write http://host:port or https://host"
    return None


def post_problems(headers: Mapping[str, Secret], urls: Iterable[Url]) -> Iterator[tuple[str, str]]:
    """Pairs (key, what is wrong; what would be right) for the option `headers`, next to the URLs they go to."""
    yield from header_problems(headers)
    users = any("@" in url.reveal().partition("://")[2].partition("/")[0] for url in urls)
    if users and any(name.lower() == "authorization" for name in headers):
        yield "headers.authorization", "is given twice, here and as the user of the URL; write it once"
