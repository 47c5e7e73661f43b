"""What one body has: requests by route, and calls of databases by peer, each with the durations of its series."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

_NAMES = 1000  # remembered in one body of each service, scope and kind

RequestKey = tuple[str, str, str]  #: service, kind, route


class Mark(NamedTuple):
    """The newest sampled span of a bucket, or of those of a bucket that failed; times in nanoseconds."""

    trace_id: bytes
    span_id: bytes
    took: int
    end: int


class Durations:
    """Of one series in one body: counts by bucket, of what ended well; then, from `failed` on, of what did not.

    The bucket after the last, `untold`, is of those whose duration nobody can tell. `total` is in nanoseconds.
    """

    __slots__ = ("bounds", "counts", "failed", "late", "marks", "newest", "total", "untold")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.untold = len(bounds) + 1
        self.failed = self.untold + 1
        self.counts = [0] * (2 * self.failed)
        self.late: Counter[int] | None = None
        self.total = 0
        self.newest: dict[int, Any] = {}  #: sampled spans by place in `counts`, while their piece is seen
        self.marks: dict[int, Mark] = {}  #: what is kept of those

    def count_late(self, place: int) -> None:
        """One of those that were counted is late."""
        self.late = self.late or Counter()
        self.late[place] += 1

    def mark(self) -> None:
        """Keep times and ids of the newest spans, and let the spans go: each holds its whole piece in memory."""
        for place, span in self.newest.items():
            trace, own, end = span.trace_id, span.span_id, span.end_time_unix_nano
            if len(trace) == 16 and len(own) == 8:
                self.marks[place] = Mark(trace, own, end - span.start_time_unix_nano, end)
        self.newest.clear()

    def timed(self) -> list[int]:
        """Counts by bucket of all whose duration is known."""
        failed = self.counts[self.failed : -1]
        return [ok + bad for ok, bad in zip(self.counts, failed, strict=False)]

    def on_time(self) -> list[int]:
        """Counts of those that are not late, as in `counts`."""
        late = self.late
        return [count - late[place] for place, count in enumerate(self.counts)] if late else self.counts


class Row:
    """The requests of one service, kind and route; or the calls of one peer."""

    __slots__ = ("durations", "errors", "ok", "route")

    def __init__(self, route: str, durations: Durations) -> None:
        self.route = route
        self.durations = durations
        self.ok = 0
        self.errors = 0


#: Of spans that are neither a request nor a call of a database.
NOTHING = Row("", Durations(()))


class Lane:
    """Spans of one service, scope and kind.

    `get` gives the row that a span's name alone tells, or None; `find` that of any other, and learns it where the name
    tells it from now on.
    """

    __slots__ = ("_find", "_names", "get")

    def __init__(self, find: Callable[[str, Any], tuple[Row, bool]]) -> None:
        self._names: dict[str, Row] = {}
        self._find = find
        self.get = self._names.get

    def find(self, name: str, span: Any) -> Row:
        """The row of a span that `get` does not know."""
        row, always = self._find(name, span)
        if always and len(self._names) < _NAMES:
            self._names[name] = row
        return row
