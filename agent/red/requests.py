"""Requests counted by service, route, kind and status; and their durations."""

from collections.abc import Callable, Iterable

from agent.red.caps import OTHER, Cap
from agent.red.names import label
from agent.red.rows import Durations, RequestKey
from agent.red.settings import Settings
from agent.red.timings import Timings, edges
from exporters.base import Histogram, Sample
from exporters.contract import Metric

SERVICES = 10  #: with their own name


class Requests:
    """All of them. A reload keeps every count; durations begin anew when a threshold came or went, as resets do.

    Both statuses of a route are there from its first request on, so its first error has a 0 before it. What
    objectives name is there from the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._counts: dict[RequestKey, list[int]] = {}  # those that ended well, errors
        self._services = Cap(SERVICES, "services send spans", "One Outrider rides beside one service.")
        self._routes = Cap(0, "routes", "Set http.route in the service, or raise traces.metrics.routes.")
        self.timings = Timings(edges(settings.objectives))
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Use these objectives and this number of routes from now on."""
        self._routes.limit = settings.routes
        self.kinds = frozenset({*settings.kinds, *(one.kind for one in settings.objectives)})
        self.named = frozenset((one.kind, one.route) for one in settings.objectives if one.route is not None)
        bounds = edges(settings.objectives)
        if bounds != self.timings.bounds:
            self.timings = Timings(bounds)
        self.timings.keep(self.named)
        for one in settings.objectives if settings.service else ():
            self.timings.of((self._service(settings.service), one.kind, one.route or ""))
            if one.route is not None:
                self._count((settings.service, one.kind, one.route))

    def add(self, key: RequestKey, ok: int, errors: int) -> None:
        """What one body had; beyond the bounds it is `_other`."""
        counts = self._counts.get(key) or self._count(key)
        counts[0] += ok
        counts[1] += errors

    def add_durations(self, key: RequestKey, durations: Durations) -> None:
        """What one body had; the key's route is "" for all that no objective names."""
        self.timings.of((self._service(key[0]), *key[1:])).add(durations)

    def route(self, service: str, route: str) -> str:
        """The route under which requests of a service are counted, for other families."""
        named = any(route == one for _, one in self.named)
        return route if not route or named or (self._service(service), route) in self._routes else OTHER

    def samples(self) -> Iterable[tuple[str | Metric, Iterable[Sample | Histogram]]]:
        """Counts and durations."""
        yield "outrider_span_requests_total", self._samples()
        yield self.timings.family, self.timings.samples()

    def say(self, tell: Callable[[str], None]) -> None:
        """Tell of services and routes that found no room."""
        self._services.say(tell)
        self._routes.say(tell)

    def _samples(self) -> Iterable[Sample]:
        for (service, kind, route), (ok, errors) in self._counts.items():
            yield Sample((service, route, kind, "ok"), ok)
            yield Sample((service, route, kind, "error"), errors)

    def _count(self, key: RequestKey) -> list[int]:
        service, kind, route = self._service(key[0]), *key[1:]
        if (kind, route) not in self.named and not self._routes.admits((service, route), route):
            route = OTHER
        return self._counts.setdefault((service, kind, route), [0, 0])

    def _service(self, service: str) -> str:
        service = label(service)
        return service if self._services.admits(service, service) else OTHER
