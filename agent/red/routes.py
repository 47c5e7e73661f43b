"""The route of a request: `http.route`, which is looked up only where the span's name does not tell it."""

from typing import Any

from agent.red.attributes import Spot, find
from agent.red.caps import OTHER
from agent.red.names import is_bare, label, route_of

_REMEMBERED = 2048  # names
_LONGEST = 500  # characters of what is remembered


class Routes:
    """What is known of names.

    `GET /orders/{id}` whose `http.route` is `/orders/{id}` has that route always. A name that does not end with its
    route (`checkout`), or that is only a method, is looked up for each span. All others have the route that their
    name gives.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | Spot] = {}
        self.met = 0  #: names, ever

    def of(self, name: str, span: Any, *, new: bool) -> tuple[str, bool]:
        """The route of a span, and whether every span of that name has it. Names are met only while `new`."""
        known = self._known.get(name)
        if known is None and not new:
            return OTHER, False
        if known is None:
            known = self._meet(name, span.attributes)
        if isinstance(known, str):
            return known, True
        route = known.read(span.attributes)
        return (label(route) if route and isinstance(route, str) else route_of(name)), False

    def _meet(self, name: str, attributes: Any) -> str | Spot:
        self.met += 1
        route = find(attributes, "http.route")
        known: str | Spot
        if route and isinstance(route, str):
            known = label(route) if name.endswith(route) else Spot("http.route")
        else:
            known = Spot("http.route") if is_bare(name) else route_of(name)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if len(name) <= _LONGEST:
            self._known[name] = known
        return known
