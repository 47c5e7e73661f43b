"""Request metrics from spans: what was counted, and what everyone else is told of it."""

from collections.abc import Iterable

from agent.red.databases import Databases
from agent.red.exceptions import Exceptions
from agent.red.failing import RECENT, FailingTraces
from agent.red.group import Group
from agent.red.offers import failing, offers
from agent.red.release import Release, Releases
from agent.red.requests import Requests
from agent.red.settings import Settings
from agent.red.timings import SECOND
from agent.red.walk import Asked, Known, Walk
from exporters.base import Histogram, Sample
from exporters.contract import Metric

LATE, TIME_INVALID = "late", "time_invalid"


class Red:
    """Rate, errors and duration of the requests whose spans pass, before any sampling; databases; exceptions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._requests = Requests(settings)
        self._databases = Databases()
        self._exceptions = Exceptions()
        self._failing = FailingTraces()
        self._releases = Releases()
        self._known = Known()
        self._left_out = {LATE: 0, TIME_INVALID: 0}

    def configure(self, settings: Settings) -> None:
        """Go on with these. Counts stay; durations begin anew when an objective's threshold came or went."""
        self._settings = settings
        self._requests.configure(settings)
        self._failing.keep(each.name for each in settings.objectives)

    def walk(self, now: float) -> Walk:
        """For one more body, which arrived at `now` (Unix seconds)."""
        settings, requests = self._settings, self._requests
        late = max(0.0, now - settings.late)
        asked = Asked(requests.timings, requests.named, requests.kinds, settings.kept, late, settings.service)
        return Walk(asked, self._known, self._count, self._taken)

    def groups(self) -> list[Group]:
        """Exceptions, newest first."""
        return self._exceptions.groups()

    def new_since(self, moment: float) -> list[Group]:
        """Exceptions of types that were not seen before that moment (Unix seconds)."""
        return self._exceptions.new_since(moment)

    def release(self) -> Release | None:
        """The version of the service that is there now; None where no span told one."""
        return self._releases.newest

    def traces(self, objective: str, now: float) -> list[str]:
        """Ids of traces with a request that was bad for this objective lately, the best first. `now`: Unix time."""
        return self._failing.best(objective, now)

    def thrown(self, objective: str, now: float) -> Group | None:
        """The exception that the service threw last where this objective looks, if lately. `now`: Unix time."""
        asked = next((each for each in self._settings.objectives if each.name == objective), None)
        if asked is None:
            return None
        ours = (one for one in self.groups() if one.service == self._settings.service)
        there = (one for one in ours if asked.route is None or one.route == asked.route)
        return next((one for one in there if now - one.last_seen <= RECENT), None)

    def samples(self) -> Iterable[tuple[str | Metric, Iterable[Sample | Histogram]]]:
        """Everything, as of now."""
        yield from self._requests.samples()
        yield "outrider_span_exceptions_total", self._exceptions.samples()
        yield "outrider_span_left_out_total", [Sample((reason,), count) for reason, count in self._left_out.items()]
        yield from self._databases.samples()

    def _taken(self, walk: Walk, now: float) -> None:
        """A body that was counted is on its way."""
        delivered = self._settings.delivery()
        for objective in walk.missed:
            marks = failing(objective, walk.durations, walk.asked.late * SECOND)
            self._failing.add(objective.name, marks, now, delivered)

    def _count(self, walk: Walk, now: float) -> None:
        """A body turned out to be valid."""
        settings, requests = self._settings, self._requests
        for key, row in walk.requests.items():
            requests.add(key, row.ok, row.errors)
        # A body that was on its way while a reload moved the buckets counts without its durations.
        if walk.asked.timings is requests.timings and walk.asked.named == requests.named:
            for key, durations in walk.durations.items():
                requests.add_durations(key, durations)
                self._left_out[LATE] += durations.late.total() if durations.late else 0
            for objective, good, bad in offers(settings.objectives, walk.durations):
                settings.offer(objective.name, good, bad, now)
                if bad:
                    walk.missed.append(objective)
        if walk.version:
            self._releases.see(walk.version, now)
        self._databases.add(walk.calls)
        self._left_out[TIME_INVALID] += walk.untimed
        for (type_, route, service), told in walk.thrown.groups.items():
            place = type_, requests.route(service, route), service
            settings.exceptions(self._exceptions.add(place, told, now, settings.clean))
        for part in (requests, self._databases, self._exceptions):
            part.say(settings.tell)
