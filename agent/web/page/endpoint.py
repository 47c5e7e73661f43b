"""The page over HTTP: headers that let it load nothing and be framed by nobody."""

import base64
import hashlib

from aiohttp import web

from agent.web.api import views
from agent.web.desk import Desk
from agent.web.page.render import STYLE, render
from agent.web.problem import answer
from agent.web.routes import Call

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Page:
    """Answers with the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, _: Call) -> web.Response:
        """The page as things stand now."""
        desk = self._desk
        html = render(
            views.status(desk),
            views.probes(desk).probes,
            desk.slos(),
            views.alerts(desk),
            desk.pipeline(),
            views.exceptions(desk),
            views.undelivered(desk),
            quiet=desk.quiet(),
        )
        return answer(html.encode("utf-8", "replace"), "text/html; charset=utf-8", headers=HEADERS)
