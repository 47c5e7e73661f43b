"""One POST to a place that takes alerts, and what its answer means for the next attempt."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import aiohttp

from config.net.headers import header_problems
from config.net.http import Client, explain, read_bounded
from config.net.retry import retry_after
from config.net.text import clean_bytes
from config.net.tls import TlsFileError, TlsOptions
from config.types import Secret, Url
from exporters.base import Permanent, Retryable

MAX_TIMEOUT = 30.0  #: seconds; a receiver that needs longer for one answer is not one to be called by
#: Beside these every 5xx is worth another attempt; any other status but 2xx will be the same again.
RETRYABLE: Final = {408: "timeout", 425: "server", 429: "throttled"}
PERMANENT: Final = {401: "auth", 403: "auth", 404: "gone", 410: "gone", 413: "too_large"}

_ANSWER = 1024  # bytes read of an answer
_TELLING = 12  # characters; a shorter part of an address is a word, not a secret


class Poster:
    """Sends JSON with one set of headers. Made without a running loop; connections are made by the first `post`."""

    def __init__(
        self,
        *,
        headers: Mapping[str, Secret],
        tls: TlsOptions,
        timeout: float,
        connections: int = 1,
        secrets: Iterable[Secret] = (),
    ) -> None:
        """`timeout`: seconds for one whole exchange. `secrets`: what bodies hold and no error may repeat."""
        self._headers = {name: value.reveal() for name, value in headers.items()}
        words = (word for secret in (*secrets, *headers.values()) for word in secret.reveal().split())
        self._secrets = [word for word in words if len(word) >= _TELLING]
        self._timeout = timeout
        self._client = Client(tls=tls, timeout=timeout, connections=connections)

    async def post(
        self, url: Url | str, body: bytes, headers: Mapping[str, str] | None = None, *, yes: bytes | None = None
    ) -> None:
        """One attempt. Raises Retryable or Permanent; any 2xx is success, with `yes` only one with that body."""
        await self._attempt("POST", url, body, {"Content-Type": "application/json", **(headers or {})}, yes)

    async def get(self, url: Url) -> None:
        """One attempt without a body, as `post`."""
        await self._attempt("GET", url, None, {}, None)

    async def _attempt(
        self, method: str, url: Url | str, body: bytes | None, headers: Mapping[str, str], yes: bytes | None
    ) -> None:
        address = url.reveal() if isinstance(url, Url) else url
        try:
            await self._exchange(method, address, body, headers, yes)
        except TimeoutError as error:
            raise Retryable("timeout", f"no answer within {self._timeout:g} s") from error
        except TlsFileError as error:
            raise Retryable("tls", str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Retryable("network", explain(error)) from error

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], yes: bytes | None
    ) -> None:
        async with self._client.request(method, url, {**self._headers, **headers}, body) as response:
            if not 200 <= response.status < 300:
                raise await _refusal(response, [*self._secrets, *_telling(url)])
            if yes is not None and await _answer(response) != yes:
                raise Permanent(
                    "refused", f"it answered {response.status}, but not {yes.decode()!r}; is the URL right?"
                )

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        await self._client.aclose()


async def _answer(response: aiohttp.ClientResponse) -> bytes | None:
    """A short body without the space around it; None for one that is long or cannot be decoded."""
    try:
        return (await read_bounded(response, _ANSWER)).strip()
    except (ValueError, LookupError):
        return None


def _telling(url: str) -> list[str]:
    """The parts of an address, but its host, that may be what a receiver knows its senders by. Servers repeat them."""
    place, _, path = url.partition("://")[2].partition("/")
    secret = f"{place.rpartition('@')[0]}/{path}"
    return [part for part in re.split(r"[/?&=:#]+", f"{secret}/{unquote(secret)}") if len(part) >= _TELLING]


async def _said(response: aiohttp.ClientResponse, secrets: Iterable[str]) -> str:
    """What a refusal says, for the log, without the secrets; a body that cannot be read does not matter."""
    if response.headers.get("Content-Encoding"):
        return ""
    try:
        raw = await response.content.read(_ANSWER)
    except (aiohttp.ClientError, TimeoutError):
        return ""
    for secret in sorted(map(str.encode, secrets), key=len, reverse=True):
        raw = raw.replace(secret, b"***")
        if secret[:_TELLING] in raw:  # its end was cut off
            return ""
    return clean_bytes(raw)


async def _refusal(response: aiohttp.ClientResponse, secrets: Iterable[str]) -> Retryable | Permanent:
    """The status decides."""
    status = response.status
    said = await _said(response, secrets)
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
