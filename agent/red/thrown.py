"""What one body says of exceptions: raw, as nothing counts before the body is known to be valid."""

from itertools import islice
from typing import Any

from agent.red.attributes import LIMIT, find
from agent.red.caps import OTHER

TYPE_KEY, MESSAGE_KEY = "exception.type", "exception.message"
UNKNOWN = "unknown"  #: the type of an exception that does not say its own
READ = 2000  #: characters of a message, before it is cleaned
TRACES = 3  #: remembered of each group, the newest
_TYPE = 200  # characters of a type
_GROUPS = 100  # of one body

Place = tuple[str, str, str]  #: type, route, service


def is_exception(event: Any) -> bool:
    """Whether an event of a span is one."""
    return bool(event.name == "exception")


def exceptions_of(span: Any, limit: int) -> list[tuple[str, str]]:
    """Type and message of each exception among the first `limit` events of a span."""
    return [
        (
            str(find(event.attributes, TYPE_KEY) or UNKNOWN)[:_TYPE],
            str(find(event.attributes, MESSAGE_KEY) or "")[:READ],
        )
        for event in islice(span.events, max(0, min(limit, LIMIT)))
        if is_exception(event)
    ]


class Told:
    """Exceptions of one group; `traces` are ids of sampled ones."""

    __slots__ = ("count", "message", "traces")

    def __init__(self) -> None:
        self.count = 0
        self.message = ""
        self.traces: list[bytes] = []


class Thrown:
    """Exceptions of one body by group."""

    def __init__(self) -> None:
        self.groups: dict[Place, Told] = {}

    def add(self, found: list[tuple[str, str]], route: str, service: str, trace: bytes | None) -> None:
        """Those of one span; `trace`: its trace, if that is sampled."""
        for type_, message in found:
            place = type_, route, service
            if place not in self.groups and len(self.groups) >= _GROUPS:
                place = OTHER, "", OTHER
            group = self.groups.setdefault(place, Told())
            group.count += 1
            group.message = message or group.message
            if trace is not None and trace not in group.traces:
                group.traces = [*group.traces[1 - TRACES :], trace]
