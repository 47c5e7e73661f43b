"""`maintenance`: when a probe may fail without anybody being disturbed."""

from collections.abc import Iterable
from datetime import UTC
from typing import Annotated, Literal

from msgspec import Meta, field

from config.options import Options
from config.sections.names import Name
from config.types import Duration
from config.types.calendar import Moment, TimeOfDay, Zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_UTC = Zone("UTC", UTC)


class Window(Options, frozen=True, kw_only=True):
    """A window that comes back on days of the week, or one that comes once."""

    #: On which days it starts, where its time zone is. Left out: every day.
    days: Annotated[tuple[Day, ...], Meta(min_length=1, description="days of the week: [mon, tue]")] = ()
    #: When it starts on a clock of its time zone. A time that the clocks skip is the first moment after it; of a time
    #: that they show twice it is the first.
    start: TimeOfDay | None = None
    #: How long it lasts from then on, whatever the clocks do.
    duration: Annotated[Duration, Meta(ge=1, le=86400)] | None = None
    timezone: Zone = _UTC
    #: With `until`, instead of all of the above: a window that comes once.
    from_: Moment | None = field(default=None, name="from")
    until: Moment | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Either kind is whole, and has nothing of the other."""
        if self.from_ is None and self.until is None:
            if self.start is None:
                yield "", "needs the key `start`: a time of day such as 22:30 (or `from` and `until`, if it comes once)"
            if self.duration is None:
                yield "", "needs the key `duration`: how long it lasts, such as 2h"
            return
        other = {"days": self.days, "start": self.start, "duration": self.duration}
        for key in (*(key for key, value in other.items() if value), *["timezone"] * (self.timezone != _UTC)):
            yield key, "is for a window that comes back, and this one comes once; leave it out, or `from` and `until`"
        if self.from_ is None:
            yield "", "needs the key `from`: a moment before `until`"
        elif self.until is None:
            yield "", "needs the key `until`: a moment after `from`"
        elif self.until <= self.from_:
            yield "until", f"{self.until} is not after `from`; write a moment after {self.from_}"


class Maintenance(Window, frozen=True, kw_only=True):
    """One window under a name."""

    #: Whose failing does not matter meanwhile. Left out: every probe's.
    probes: Annotated[tuple[Name, ...], Meta(min_length=1, description="names of probes: [orders-db]")] = ()
