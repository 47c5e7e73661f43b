"""Who is in maintenance: by the windows of the file, and by those that a person asked for. Pure.

Times are Unix seconds: windows are a matter of calendars. One that was asked for starts and ends on the same clock; if
that is put back, it ends early rather than late.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agent.health.windows import Span, Window, current, edge, sentence, utc, window
from config.sections import maintenance as section

MOST_ASKED = 64  #: at once

_EVERY = ""  # no probe has this name
_NONE = (-math.inf, "")


class TooMany(Exception):  # noqa: N818 - the answer to a request
    """As many as there may be were asked for already."""


@dataclass(frozen=True, slots=True)
class Written:
    """A window of the file. `name` is "" for one of a probe's own; `probes` is empty for all."""

    name: str
    probes: tuple[str, ...]
    window: Window

    def sentence(self, at: float) -> str:
        """Whose failing does not matter, and when; with what comes next as seen from `at`."""
        name = f" {self.name}" if self.name else ""
        return f"Maintenance{name} of {whose(self.probes)}: {sentence(self.window, at)}."


@dataclass(frozen=True, slots=True)
class Asked:
    """A window that a person asked for, and why; `probes` is empty for all."""

    id: str
    probes: tuple[str, ...]
    span: Span
    reason: str
    by: str

    @property
    def text(self) -> str:
        """Why, who and how long."""
        return f"{self.reason}, asked for by {self.by}, until {utc(self.span.end)}"


class Maintenance:
    """All windows. What they amount to is worked out when one opens or closes, and looked up in between."""

    def __init__(self, written: Iterable[Written] = ()) -> None:
        self._asked: dict[str, Asked] = {}
        self.configure(written)

    def configure(self, written: Iterable[Written]) -> None:
        """Put the windows of another file in force; those that were asked for stay."""
        self.written = tuple(written)
        self._forget()

    def why(self, at: float, probe: str) -> str:
        """Which window a probe is in at that moment, until when; "" when in none. Cheap: asked for every verdict."""
        if not self._since <= at < self._until:
            self._look(at)
        return max(self._open.get(probe, _NONE), self._open.get(_EVERY, _NONE))[1]

    def ask(self, asked: Asked) -> None:
        """Open one more. Raises TooMany."""
        if len(self.asked(asked.span.start)) >= MOST_ASKED:
            raise TooMany
        self._asked[asked.id] = asked
        self._forget()

    def end(self, id_: str, at: float) -> Asked | None:
        """Close one that was asked for; None when there is none of that name any more."""
        self.asked(at)
        self._forget()
        return self._asked.pop(id_, None)

    def asked(self, at: float) -> tuple[Asked, ...]:
        """Those that were asked for and are not over, the oldest first."""
        self._asked = {id_: each for id_, each in self._asked.items() if at < each.span.end}
        return tuple(self._asked.values())

    def _forget(self) -> None:
        self._since, self._until = math.inf, -math.inf
        self._open: dict[str, tuple[float, str]] = {}  # probe -> (end, text) of the window that lasts longest

    def _look(self, at: float) -> None:
        self._open = {}
        for probes, span, text in self._spans(at):
            for probe in probes or (_EVERY,):
                self._open[probe] = max(self._open.get(probe, _NONE), (span.end, text))
        moments = [moment for each in self._asked.values() for moment in each.span if moment > at]
        self._since, self._until = (
            at,
            min((*moments, *(edge(each.window, at) for each in self.written)), default=math.inf),
        )

    def _spans(self, at: float) -> Iterator[tuple[tuple[str, ...], Span, str]]:
        """Everything that is open."""
        for each in self.written:
            if span := current(each.window, at):
                until = f"until {utc(span.end)}"
                yield each.probes, span, f"{each.name}, {until}" if each.name else until
        for asked in self.asked(at):
            if asked.span.start <= at:
                yield asked.probes, asked.span, asked.text


def written(
    windows: Mapping[str, section.Maintenance], of_probes: Mapping[str, Iterable[section.Window]]
) -> tuple[Written, ...]:
    """All windows of a file: those under `maintenance`, and those of each probe."""
    named = [Written(name, each.probes, window(each)) for name, each in windows.items()]
    own = [Written("", (probe,), window(each)) for probe, entries in of_probes.items() for each in entries]
    return (*named, *own)


def whose(probes: tuple[str, ...]) -> str:
    """Probes in words."""
    return ", ".join(probes) or "all probes"
