"""Calls of databases, by system and peer: what the service's own client spans say, beside what the probe sees."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent.red.attributes import Spot, find
from agent.red.caps import OTHER, Cap
from agent.red.names import label
from agent.red.rows import Row
from agent.red.timings import Timing, nanoseconds
from exporters.base import Histogram, Sample
from exporters.contract import DATABASE_BUCKETS, METRICS, Metric

PEERS = 20  #: with their own name
STEADY = 1000  #: spans that went to one peer, one after the other, before only one of each body is looked at
_REMEMBERED = 2048  # names of spans
_LONGEST = 500  # characters of what is remembered

Peer = tuple[str, str]  #: system, and address[:port]

BOUNDS = tuple(nanoseconds(bound) for bound in DATABASE_BUCKETS[:-1])
SYSTEM = ("db.system.name", "db.system")
ADDRESS = ("server.address", "net.peer.name")
PORT = ("server.port", "net.peer.port")


class Source:
    """Spans of one scope and name: they call one system, or none; peers may differ."""

    __slots__ = ("_address", "_port", "_same", "_system", "_where", "peer")

    def __init__(self, system: str) -> None:
        self.peer: Peer | None = None
        self._system = system
        self._address = Spot(*ADDRESS)
        self._port = Spot(*PORT)
        self._where: tuple[str | int | None, str | int | None] | None = None
        self._same = 0

    @property
    def steady(self) -> bool:
        """Whether it has had one peer for so long that a look now and then is enough: the look is half of the cost."""
        return not self._system or self._same >= STEADY

    def look(self, attributes: Any) -> None:
        """Set `peer` to where this span went."""
        if not self._system:
            return
        where = self._address.read(attributes), self._port.read(attributes)
        self._same += 1
        if where != self._where:
            self._where, self._same = where, 0
            self.peer = self._system, label(_written(*where))


class Sources:
    """Which client spans are calls of databases: a scope and a name decide that once."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str], Source] = {}

    def peer(self, scope: str, name: str, span: Any) -> tuple[Peer | None, bool]:
        """Where a span went (None: to no database), and whether its name tells so for the rest of the body."""
        source = self._sources.get((scope, name))
        if source is None:
            system = find(span.attributes, *SYSTEM)
            source = Source(label(system) if isinstance(system, str) else "")
            if len(self._sources) >= _REMEMBERED:
                self._sources.clear()
            if len(scope) + len(name) <= _LONGEST:
                self._sources[scope, name] = source
        source.look(span.attributes)
        return source.peer, source.steady


class Calls:
    """One peer's series."""

    __slots__ = ("errors", "ok", "timing")

    def __init__(self) -> None:
        self.ok = 0
        self.errors = 0
        self.timing = Timing(len(DATABASE_BUCKETS))


class Databases:
    """All peers."""

    def __init__(self) -> None:
        self._cap = Cap(PEERS, "databases are called", "Their calls are counted, not told apart.")
        self._calls: dict[Peer, Calls] = {}

    def add(self, rows: Mapping[Peer, Row]) -> None:
        """What one body had."""
        for peer, row in rows.items():
            own = peer if self._cap.admits(peer, " at ".join(peer)) else (OTHER, OTHER)
            calls = self._calls.get(own)
            if calls is None:
                calls = self._calls[own] = Calls()
            calls.ok += row.ok
            calls.errors += row.errors
            calls.timing.add(row.durations)

    def say(self, tell: Callable[[str], None]) -> None:
        """Tell of peers that found no room."""
        self._cap.say(tell)

    def samples(self) -> Iterable[tuple[str | Metric, Iterable[Sample | Histogram]]]:
        """Counts and durations."""
        yield "outrider_span_database_requests_total", self._counts()
        timings = ((peer, calls.timing) for peer, calls in self._calls.items())
        yield METRICS["outrider_span_database_duration_seconds"], (timing.histogram(peer) for peer, timing in timings)

    def _counts(self) -> Iterable[Sample]:
        for peer, calls in self._calls.items():
            yield Sample((*peer, "ok"), calls.ok)
            yield Sample((*peer, "error"), calls.errors)


def _written(address: str | int | None, port: str | int | None) -> str:
    host = str(address or "")
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
