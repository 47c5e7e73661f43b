"""One body, seen piece by piece. Nothing of it counts before `commit`.

Fields of protobuf's messages cost 30 to 130 ns each, so what is read of a span is the least that tells a request: kind,
name, status, both times, and whether it has events.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from agent.red.attributes import Spot
from agent.red.caps import OTHER
from agent.red.databases import BOUNDS, Peer, Sources
from agent.red.giant import Giant
from agent.red.objective import SpanObjective
from agent.red.routes import Routes
from agent.red.rows import NOTHING, Durations, Lane, RequestKey, Row
from agent.red.statuses import ERROR, UNSET, Heeds
from agent.red.thrown import Thrown, exceptions_of
from agent.red.timings import SECOND, Timings
from agent.relay.wire import Level

KINDS = {"server": 2, "consumer": 5}  #: those that are requests
SERVER, CLIENT = 2, 3
LONGEST = 86_400 * SECOND  #: a span that took longer had a wrong clock
_UNKNOWN = "unknown_service"  # as the conventions call one that does not say its name
_NAMES = 500  # of one piece that are looked into; spans of a real service have 64 KiB / _NAMES = 130 bytes and more
_EVENTS = 1000  # of one piece that are looked at
_SCOPES = 100  # of one body; the rest share one
_ROUTES = 1000  # of one body; the rest are `_other`
_PEERS = 100  # of one body; the rest are `_other`

Tell = Callable[["Walk", float], None]  #: what becomes of a walk, and when (Unix time)


class Known:
    """What walks learn from each other: it makes them fast, and counts nothing."""

    def __init__(self) -> None:
        self.routes = Routes()
        self.sources = Sources()
        self.heeds = Heeds()
        self.service, self.version = Spot("service.name"), Spot("service.version")


class Asked(NamedTuple):
    """What is measured while a body passes; a reload meanwhile changes nothing of it."""

    timings: Timings
    named: frozenset[tuple[str, str]]  #: kind and route, where an objective names the route
    kinds: frozenset[str]
    kept: Callable[[bytes, str], bool] | None
    late: float  #: Unix time; spans that ended before it are late
    service: str = ""  #: whose version is read


class Walk:
    """Sees the pieces of one body in their order (`agent/relay/wire.Level`).

    A request whose times cannot be (none, an end before the start, more than a day) counts by its status alone.
    """

    def __init__(self, asked: Asked, known: Known, count: Tell, taken: Tell) -> None:
        self.asked = asked
        self.requests: dict[RequestKey, Row] = {}
        self.durations: dict[RequestKey, Durations] = {}
        self.calls: dict[Peer, Row] = {}
        self.thrown = Thrown()
        self.untimed = 0
        self.version = ""  #: of the file's own service
        self.missed: list[SpanObjective] = []  #: those for which something was bad, once it was counted
        self._known = known
        self._count, self._taken = count, taken
        self._late = int(asked.late * SECOND)
        self._lanes: dict[tuple[str, str], Mapping[int, Lane]] = {}
        self._service = _UNKNOWN
        self._scope = ""
        self._giant = Giant()
        self._meet = 0  # how many names may be known at the end of this piece
        self._told: list[tuple[Any, str]] = []  # spans of this piece that have events, and their services

    def see(self, level: Level, first: bool, message: Any) -> None:
        """The next piece; `first`: a message of that level begins here."""
        if level is Level.SPAN:
            if first:
                self._close()
            self._giant.add(message, first=first)
            return
        self._close()
        self._meet = self._known.routes.met + _NAMES
        for spans in self._scopes(level, first, message):
            self._spans(spans)
        if self._told:
            self._hear(lambda: self._scopes(level, first, message))
        self._mark()

    def commit(self, now: float) -> None:
        """The body was valid: what was seen counts. `now`: Unix time."""
        self._close()
        self._count(self, now)

    def taken(self, now: float) -> None:
        """The body is owed to its destinations now."""
        if self.missed:
            self._taken(self, now)

    def _close(self) -> None:
        """A span that came in pieces is whole now."""
        span = self._giant.take()
        if span is None:
            return
        self._meet = self._known.routes.met + 1
        self._spans((span,))
        self._hear(lambda: [(span,)])
        self._mark()

    def _scopes(self, level: Level, first: bool, message: Any) -> Iterator[Iterable[Any]]:
        """The spans of each scope, with `_service` and `_scope` set to theirs."""
        if level is Level.REQUEST:
            for resource in message.resource_spans:
                if scopes := resource.scope_spans:
                    self._resource(resource)
                    yield from self._scoped(scopes)
        elif level is Level.RESOURCE_SPANS:
            if first or message.HasField("resource"):
                self._resource(message)
            yield from self._scoped(message.scope_spans)
        elif level is Level.SCOPE_SPANS:
            if first or message.HasField("scope"):
                self._scope = message.scope.name
            yield message.spans

    def _scoped(self, scopes: Iterable[Any]) -> Iterator[Iterable[Any]]:
        for scope in scopes:
            if spans := scope.spans:
                self._scope = scope.scope.name
                yield spans

    def _resource(self, resource_spans: Any) -> None:
        """Whose spans come next. The version is read of the file's own service alone."""
        attributes = resource_spans.resource.attributes
        name = self._known.service.read(attributes)
        self._service = name if name and isinstance(name, str) else _UNKNOWN
        if self._service == self.asked.service:
            version = self._known.version.read(attributes)
            self.version = version if isinstance(version, str) else self.version

    def _spans(self, spans: Iterable[Any]) -> None:  # noqa: C901, PLR0912 - a call costs more than a branch here
        """The hot path: each line is paid for by every span of the service."""
        kept, late = self.asked.kept, self._late
        lanes, heed = self._here(), self._known.heeds.of(self._scope)
        skip = heed.skip
        for span in spans:
            if span.events:
                self._told.append((span, self._service))
            kind = span.kind
            lane = lanes.get(kind)
            if lane is None:
                continue
            name = span.name
            row = lane.get(name) or lane.find(name, span)
            if row is NOTHING:
                continue
            durations, status = row.durations, span.status.code
            start, end = span.start_time_unix_nano, span.end_time_unix_nano
            took = end - start
            if start and 0 <= took <= LONGEST:
                place = bisect_left(durations.bounds, took)
                durations.total += took
                if kept is None or kept(span.trace_id, span.trace_state):
                    durations.newest[place] = span
            else:
                place, end = durations.untold, late
                self.untimed += 1
            if status == UNSET and kind == SERVER:
                if skip:
                    skip -= 1
                else:
                    status = ERROR if heed.hidden(span.attributes) else UNSET
                    skip = heed.skip
            if status == ERROR:
                if durations.newest.get(place) is span:
                    durations.newest[place + durations.failed] = span
                place += durations.failed
                row.errors += 1
            else:
                row.ok += 1
            durations.counts[place] += 1
            if end < late:
                durations.count_late(place)
        heed.skip = skip

    def _hear(self, scopes: Callable[[], Iterable[Iterable[Any]]]) -> None:
        """Exceptions of this piece, with the route of a request of their trace: it comes along, as it ends last."""
        told, self._told = self._told, []
        heard, room = [], _EVENTS
        for span, service in told:
            if room <= 0:
                break
            if found := exceptions_of(span, room):
                heard.append((span, service, found))
            room -= len(span.events)
        routes: dict[bytes, str] = {}
        for spans in scopes() if heard else ():
            lanes = self._here()
            for span in spans:
                if span.kind in KINDS.values() and (lane := lanes.get(span.kind)):
                    row = lane.get(span.name) or lane.find(span.name, span)
                    routes[span.trace_id] = row.route
        kept = self.asked.kept
        for span, service, found in heard:
            trace = span.trace_id
            sampled = len(trace) == 16 and (kept is None or kept(trace, span.trace_state))
            self.thrown.add(found, routes.get(trace, ""), service, trace if sampled else None)

    def _mark(self) -> None:
        for durations in self.durations.values():
            durations.mark()
        for row in self.calls.values():
            row.durations.mark()

    def _here(self) -> Mapping[int, Lane]:
        """The lanes of this service and scope, by kind."""
        here = self._service, self._scope
        lanes = self._lanes.get(here)
        if lanes is None and len(self._lanes) >= _SCOPES:
            here = OTHER, ""
            lanes = self._lanes.get(here)
        if lanes is None:
            lanes = self._lanes[here] = self._new_lanes(*here)
        return lanes

    def _new_lanes(self, service: str, scope: str) -> Mapping[int, Lane]:
        lanes = {KINDS[kind]: Lane(partial(self._request, service, kind)) for kind in self.asked.kinds}
        lanes[CLIENT] = Lane(partial(self._call, scope))
        return lanes

    def _request(self, service: str, kind: str, name: str, span: Any) -> tuple[Row, bool]:
        route, always = self._known.routes.of(name, span, new=self._known.routes.met < self._meet)
        key = service, kind, route
        row = self.requests.get(key)
        if row is None:
            if len(self.requests) >= _ROUTES:
                service, route = OTHER, OTHER
            series = service, kind, route if (kind, route) in self.asked.named else ""
            durations = self.durations.get(series)
            if durations is None:
                durations = self.durations[series] = Durations(self.asked.timings.bounds)
            row = self.requests.setdefault((service, kind, route), Row(route, durations))
        return row, always

    def _call(self, scope: str, name: str, span: Any) -> tuple[Row, bool]:
        peer, always = self._known.sources.peer(scope, name, span)
        if peer is None:
            return NOTHING, always
        row = self.calls.get(peer)
        if row is None:
            if len(self.calls) >= _PEERS:
                peer = OTHER, OTHER
            row = self.calls.setdefault(peer, Row("", Durations(BOUNDS)))
        return row, always
