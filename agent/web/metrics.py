"""`/metrics`: one page at a time, shared by all who ask for it meanwhile."""

import asyncio

from aiohttp import web

from agent.web.desk import Desk
from agent.web.problem import HEADERS, problem
from agent.web.routes import Call
from exporters import exposition

AT_ONCE = 40  #: answers on their way; a reader that does not read must not pin memory
WRITE_SECONDS = 10.0  #: for a reader to take the page: Prometheus' usual scrape timeout


class Metrics:
    """Answers scrapes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pages: dict[tuple[str, bool], asyncio.Task[tuple[bytes, str]]] = {}
        self._writing = 0

    async def get(self, call: Call) -> web.StreamResponse:
        """The page in the form the client likes best."""
        if self._writing >= AT_ONCE:
            return problem(call.request, 503, "too many scrapes at once", headers={"Retry-After": "1"})
        self._writing += 1
        try:
            return await self._send(call.request)
        finally:
            self._writing -= 1

    async def _send(self, request: web.BaseRequest) -> web.StreamResponse:
        zipped = exposition.gzip_accepted(request.headers.get("Accept-Encoding", ""))
        body, content_type = await self._shared(exposition.negotiate(request.headers.get("Accept", "")), zipped)
        headers = {**HEADERS, "Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        response = web.Response(body=body, headers=headers)
        try:
            # Written here, not by the caller, so that it has a deadline.
            async with asyncio.timeout(WRITE_SECONDS):
                await response.prepare(request)
                await response.write_eof()
        except (TimeoutError, ConnectionError):  # a reader that does not read, or went away
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _shared(self, accept: str, zipped: bool) -> tuple[bytes, str]:
        """Wait for the page that is being made, or start making one."""
        key = (accept, zipped)
        task = self._pages.get(key)
        if task is None:
            task = asyncio.create_task(self._page(accept, zipped), name="metrics page")
            self._pages[key] = task
            task.add_done_callback(lambda _: self._pages.pop(key))
        return await asyncio.shield(task)

    async def _page(self, accept: str, zipped: bool) -> tuple[bytes, str]:
        blackbox = self._desk.blackbox_names()
        body, content_type = await exposition.page(self._desk.sources(), accept, blackbox_names=blackbox)
        return (await exposition.compressed(body) if zipped else body), content_type
