"""One objective as the engine needs it: numbers checked, exact."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

from agent.slo.rings import COARSE_SECONDS
from agent.slo.track import slot_seconds
from agent.slo.windows import PAGE_QUICK
from config.sections.probes import ProbeEntry
from config.sections.slos import Slo
from config.types import Duration, Ratio

MAX_WINDOW_SECONDS = 90 * 86400


@dataclass(frozen=True, slots=True)
class Objective:
    """The availability of one probe over a rolling window.

    `target` is the ratio as written (0.999), never a float. `stale_after`: seconds for which an attempt speaks for the
    slots after it. `slot_seconds` comes from `track.slot_seconds`. `for_seconds` and `keep_firing_seconds` are
    Prometheus' `for` and `keep_firing_for`. `min_bad` failures must have been seen before anyone is called.
    """

    name: str
    service: str
    target: Decimal
    probe: str
    window_seconds: int = 30 * 86400
    stale_after: float = 33.0
    slot_seconds: int = 10
    min_bad: int = 3
    min_events: int = 0
    for_seconds: float = 0.0
    keep_firing_seconds: float = float(PAGE_QUICK.short_seconds)
    description: str = ""
    runbook_url: str = ""

    @classmethod
    def of(cls, name: str, service: str, slo: Slo, probe: ProbeEntry) -> Self:
        """From what the file says of the objective and of its probe. ValueError says what cannot work."""
        return cls(
            name=name,
            service=service,
            target=slo.objective.value,
            probe=slo.sli.probe,
            window_seconds=int(slo.window),
            # A down probe is asked at its slow interval: one attempt must speak until the next, even if one is missed.
            stale_after=max(3 * probe.interval, 2 * probe.slow_interval) + probe.timeout,
            slot_seconds=slot_seconds(probe.interval),
            min_bad=slo.alerts.min_bad,
            min_events=slo.alerts.min_events,
            for_seconds=float(slo.alerts.for_),
            keep_firing_seconds=float(slo.alerts.keep_firing_for),
            description=slo.description,
            runbook_url=slo.runbook_url,
        )

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(
                f"an objective of {self.percent} leaves no budget to judge; use more than 0 % and less than 100 %"
            )
        if self.window_seconds % COARSE_SECONDS or not 86400 <= self.window_seconds <= MAX_WINDOW_SECONDS:
            raise ValueError(f"a window of {self.window} cannot be kept; use 1d to 90d, in steps of five minutes")
        if COARSE_SECONDS % self.slot_seconds:
            raise ValueError(f"a slot of {self.slot_seconds} s does not divide five minutes; use track.slot_seconds")

    @property
    def budget(self) -> Fraction:
        """The share of the window that may be bad: 1/1000 for 99.9 %."""
        return 1 - Fraction(self.target)

    @property
    def percent(self) -> str:
        """The target as people write it: `99.9%`."""
        return str(Ratio(self.target))

    @property
    def window(self) -> str:
        """The window as people write it: `30d`."""
        return str(Duration(self.window_seconds))

    @property
    def threshold(self) -> Fraction:
        """The error ratio above which the page-quick pair fires."""
        return PAGE_QUICK.threshold(self.window_seconds, self.budget)
