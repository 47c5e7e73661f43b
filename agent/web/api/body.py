"""The body of a request for a change: JSON of a few lines. What is wrong with it is told with what would be right."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import HttpVersion11, web

from agent.web.negotiate import JSON
from config.net.text import clean

MOST_BYTES = 4096
SECONDS = 5.0  #: for the whole of it to arrive

T = TypeVar("T")

_QUOTED_KEY = re.compile(r" `.*`$", re.DOTALL)


class Refused(Exception):  # noqa: N818 - an answer
    """The request cannot be taken: a status and a sentence for the client."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


async def read(request: web.BaseRequest, shape: type[T], example: Mapping[str, Any]) -> T:
    """The body as a value of that shape; `example` is one that would be right. Raises Refused."""
    if request.content_type != JSON:
        # Which also means that no form on a foreign page can send it.
        raise Refused(415, f"the body must be sent as Content-Type: {JSON}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "the body must be sent as it is, without a Content-Encoding")
    raw = await received(request)
    right = f"; write such as {json.dumps(example)}"
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise Refused(400, f"{_told(error)}{right}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, f"the body is not JSON{right}") from None


async def received(request: web.BaseRequest) -> bytes:
    """The body as it came, a few lines at most. Raises Refused."""
    too_large = Refused(413, f"the body has more than {MOST_BYTES} bytes")
    if (request.content_length or 0) > MOST_BYTES:
        raise too_large
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > MOST_BYTES:
                    raise too_large
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {SECONDS:g} s") from None
    except (ConnectionError, web.RequestPayloadError):
        raise Refused(400, "the body ended before its end") from None
    return bytes(body)


def _told(error: msgspec.ValidationError) -> str:
    """What does not fit, and where; without the client's own words."""
    text = str(error)
    if "unknown field" in text:
        text = _QUOTED_KEY.sub("", text)
    return f"the body does not fit: {clean(text)}"
