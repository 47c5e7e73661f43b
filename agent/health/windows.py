"""When a maintenance window is open, where clocks are put forward and back. Pure; times are Unix seconds.

A window starts at its time of day on a clock of its zone and lasts its duration, whatever the clocks do meanwhile. A
time that the clocks skip is the first moment after the gap; of a time that they show twice it is the first.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from config.sections import maintenance as section
from config.types import Duration

_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Days around the present one whose windows may be open now: one of 24 hours that began two days ago is, after a day
#: of 23 hours. And those that may come next: the same day of the next week.
_DAYS = range(-2, 9)


class Span(NamedTuple):
    """From `start` on, until just before `end`."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Once:
    """A window that comes once."""

    span: Span

    def near(self, at: float) -> Iterator[Span]:
        """The only one there is."""
        yield self.span

    def sentence(self) -> str:
        """When it is."""
        return f"from {utc(self.span.start)} until {utc(self.span.end)}"


@dataclass(frozen=True, slots=True)
class Weekly:
    """A window that comes back: `days` counts from Monday, 0."""

    days: frozenset[int]
    start: time
    duration: float
    zone: tzinfo

    def near(self, at: float) -> Iterator[Span]:
        """The spans that may be open then, and the next one; in their order."""
        today = datetime.fromtimestamp(at, self.zone).date()
        for day in (today + timedelta(days=number) for number in _DAYS):
            if day.weekday() in self.days:
                start = first_moment(datetime.combine(day, self.start), self.zone)
                yield Span(start, start + self.duration)

    def sentence(self) -> str:
        """When it is."""
        days = ", ".join(_WEEK[day] for day in sorted(self.days)) if len(self.days) < len(_WEEK) else "every day"
        return f"{days} at {self.start.isoformat('minutes')} {self.zone} for {Duration(self.duration)}"


Window = Once | Weekly


def window(written: section.Window) -> Window:
    """What an entry of the file means."""
    if written.from_ is not None and written.until is not None:
        return Once(Span(float(written.from_), float(written.until)))
    assert written.start is not None and written.duration is not None  # noqa: S101, PT018 - the section refused others
    days = frozenset(_WEEK.index(day) for day in written.days or _WEEK)
    return Weekly(days, written.start.time, float(written.duration), written.timezone.zone)


def current(window: Window, at: float) -> Span | None:
    """The span that is open at that moment; of two the one that lasts longer."""
    return max(
        (span for span in window.near(at) if span.start <= at < span.end), key=lambda span: span.end, default=None
    )


def upcoming(window: Window, at: float) -> Span | None:
    """The next span that starts after that moment; None when there is none."""
    return next((span for span in window.near(at) if span.start > at), None)


def edge(window: Window, at: float) -> float:
    """The next moment after that one when it may open or close; infinity when it never will."""
    return min((moment for span in window.near(at) for moment in span if moment > at), default=math.inf)


def sentence(window: Window, at: float) -> str:
    """When the window is, and when it opens or closes next, on its own clock and in UTC."""
    if span := current(window, at):
        return f"{window.sentence()}; open now, until {_both(window, span.end)}"
    if span := upcoming(window, at):
        return (
            window.sentence() if isinstance(window, Once) else f"{window.sentence()}; next {_both(window, span.start)}"
        )
    return f"{window.sentence()}; it is over"


def utc(at: float) -> str:
    """A moment for people, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def first_moment(local: datetime, zone: tzinfo) -> float:
    """When clocks in that zone show this time, or the first moment after it when they skip it."""
    first, second = local.replace(tzinfo=zone), local.replace(tzinfo=zone, fold=1)
    # PEP 495: in a gap the first reads the clock as before it, and lies after it; the second the other way round.
    late, early = int(first.timestamp()), int(second.timestamp())
    while early < late:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None, fold=0) < local:
            early = middle + 1
        else:
            late = middle
    return float(late)


def _both(window: Window, at: float) -> str:
    if isinstance(window, Once) or window.zone is UTC:
        return utc(at)
    return f"{datetime.fromtimestamp(at, window.zone):%Y-%m-%d %H:%M %Z} ({utc(at)})"
