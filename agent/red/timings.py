"""Durations of requests in cumulative buckets: exact at every objective's threshold, with an exemplar in each."""

from collections.abc import Collection, Iterable
from itertools import accumulate

from agent.red.objective import SpanObjective
from agent.red.rows import Durations, Mark, RequestKey
from exporters.base import Exemplar, Histogram
from exporters.contract import Metric
from exporters.families import span_duration_family

SECOND = 1_000_000_000  #: nanoseconds; durations are whole ones, so that a threshold is met exactly or not

# Seconds: the buckets of http.server.request.duration in the semantic conventions.
_CONVENTION = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


def nanoseconds(seconds: float) -> int:
    """Whole ones."""
    return round(seconds * SECOND)


def edges(objectives: Iterable[SpanObjective]) -> tuple[int, ...]:
    """Upper bounds of the buckets, inclusive, in nanoseconds: the convention's, and every objective's threshold.

    All series have all of them, so sums over series are sums of like with like.
    """
    thresholds = (one.within for one in objectives if one.within is not None)
    return tuple(sorted({nanoseconds(bound) for bound in (*_CONVENTION, *thresholds)}))


class Timing:
    """One series."""

    __slots__ = ("counts", "marks", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0
        self.marks: dict[int, Mark] = {}

    def add(self, durations: Durations) -> None:
        """What one body had. The newest mark of a bucket stays."""
        self.counts = [mine + more for mine, more in zip(self.counts, durations.timed(), strict=True)]
        self.total += durations.total
        for bucket, mark in durations.marks.items():
            known = self.marks.get(bucket)
            if bucket < durations.untold and (known is None or known.end <= mark.end):
                self.marks[bucket] = mark

    def histogram(self, labels: tuple[str, ...]) -> Histogram:
        """As of now, in seconds."""
        buckets = tuple(accumulate(self.counts))
        exemplars = tuple(map(self._exemplar, range(len(buckets)))) if self.marks else ()
        return Histogram(labels, buckets, self.total / SECOND, exemplars)

    def _exemplar(self, bucket: int) -> Exemplar | None:
        mark = self.marks.get(bucket)
        if mark is None:
            return None
        labels = (("trace_id", mark.trace_id.hex()), ("span_id", mark.span_id.hex()))
        return Exemplar(labels, mark.took / SECOND, mark.end / SECOND)


class Timings:
    """All series over the same bounds, by (service, kind, route); route is "" for all that no objective names."""

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.family: Metric = span_duration_family((*(bound / SECOND for bound in bounds), float("inf")))
        self._series: dict[RequestKey, Timing] = {}

    def of(self, key: RequestKey) -> Timing:
        """The series; a new one is at 0."""
        timing = self._series.get(key)
        if timing is None:
            timing = self._series[key] = Timing(len(self.bounds) + 1)
        return timing

    def keep(self, named: Collection[tuple[str, str]]) -> None:
        """Forget the routes (kind, route) that no objective names any more."""
        self._series = {key: timing for key, timing in self._series.items() if not key[2] or key[1:] in named}

    def samples(self) -> Iterable[Histogram]:
        """Every series."""
        for labels, timing in self._series.items():
            yield timing.histogram(labels)
