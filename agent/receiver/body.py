"""The body of one request: charged before it is read, held once, decompressed strictly."""

import asyncio
import io

from aiohttp import HttpVersion11, web

from agent.receiver.admission import Share
from config.net.inflate import Encoding, Inflater, TooLarge, encoding_of

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class UnknownEncoding(ValueError):  # noqa: N818 - reads as what is wrong with the body
    """A Content-Encoding that is not taken. The text lists those that are."""


async def read_body(request: web.BaseRequest, share: Share, limit: int, seconds: float) -> bytes:
    """The decompressed body; what it takes is charged to `share` before it is read or made.

    Raises Busy; UnknownEncoding, TooLarge (more than `limit` bytes), Malformed, TimeoutError (not
    there after `seconds`), ConnectionError or web.RequestPayloadError (cut off).
    """
    encoding = _encoding(request)
    length = request.content_length or 0
    if length > limit:
        raise TooLarge
    share.cover(length)
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
    if encoding is None and request.content.is_eof():  # it came with its head, as those of a few spans do
        return _whole(request.content.read_nowait(), share, limit)
    inflater = Inflater(encoding, limit) if encoding else None
    # Held once: of a length that is known nothing grows (and pages that are not written cost nothing), and at the end
    # the buffer is given away as it is, where bytes() of a bytearray would be a second copy.
    body, arrived = io.BytesIO(bytes(0 if encoding else length)), 0
    async with asyncio.timeout(seconds):
        async for piece in request.content.iter_any():
            arrived += len(piece)
            if arrived > limit:
                raise TooLarge
            for part in inflater.feed(piece) if inflater else (piece,):
                share.cover(body.tell() + len(part))
                if inflater and body.tell():
                    await asyncio.sleep(0)  # the next slice of a body that inflates to many
                body.write(part)
    if inflater:
        inflater.finish()
    body.truncate()
    return body.getvalue()


def _encoding(request: web.BaseRequest) -> Encoding | None:
    try:
        return encoding_of(", ".join(request.headers.getall("Content-Encoding", ())))
    except LookupError as error:
        raise UnknownEncoding(str(error)) from None


def _whole(body: bytes, share: Share, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge
    share.cover(len(body))
    return body
