"""`POST /heartbeats/NAME`: a job says that it ended well, began (`/start`) or failed (`/fail`)."""

import asyncio
from contextlib import suppress

from aiohttp import HttpVersion11, web

from agent.web.desk import Desk
from agent.web.problem import answer, problem
from agent.web.routes import Call
from config.net.text import clean_bytes
from config.types import Duration
from probes.beats import Word

KEPT = 4096  #: bytes of what a job says of itself; people see the beginning of that
SECONDS = 5.0  #: for all of it

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="outrider"'}


class HeartbeatsEndpoint:
    """For whoever presents the token of the probe. A wrong token and a name that does not exist look alike."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ok(self, call: Call) -> web.Response:
        """It ended well."""
        return await self._take(call, Word.OK)

    async def start(self, call: Call) -> web.Response:
        """It began."""
        return await self._take(call, Word.START)

    async def fail(self, call: Call) -> web.Response:
        """It failed; the body may say why."""
        return await self._take(call, Word.FAIL)

    async def _take(self, call: Call, word: Word) -> web.Response:
        request, heartbeats = call.request, self._desk.heartbeats
        if not heartbeats.accepts(call.name, request.headers.get("Authorization")):
            sentence = "send `Authorization: Bearer` with the token of a `heartbeat` probe of this name"
            return problem(request, 401, sentence, headers=_CHALLENGE)
        duration = request.rel_url.query.get("duration")
        try:
            seconds = None if duration is None else float(Duration.parse(duration))
        except ValueError as error:
            return problem(request, 400, f"`duration` {error}")
        heartbeats.take(call.name, word, seconds=seconds, said=clean_bytes(await _note(request)))
        return answer(b"", "text/plain; charset=utf-8", 204)


async def _note(request: web.BaseRequest) -> bytes:
    """How the body begins. A log that is long, stalls or breaks off must not keep the job's word from counting.

    On the public listener 16 KiB can come (`HEAD_BYTES`), on the admin one what this machine sends in that time.
    """
    note = bytearray()
    with suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
        async with asyncio.timeout(SECONDS):
            if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async for piece in request.content.iter_any():
                note += piece[: KEPT - len(note)]
    return bytes(note)
