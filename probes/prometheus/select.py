"""From the samples of a page to one reading: the series with the right labels, aggregated."""

import math
from collections.abc import Callable, Iterable, Mapping

from probes.base import Buckets, ProbeFailed
from probes.prometheus.options import Series
from probes.prometheus.page import Line, Page
from probes.prometheus.totals import Totals
from probes.reason import Reason

MAX_BUCKETS = 200  #: of one histogram

_AGGREGATES: dict[str, Callable[[list[float]], float]] = {"sum": math.fsum, "max": max, "min": min}
_CHECKED = ("counter", "gauge", "histogram")


class Selection:
    """One entry of `series`, over many pages: it remembers where counters were."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._wanted = series.labels.items()
        self._totals = Totals()
        self._buckets: dict[float, Totals] = {}
        self._looked = False

    @property
    def metric(self) -> str:
        """The name of its samples on the page."""
        return f"{self.series.metric}_bucket" if self.series.kinds == "histogram" else self.series.metric

    def contradiction(self, page: Page) -> str:
        """What is wrong when the page declares another type than the file; "" where it does not."""
        declared, kind = page.type_of(self.series.metric), self.series.kinds
        if declared not in _CHECKED or declared == kind:
            return ""
        return f"{self.series.metric} is a {declared}, as the service says; write `kind: {declared}`"

    def value(self, page: Page) -> float | None:
        """The number on this page; None when the page does not have the metric, or none with such labels.

        A counter without the right series is 0: nothing of that sort has happened yet.
        """
        lines = self._matching(page)
        if lines is None:
            return None
        if self.series.kinds == "counter":
            return self._totals.advance((line.series, line.value) for line in lines)
        finite = [line.value for line in lines if math.isfinite(line.value)]
        try:
            return _AGGREGATES[self.series.aggregate](finite) if finite else None
        except OverflowError:  # the sum is more than a number can hold
            return None

    def buckets(self, page: Page) -> Buckets | None:
        """The histogram on this page, all 0 buckets where it has no observations yet; None when there is none."""
        lines = self._matching(page)
        if lines is None:
            return None
        series = _histograms(lines)
        # A bound that one of them has not tells nothing of all of them.
        bounds = set.intersection(*map(set, series.values())) if series else set()
        if series and (math.inf not in bounds or max(map(len, series.values())) > MAX_BUCKETS):
            raise ProbeFailed(Reason.PROTOCOL, f"{self.metric} has no bucket +Inf, or more than {MAX_BUCKETS} of them")
        if series and bounds != self._buckets.keys():
            self._buckets = self._anew(bounds)  # the first one, or other bounds: those before say nothing of these
        self._looked = True
        self._begin_again(series)
        counts = {
            bound: totals.advance((key, each[bound]) for key, each in series.items())
            for bound, totals in self._buckets.items()
        }
        return Buckets(tuple(counts), tuple(counts.values())) if counts else Buckets((math.inf,), (0.0,))

    def _begin_again(self, series: Mapping[int, Mapping[float, float]]) -> None:
        """One bucket that fell says that all of its histogram began again, also those that have grown past it since."""
        for key, each in series.items():
            if any(totals.fell(key, each[bound]) for bound, totals in self._buckets.items()):
                for totals in self._buckets.values():
                    totals.begin(key)

    def _anew(self, bounds: Iterable[float]) -> dict[float, Totals]:
        """Totals of these bounds, in order. Where a page before had none, what comes now has all happened since."""
        made = {bound: Totals() for bound in sorted(bounds)}
        if self._looked and not self._buckets:
            for totals in made.values():
                totals.advance(())
        return made

    def _matching(self, page: Page) -> list[Line] | None:
        """The right series; None when the metric, or a label that is asked for, is nowhere on the page."""
        lines = page.samples.get(self.metric, [])
        if not self._wanted or not lines:
            return lines if page.knows(self.metric) else None
        if not any(self.series.labels.keys() <= line.labels.keys() for line in lines):
            return None
        return [line for line in lines if self._wanted <= line.labels.items()]


def _histograms(lines: Iterable[Line]) -> dict[int, dict[float, float]]:
    """The buckets of each histogram, by a key of its labels without `le`."""
    found: dict[int, dict[float, float]] = {}
    for line in lines:
        key = hash(frozenset(item for item in line.labels.items() if item[0] != "le"))
        found.setdefault(key, {}).setdefault(_bound(line.labels.get("le", "")), line.value)
    return found


def _bound(text: str) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise ProbeFailed(Reason.PROTOCOL, "a bucket has a bound that is no number")
    return bound
