"""`slos`: what was promised, and when somebody is called."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, field

from config.options import Options
from config.sections.names import Line, Name, RunbookUrl
from config.types import Duration, Ratio


class Sli(Options, frozen=True, kw_only=True):
    """What is counted as good or bad."""

    #: Availability of this probe: passed and warning time is good, failed time is bad.
    probe: Name


class SloAlerts(Options, frozen=True, kw_only=True):
    """When a fast burn becomes an alert."""

    #: Bad events needed at least: one flap and one retry never page.
    min_bad: Annotated[int, Meta(ge=1, le=1000)] = 3
    #: Events needed at least, good and bad.
    min_events: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    #: How long the burn must hold before the alert fires.
    for_: Annotated[Duration, Meta(le=86400)] = field(default=Duration(0), name="for")
    #: How long the alert goes on after the burn ended: the short window.
    keep_firing_for: Annotated[Duration, Meta(le=86400)] = Duration(300)


class Slo(Options, frozen=True, kw_only=True):
    """One objective over one rolling window."""

    objective: Ratio
    window: Annotated[Duration, Meta(ge=86400, le=90 * 86400)] = Duration(30 * 86400)
    sli: Sli
    description: Line = ""
    runbook_url: RunbookUrl = ""
    alerts: SloAlerts = SloAlerts()

    def problems(self) -> Iterable[tuple[str, str]]:
        """An objective leaves some budget, and asks for something."""
        if not 0 < self.objective.value < 1:
            yield "objective", f"{self.objective} is no objective; write one above 0% and below 100%, such as 99.9%"
