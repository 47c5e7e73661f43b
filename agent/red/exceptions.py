"""Exceptions that spans tell of, in groups that a person can read: what, where, since when, and traces to look at."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from agent.red.caps import OTHER, Cap
from agent.red.group import Group
from agent.red.names import label
from agent.red.thrown import TRACES, Place, Told
from config.net.text import clean as printable
from exporters.base import Sample

GROUPS = 100  #: remembered; the one that was not seen for longest makes room
TYPES = 1000  #: whose first sight is remembered
COUNTED = 100  #: pairs of type and route with a series of their own
MESSAGE = 500  #: characters of a message that are kept


class Exceptions:
    """All groups, and the counts by type and route, which no eviction lowers."""

    def __init__(self) -> None:
        self._groups: dict[Place, Group] = {}  # the one seen last comes last
        self._types: dict[str, float] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._cap = Cap(COUNTED, "pairs of exception type and route", "The newest are told apart in the API still.")

    def add(self, place: Place, told: Told, now: float, clean: Callable[[str], str]) -> Group:
        """What one body had of a group; returns the group as it is now. `clean` takes secrets out of the message."""
        type_, route, service = label(place[0]), place[1], label(place[2])
        place = type_, route, service
        pair = (type_, route) if self._cap.admits((type_, route), type_) else (OTHER, OTHER)
        self._counts[pair] = self._counts.get(pair, 0) + told.count
        self._types[type_] = self._types.pop(type_, now)
        old = self._groups.pop(place, None) or Group(type_, route, service, 0, now, now, "")
        traces = tuple(one.hex() for one in told.traces)
        group = self._groups[place] = replace(
            old,
            count=old.count + told.count,
            last_seen=now,
            message=printable(clean(told.message), MESSAGE) or old.message,
            traces=(*(one for one in old.traces if one not in traces), *traces)[-TRACES:],
        )
        if len(self._groups) > GROUPS:
            del self._groups[next(iter(self._groups))]
        if len(self._types) > TYPES:
            del self._types[next(iter(self._types))]
        return group

    def groups(self) -> list[Group]:
        """The newest first."""
        return [*reversed(self._groups.values())]

    def new_since(self, moment: float) -> list[Group]:
        """Groups whose type was not seen before that moment (Unix seconds), newest first."""
        return [group for group in self.groups() if self._types.get(group.type, group.first_seen) >= moment]

    def say(self, tell: Callable[[str], None]) -> None:
        """Tell of pairs that found no room."""
        self._cap.say(tell)

    def samples(self) -> Iterable[Sample]:
        """Counts by type and route."""
        for labels, count in self._counts.items():
            yield Sample(labels, count)
