"""`slos`: what was promised, and when somebody is called."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from config.options import Options
from config.sections.names import Line, RunbookUrl
from config.sections.sli import Sli
from config.types import Duration, Ratio

SLOTTED = 6 * 3600  #: seconds; longer windows are counted in steps of five minutes


class AlertWindows(Options, frozen=True, kw_only=True):
    """A pair of windows: it fires while the burn rate over both is above the factor."""

    #: Says that it matters.
    long: Annotated[Duration, Meta(ge=10, le=90 * 86400)]
    #: Says that it still goes on.
    short: Annotated[Duration, Meta(ge=5, le=90 * 86400)]
    #: Burn rate: 1 spends the budget exactly in the objective's window.
    factor: Annotated[float, Meta(ge=0.001, le=1_000_000)]
    #: `page` wakes a person, `ticket` waits for the morning.
    severity: Literal["page", "ticket"] = "page"

    def problems(self) -> Iterable[tuple[str, str]]:
        """The short one is shorter, and both can be cut into slots."""
        if self.short >= self.long:
            yield "short", f"{self.short} is not shorter than the long window of {self.long}; write a twelfth of it"
        for key, length in (("long", self.long), ("short", self.short)):
            step = Duration(300 if length > SLOTTED else 5)
            if length % step:
                yield key, f"{length} is not a whole number of steps of {step}; write a multiple of {step}"


class SloAlerts(Options, frozen=True, kw_only=True):
    """When a fast burn becomes an alert."""

    #: Pairs of windows in the place of the four of the SRE workbook.
    windows: Annotated[tuple[AlertWindows, ...], Meta(max_length=8)] = ()

    #: Bad events needed at least: one flap and one retry never page.
    min_bad: Annotated[int, Meta(ge=1, le=1000)] = 3
    #: Events needed at least, good and bad.
    min_events: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    #: How long the burn must hold before the alert fires.
    for_: Annotated[Duration, Meta(le=86400)] = field(default=Duration(0), name="for")
    #: How long the alert goes on after the burn ended. Left out: the short window of the pair that fired.
    keep_firing_for: Annotated[Duration, Meta(le=86400)] | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Each pair stands there once."""
        named = [(each.severity, each.long, each.short) for each in self.windows]
        for index, name in enumerate(named):
            if name in named[:index]:
                yield f"windows[{index}]", "stands there twice; leave one of them out"


class Slo(Options, frozen=True, kw_only=True):
    """One objective over one rolling window."""

    objective: Ratio
    window: Annotated[Duration, Meta(ge=86400, le=90 * 86400)] = Duration(30 * 86400)
    sli: Sli
    description: Line = ""
    runbook_url: RunbookUrl = ""
    alerts: SloAlerts = SloAlerts()

    def problems(self) -> Iterable[tuple[str, str]]:
        """An objective leaves some budget, and asks for something; its window is counted in steps of five minutes."""
        if not 0 < self.objective.value < 1:
            yield "objective", f"{self.objective} is no objective; write one above 0% and below 100%, such as 99.9%"
        if self.window % 300:
            yield "window", f"{self.window} is not a whole number of five minutes; write one such as 7d or 30d"
        for index, pair in enumerate(self.alerts.windows):
            if pair.long > self.window:
                what = f"{pair.long} is longer than the objective's window of {self.window}"
                yield f"alerts.windows[{index}].long", f"{what}, and nothing is kept that long; write a shorter one"
