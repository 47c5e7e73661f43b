"""The other replicas as this one knows them: who told what, and how long ago. Pure: times are arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

FRESH_REFRESHES = 3  #: a view is believed for so many refreshes after it was heard
MEMBER_REFRESHES = 15  #: a replica counts as one of us for so many: each round asks only some of a large fleet


class Attempted(NamedTuple):
    """One attempt of another replica. `started` is on this process's monotonic clock, rather early than late."""

    started: float
    passed: bool


class Word(StrEnum):
    """What a replica knows of one alert. ANNOUNCED: it fires, and the receivers have heard so."""

    FIRING = "firing"
    ANNOUNCED = "announced"
    ENDING = "ending"  # it is over here, and the receivers have not heard so
    RESOLVED = "resolved"


class Told(NamedTuple):
    """What another replica said of one alert, and for how many seconds that had been so.

    `started`: the Unix time that the receivers were told as its start; None where that is not known. No clock is
    compared with it: it is said again as it was said.
    """

    word: Word
    age: float
    started: float | None = None


@dataclass(frozen=True, slots=True)
class PeerView:
    """What one other replica said.

    `heard`: monotonic time at which its answer was asked for. `wants_out`: it would leave for a shared reason, if the
    brake let it. `attempts`: of each probe that it shares, oldest first. `alerts`: by their keys.
    """

    identity: str
    heard: float
    wants_out: bool = False
    attempts: Mapping[str, tuple[Attempted, ...]] = field(default_factory=dict)
    alerts: Mapping[str, Told] = field(default_factory=dict)


class Company(NamedTuple):
    """How many other replicas there are, how many views of them are believed, and whether this one is on its own."""

    known: int
    fresh: int
    isolated: bool


@dataclass(slots=True)
class Fleet:
    """Who there is beside us. `hear` and `count` write; everything else reads. `refresh` None: nobody is asked."""

    identity: str
    refresh: float | None = None
    _views: dict[str, PeerView] = field(default_factory=dict)
    _others: int = 0
    _counted: float | None = None  # when somebody was last known to exist while nobody was yet heard

    def configure(self, refresh: float | None) -> None:
        """Ask every `refresh` seconds, or nobody; what was heard stays as long as it is fresh."""
        self.refresh = refresh
        if refresh is None:
            self._views.clear()
            self._others, self._counted = 0, None

    def hear(self, view: PeerView) -> None:
        """Take one view in. The own one is dropped: it would be our own voice."""
        if view.identity == self.identity or self.refresh is None:
            return
        before = self._views.get(view.identity)
        if before is None or before.heard <= view.heard:
            self._views[view.identity] = view

    def leave(self, identity: str) -> None:
        """This replica is no more; what it said counts no longer."""
        self._views.pop(identity, None)

    def count(self, others: int, now: float) -> None:
        """So many other replicas are known to exist, by the name, the list or the index they are found with."""
        self._others = others
        if others == 0:
            self._counted = None
        elif self._counted is None:
            self._counted = now

    def fresh(self, now: float) -> list[PeerView]:
        """The views that are believed now."""
        return self._within(now, FRESH_REFRESHES)

    def members(self, now: float) -> list[PeerView]:
        """Everyone heard lately: whoever is silent for a moment is still one of us."""
        found = self._within(now, MEMBER_REFRESHES)
        if len(found) < len(self._views):
            self._views = {view.identity: view for view in found}
        return found

    def size(self, now: float) -> int:
        """How many replicas there are, this one included."""
        return 1 + max(self._others, len(self.fresh(now)))

    def company(self, now: float) -> Company | None:
        """Who there is, in numbers; None where nobody is asked."""
        if self.refresh is None:
            return None
        return Company(self.size(now) - 1, len(self.fresh(now)), self.isolated(now))

    def isolated(self, now: float) -> bool:
        """Whether others are known to exist and none has answered for three refreshes."""
        if self.refresh is None or self._counted is None or self.fresh(now):
            return False
        heard = [view.heard for view in self._views.values()]
        return now - max([self._counted, *heard]) > FRESH_REFRESHES * self.refresh

    def _within(self, now: float, refreshes: int) -> list[PeerView]:
        if self.refresh is None:
            return []
        return [view for view in self._views.values() if now - view.heard <= refreshes * self.refresh]
