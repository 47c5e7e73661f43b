"""One objective as the engine needs it: numbers checked, exact."""

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Self

from agent.slo.counters import Counters, Histogram
from agent.slo.rings import COARSE_SECONDS
from agent.slo.sli import Limit
from agent.slo.track import slot_seconds
from agent.slo.windows import Pair, lengths, workbook, written
from config.sections.probes import ProbeEntry
from config.sections.sli import Sli, reading_of
from config.sections.slos import AlertWindows, Slo
from config.types import Duration, Ratio
from exporters.base import Severity

MAX_WINDOW_SECONDS = 90 * 86400


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by the spans that they leave: of one kind, of one route or (None) of all.

    Those that ended with an error are bad, and with `within` (seconds) also those that took longer. A failure that
    comes fast is not a request answered in time: leaving it out would let an outage look like a quiet night.
    """

    kind: str = "server"
    route: str | None = None
    within: float | None = None

    def __str__(self) -> str:
        """In words: `server spans of /checkout within 300ms`."""
        of = f" of {self.route}" if self.route is not None else ""
        within = f" within {Duration(self.within)}" if self.within is not None else ""
        return f"{self.kind} spans{of}{within}"


@dataclass(frozen=True, slots=True)
class Objective:
    """What one probe says, or requests, over a rolling window: exactly one of `probe` and `requests`.

    `reads`: what is read off the probe's attempts; None is its availability.
    `target` is the ratio as written (0.999), never a float. `stale_after`: seconds for which an attempt speaks for the
    slots after it. `slot_seconds` comes from `track.slot_seconds`. `for_seconds` and `keep_firing_seconds` are
    Prometheus' `for` and `keep_firing_for`; None is the short window of the pair that fired. `min_bad` failures must
    have been seen before anyone is called. `own_pairs` stand in for those of the workbook.
    """

    name: str
    service: str
    target: Decimal
    probe: str = ""
    requests: Requests | None = None
    reads: Limit | Counters | Histogram | None = None
    window_seconds: int = 30 * 86400
    stale_after: float = 33.0
    slot_seconds: int = 10
    min_bad: int = 3
    min_events: int = 0
    for_seconds: float = 0.0
    keep_firing_seconds: float | None = None
    own_pairs: tuple[Pair, ...] = ()
    description: str = ""
    runbook_url: str = ""

    @classmethod
    def of(cls, name: str, service: str, slo: Slo, probe: ProbeEntry | None = None) -> Self:
        """From what the file says of the objective and of its probe. ValueError says what cannot work."""
        alerts = slo.alerts
        plain = cls(
            name=name,
            service=service,
            target=slo.objective.value,
            probe=slo.sli.on,
            requests=_requests(slo.sli),
            reads=_reads(slo.sli),
            window_seconds=int(slo.window),
            slot_seconds=1,  # until the windows say how long it may be
            min_bad=alerts.min_bad,
            min_events=alerts.min_events,
            for_seconds=float(alerts.for_),
            keep_firing_seconds=None if alerts.keep_firing_for is None else float(alerts.keep_firing_for),
            own_pairs=tuple(map(_own, alerts.windows)),
            description=slo.description,
            runbook_url=slo.runbook_url,
        )
        if probe is None:
            return replace(plain, slot_seconds=slot_seconds(0, plain.windows))
        # A down probe is asked at its slow interval: one attempt must speak until the next, even if one is missed.
        stale_after = max(3 * probe.interval, 2 * probe.slow_interval) + probe.timeout
        slot = slot_seconds(probe.interval, plain.windows)
        return replace(plain, stale_after=stale_after, slot_seconds=slot)

    def __post_init__(self) -> None:
        if bool(self.probe) == (self.requests is not None) or (self.reads and not self.probe):
            raise ValueError("an objective counts one thing; name a probe or requests")
        if not 0 < self.target < 1:
            raise ValueError(
                f"an objective of {self.percent} leaves no budget to judge; use more than 0 % and less than 100 %"
            )
        if self.window_seconds % COARSE_SECONDS or not 86400 <= self.window_seconds <= MAX_WINDOW_SECONDS:
            raise ValueError(f"a window of {self.window} cannot be kept; use 1d to 90d, in steps of five minutes")
        if COARSE_SECONDS % self.slot_seconds:
            raise ValueError(f"a slot of {self.slot_seconds} s does not divide five minutes; use track.slot_seconds")
        for length in self.windows:
            if length % self.slot_seconds or length > self.window_seconds:
                raise ValueError(f"an alert window of {length} s is not made of slots, or longer than {self.window}")

    def without_pages(self) -> Self:
        """The same, every pair of which opens a ticket; pairs keep their names, by which they are exported."""
        return replace(self, own_pairs=tuple(pair._replace(severity=Severity.TICKET) for pair in self.pairs))

    @property
    def sli(self) -> str:
        """What is counted, in words: `probe orders-db`, `server spans of /checkout within 300ms`."""
        if self.reads:
            return f"{self.probe}.{self.reads}"
        return str(self.requests) if self.requests else f"probe {self.probe}"

    @property
    def counts_events(self) -> bool:
        """Whether events are counted; else slots of time are."""
        return self.requests is not None or isinstance(self.reads, Counters | Histogram)

    @property
    def measure(self) -> str:
        """What is counted, and how: counts go on only where this is the same."""
        what = (self.probe, self.reads) if self.reads else self.requests or self.probe
        return f"{what!r} in {self.slot_seconds} s over {self.window_seconds} s"

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
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of windows that are judged."""
        return self.own_pairs or workbook(self.window_seconds)

    @property
    def windows(self) -> tuple[int, ...]:
        """The lengths of all windows in use, each once, the shortest first; in seconds."""
        return lengths(self.pairs)


def _own(each: AlertWindows) -> Pair:
    # A float prints the digits that were written, and these are meant.
    factor = Fraction(str(each.factor))
    return written(Severity(each.severity), int(each.long), int(each.short), factor)


def _requests(sli: Sli) -> Requests | None:
    if sli.spans is None:
        return None
    return Requests(sli.spans.kind, sli.spans.route, None if sli.within is None else sli.within.value)


def _reads(sli: Sli) -> Limit | Counters | Histogram | None:
    if sli.counters:
        return Counters(reading_of(sli.counters.bad), reading_of(sli.counters.total))
    if sli.reading and sli.within:
        return Limit(reading_of(sli.reading), sli.within)
    if sli.histogram and sli.within:
        return Histogram(reading_of(sli.histogram), sli.within)
    return None
