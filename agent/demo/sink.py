"""The demo's webhook: takes the alerts that Outrider and Alertmanager send, remembers them, serves them as JSON."""

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from agent.demo.process import HOST

_REMEMBERED = 200  # deliveries; a demo left alone over night must not grow


@dataclass(frozen=True, slots=True)
class Delivery:
    """One accepted POST: when (Unix time), who sent it (outrider or alertmanager), and what it said."""

    at: float
    sender: str
    body: Any


class Sink:
    """A receiver on a free port: `POST /webhook` (Outrider), `POST /alertmanager`, and `GET /alerts` shows both."""

    def __init__(self) -> None:
        self.url = ""  #: base URL, once started
        self._deliveries: deque[Delivery] = deque(maxlen=_REMEMBERED)
        self._runner: web.AppRunner | None = None

    @property
    def webhook(self) -> str:
        """Where Outrider posts to."""
        return f"{self.url}/webhook"

    @property
    def behind_alertmanager(self) -> str:
        """Where Alertmanager passes on what it was told."""
        return f"{self.url}/alertmanager"

    def last(self, sender: str) -> Delivery | None:
        """The newest delivery of one sender."""
        return next((each for each in reversed(self._deliveries) if each.sender == sender), None)

    async def start(self) -> Self:
        """Listen; the URL is known afterwards."""
        app = web.Application()
        app.router.add_post("/{sender:webhook|alertmanager}", self._take)
        app.router.add_get("/alerts", self._show)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        _, port = self._runner.addresses[0]
        self.url = f"http://{HOST}:{port}"
        return self

    async def close(self) -> None:
        """Stop listening. Safe twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text())
        except ValueError:
            raise web.HTTPBadRequest(text="the body must be JSON\n") from None
        sender = {"webhook": "outrider"}.get(request.match_info["sender"], "alertmanager")
        self._deliveries.append(Delivery(time.time(), sender, body))
        return web.Response(status=204)

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response([{"at": d.at, "sender": d.sender, "body": d.body} for d in self._deliveries])
