"""Web pages that send telemetry (CORS): which origins may, and what their browsers want to hear first."""

from collections.abc import Collection

from aiohttp import web

#: Request headers that a page may set: those that exporters do. Cookies and passwords are never asked for.
_HEADERS = ("authorization", "content-encoding", "content-type", "traceparent", "tracestate", "x-requested-with")
_MAX_AGE = "600"  # seconds for which a browser need not ask again


class Cors:
    """What the file says about pages. `origins` holds `*` for any; `headers` are passed on, so a page may set them."""

    def __init__(self, origins: Collection[str], headers: Collection[str] = ()) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.lower() for origin in origins)
        self._allowed = ", ".join(dict.fromkeys((*_HEADERS, *(header.lower() for header in headers))))

    def __bool__(self) -> bool:
        return bool(self._origins)

    def allows(self, request: web.BaseRequest) -> bool:
        """Whether a page of an origin that may send asks."""
        origin = request.headers.get("Origin")
        return origin is not None and (self._any or origin.lower() in self._origins)

    def mark(self, request: web.BaseRequest, answer: web.StreamResponse) -> None:
        """Let the page read the answer, also when it is a refusal."""
        if not self._any:
            answer.headers["Vary"] = "Origin"
        if self.allows(request):
            answer.headers["Access-Control-Allow-Origin"] = "*" if self._any else request.headers["Origin"]
            answer.headers["Access-Control-Expose-Headers"] = "Retry-After"

    def preflight(self) -> web.Response:
        """What a browser is told before it sends; `mark` says to whom."""
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": self._allowed,
            "Access-Control-Max-Age": _MAX_AGE,
            "Server": "outrider",
        }
        return web.Response(status=204, headers=headers)
