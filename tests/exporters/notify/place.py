"""A real HTTP server in the part of a receiver: it answers as it is told and remembers what it got."""

import asyncio
import time

from aiohttp import web
from aiohttp.test_utils import TestServer

from exporters.base import Alert, Severity

ANSWER_SECONDS = 60.0  #: a test that waits longer for one request has failed


def alert(name="OutriderSLOBurn", *, key="k1", started_at=1_767_225_630.0, resolved_at=None, **labels):
    """One alert as the agent makes it."""
    everything = {"alertname": name, "service": "shop", "severity": "page", "slo": "pg-availability", **labels}
    texts = {"summary": "shop pg-availability burns"}
    return Alert(name, Severity.PAGE, started_at, key, resolved_at, everything, texts)


class Place:
    """Answers 204 unless `answers` holds others; each is a status, headers and a body, or an event to wait for."""

    def __init__(self, context=None):
        self._context = context
        self.got = []  # (path, headers, body), in order
        self.answers = []
        self.released = asyncio.Event()
        self._server = None

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._server = TestServer(app, host="127.0.0.1", scheme="https" if self._context else "http")
        await self._server.start_server(shutdown_timeout=0.1, access_log=None, ssl=self._context)
        return self

    async def __aexit__(self, *_):
        self.released.set()
        await self._server.close()

    @property
    def url(self):
        """Its base URL."""
        return str(self._server.make_url("/")).rstrip("/")

    def answer(self, status, body="", **headers):
        """Once, in order of the calls."""
        self.answers.append((status, body, headers))

    def hang(self):
        """Take one request and say nothing until the end."""
        self.answers.append(None)

    async def requests(self, count):
        """The first `count` requests, once they are there."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count} requests came"
            await asyncio.sleep(0.005)
        return self.got[:count]

    async def _take(self, request):
        self.got.append((request.path_qs, request.headers, await request.read()))
        answer = self.answers.pop(0) if self.answers else (204, "", {})
        if answer is None:
            await self.released.wait()
            answer = (204, "", {})
        status, body, headers = answer
        return web.Response(status=status, body=body, headers=headers)
