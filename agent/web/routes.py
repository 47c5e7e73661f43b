"""From a request to the one function that answers it: a table of paths, not a framework, for health must stay cheap."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from agent.web.access import local_host, same_origin
from agent.web.counted import OTHER, Counted
from agent.web.problem import problem


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `name`: what the path says after the route's own part. `trusted`: the client may see details."""

    request: web.BaseRequest
    name: str = ""
    trusted: bool = False

    def asked(self, key: str) -> bool:
        """Whether the query has `key`, with whatever value, as Kubernetes reads `?verbose`."""
        return key in self.request.rel_url.query


Method = Literal["GET", "POST", "DELETE"]
Endpoint = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path and the function that answers one method of it. `/*` in a path takes one segment, last or last but one.

    `guarded`: refused on the admin listener when the request was not meant for this machine.
    """

    path: str
    endpoint: Endpoint
    method: Method = "GET"
    guarded: bool = False


_NOTHING: Mapping[str, Route] = {}


class Routes:
    """The paths of one listener. `trusted`: it is the admin listener. `counted`: where requests are counted."""

    def __init__(self, routes: Iterable[Route], *, trusted: bool = False, counted: Counted | None = None) -> None:
        self._trusted = trusted
        self._counted = counted or Counted()
        self._exact: dict[str, dict[str, Route]] = {}
        self._named: dict[str, dict[str, Route]] = {}
        for route in routes:
            table = self._named if "/*" in route.path else self._exact
            methods = table.setdefault(route.path, {})
            methods[route.method] = route
            if route.method == "GET":
                methods["HEAD"] = route

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer, and count the answer."""
        methods, name = self._find(request.path)
        answer = await self._answer(request, methods, name)
        path = next(iter(methods.values())).path if methods else OTHER
        self._counted.add(path.replace("/*", "/NAME"), answer.status)
        return answer

    async def _answer(self, request: web.BaseRequest, methods: Mapping[str, Route], name: str) -> web.StreamResponse:
        """Refuse what must be refused, else let the route answer."""
        if not methods:
            elsewhere = "" if self._trusted else "; the page and the API are on listen.admin"
            return problem(request, 404, f"nothing lives at this path{elsewhere}")
        route = methods.get(request.method)
        if route is None:
            allow = ", ".join(methods)
            return problem(request, 405, f"this path knows {allow} only", headers={"Allow": allow})
        meant_for_us = self._trusted and local_host(request)
        if route.guarded:
            if not meant_for_us:
                return problem(request, 403, "this listener answers to localhost and loopback addresses only")
            if not same_origin(request):
                return problem(request, 403, "a page of another origin may not ask here")
        return await route.endpoint(Call(request, name, trusted=meant_for_us))

    def _find(self, path: str) -> tuple[Mapping[str, Route], str]:
        """What a path knows by method, and the name in it."""
        if methods := self._exact.get(path):
            return methods, ""
        prefix, _, name = path.rpartition("/")
        if name and (methods := self._named.get(f"{prefix}/*")):
            return methods, name
        before, _, inner = prefix.rpartition("/")
        return (self._named.get(f"{before}/*/{name}", _NOTHING), inner) if inner and name else (_NOTHING, "")
