"""Counters and histograms that a probe reads: what they grew by since the attempt before, as good and bad events."""

import math
from dataclasses import dataclass

from agent.events import Observation, Outcome
from agent.units import number
from config.types import Bound
from probes.base import Buckets, Measurement

MOST_PER_SECOND = 3_000_000  #: events; a track holds half as many again
_LONGEST = 100.0  # seconds of them that one attempt may tell of


@dataclass(frozen=True, slots=True)
class Counters:
    """Two readings that only grow: one counts all events, the other those of them that are bad."""

    bad: str
    total: str

    def __str__(self) -> str:
        return f"{self.bad} of {self.total}"


@dataclass(frozen=True, slots=True)
class Histogram:
    """A reading that is a histogram: an event is good in the buckets up to `bound`, which is one of their bounds."""

    reading: str
    bound: Bound

    def __str__(self) -> str:
        return f"{self.reading} within {self.bound}"


@dataclass(slots=True)
class Growth:
    """Follows the counters of one objective from attempt to attempt.

    The first sample counts nothing: when that happened nobody knows. Bad events may be counted later than the totals
    they belong to (a request that hangs), so both are compared over all attempts, not within one.
    """

    reads: Counters | Histogram
    corrupt: int = 0  #: attempts that told what cannot be
    problem: str = ""  #: what is wrong with the counters, as long as it is
    _attempt: int = 0
    _ended: float = 0.0
    _before: tuple[float, float] | None = None  # bad and all, at the attempt before
    _bad: float = 0.0  # since the beginning
    _total: float = 0.0
    _told: tuple[int, int] = (0, 0)

    def take(self, seen: Observation) -> tuple[int, int] | None:
        """(good, bad) events since the attempt before; None: nobody can tell.

        Good ones below 0: so many that counted as good were bad.
        """
        if seen.number <= self._attempt:
            self._before = None  # the probe began anew, and so did the sums that it keeps
        self._attempt = seen.number
        now = self._read(seen.measurement)
        if now is None or not all(map(math.isfinite, now)):
            if seen.outcome in {Outcome.PASS, Outcome.WARN} and not self._asked(seen.measurement):
                self._before = None  # another replica reads it now, and counts it
            return None
        before, self._before = self._before, now
        seconds, self._ended = min(max(0.1, seen.ended - self._ended), _LONGEST), seen.ended
        if seen.outcome is Outcome.INCONCLUSIVE:
            return None
        if before is None:
            return 0, 0
        bad, total = self._risen(before, now)
        if total > MOST_PER_SECOND * seconds:
            self._wrong(f"{self.reads}: grows by more than {MOST_PER_SECOND:,} a second; count requests, not bytes")
            return None
        self._bad, self._total = self._bad + bad, self._total + total
        if self._bad > self._total:
            self._bad = self._total
            self._wrong(f"{self.reads}: there are more bad events than events; the two readings do not belong together")
        elif total:
            self.problem = ""
        return self._untold()

    def _asked(self, found: Measurement) -> bool:
        """Whether the attempt meant to read it, with or without success."""
        name = self.reads.total if isinstance(self.reads, Counters) else self.reads.reading
        return any(each.name == name for each in found.readings)

    def _read(self, found: Measurement) -> tuple[float, float] | None:
        """Bad and all, as they are now; None where this attempt does not tell."""
        if isinstance(self.reads, Histogram):
            buckets = found.histograms.get(self.reads.reading)
            return None if buckets is None else self._split(buckets, self.reads.bound)
        values = {each.name: each.value for each in found.readings}
        bad, total = values.get(self.reads.bad), values.get(self.reads.total)
        if bad is None:
            # A series that was never made has counted nothing; one that is away for a while goes on from where it was.
            bad = self._before[0] if self._before else 0.0
        return None if total is None else (bad, total)

    def _split(self, buckets: Buckets, bound: Bound) -> tuple[float, float] | None:
        if not buckets.total:
            return 0.0, 0.0
        good = buckets.within(bound.value)
        if good is None:
            self._before = None
            self._wrong(f"{self.reads}: no bucket ends there; use the bound of one: {_nearest(buckets, bound)}")
            return None
        return buckets.total - good, buckets.total

    def _risen(self, before: tuple[float, float], now: tuple[float, float]) -> tuple[float, float]:
        """By how much. A counter that fell began again at 0; a histogram that did has other buckets now."""
        (bad_before, total_before), (bad, total) = before, now
        if isinstance(self.reads, Histogram):
            fell = bad < bad_before or total < total_before
            return (0.0, 0.0) if fell else (bad - bad_before, total - total_before)
        return _rise(bad_before, bad), _rise(total_before, total)

    def _untold(self) -> tuple[int, int]:
        """Whole events that were not told yet: some counters grow by fractions."""
        bad, total = int(self._bad), int(self._total)
        (bad_told, total_told), self._told = self._told, (bad, total)
        return (total - total_told) - (bad - bad_told), bad - bad_told

    def _wrong(self, problem: str) -> None:
        self.corrupt += 1
        self.problem = problem


def _rise(before: float, now: float) -> float:
    return now - before if now >= before else max(0.0, now)


def _nearest(buckets: Buckets, bound: Bound) -> str:
    """The bounds on both sides of one that is none."""
    finite = [each for each in buckets.bounds if math.isfinite(each)]
    below = [each for each in finite if each < bound.value][-1:]
    above = [each for each in finite if each > bound.value][:1]
    return " or ".join(number(each, bound.unit) for each in below + above) or "it has none"
