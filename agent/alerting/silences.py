"""Silences: for a while nobody is told of the alerts that a person names. They change nothing but who is told. Pure.

Times are Unix seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from agent.alerting.matchers import Matcher

MOST = 200  #: at once
MOST_MATCHERS = 20


class Where(StrEnum):
    """Who keeps a silence."""

    HERE = "outrider"
    ALERTMANAGER = "alertmanager"


class TooMany(Exception):  # noqa: N818 - the answer to a request
    """As many as there may be are in force already."""


class Unreachable(Exception):  # noqa: N818 - the answer to a request
    """Silences are kept by somebody who does not answer, or refuses; says who and why."""


@dataclass(frozen=True, slots=True)
class Silence:
    """From `starts` until `ends` nobody is told of an alert that meets all matchers."""

    id: str
    matchers: tuple[Matcher, ...]
    starts: float
    ends: float
    by: str
    why: str
    where: Where = Where.HERE

    def active(self, at: float) -> bool:
        """Whether it is in force at that moment."""
        return self.starts <= at < self.ends

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether it is for an alert with these labels."""
        return all(matcher.fits(labels) for matcher in self.matchers)


def problem(matchers: Sequence[Matcher]) -> str:
    """What is wrong with them together; "" when nothing is."""
    if not matchers:
        return "has no matcher; write at least one, such as slo=orders"
    if len(matchers) > MOST_MATCHERS:
        return f"has more than {MOST_MATCHERS} matchers"
    if all(matcher.fits({}) for matcher in matchers):
        return 'would fit every alert; add one that needs a label, such as slo=orders, or alertname=~".+" to mean it'
    return ""


class Silences:
    """Those that are not over, by id."""

    def __init__(self) -> None:
        self._kept: dict[str, Silence] = {}

    def every(self, at: float) -> tuple[Silence, ...]:
        """All that are not over, in the order they were made."""
        self._kept = {id_: each for id_, each in self._kept.items() if at < each.ends}
        return tuple(self._kept.values())

    def matching(self, labels: Mapping[str, str], at: float) -> Silence | None:
        """The one in force for these labels that lasts longest; None when nothing silences them."""
        found = (each for each in self._kept.values() if each.active(at) and each.fits(labels))
        return max(found, key=lambda each: each.ends, default=None)

    def add(self, silence: Silence, at: float) -> None:
        """One more, or another in place of that of the same id. Raises TooMany."""
        if silence.id not in self._kept and len(self.every(at)) >= MOST:
            raise TooMany
        self._kept[silence.id] = silence

    def end(self, id_: str, at: float) -> Silence | None:
        """End one now; None when there is none of this id any more."""
        self.every(at)
        return self._kept.pop(id_, None)

    def restore(self, kept: Iterable[Silence]) -> None:
        """Go on with those that an earlier process knew."""
        self._kept = {each.id: each for each in kept}

    def mirror(self, elsewhere: Iterable[Silence]) -> bool:
        """Put what somebody else keeps in the place of what was known of it; whether that changed anything."""
        here = {id_: each for id_, each in self._kept.items() if each.where is Where.HERE}
        before, self._kept = self._kept, here | {each.id: each for each in elsewhere}
        return before != self._kept


class Keeper(Protocol):
    """Who makes and ends silences: the agent itself, or an Alertmanager. Times are those of the request."""

    async def ask(self, silence: Silence, at: float) -> Silence:
        """Make it; returns it as it is kept. Raises TooMany or Unreachable."""

    async def end(self, id_: str, at: float) -> Silence | None:
        """End one; None when there is none of this id any more. Raises Unreachable."""


class Here:
    """The agent keeps them itself."""

    def __init__(self, silences: Silences | None = None) -> None:
        self.silences = silences or Silences()

    async def ask(self, silence: Silence, at: float) -> Silence:
        """Make it. Raises TooMany."""
        self.silences.add(silence, at)
        return silence

    async def end(self, id_: str, at: float) -> Silence | None:
        """End one; None when there is none of this id any more."""
        return self.silences.end(id_, at)
