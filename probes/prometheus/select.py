"""From the samples of a page to one reading: the series with the right labels, aggregated."""

import math
from collections.abc import Callable, Iterable

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
        return _AGGREGATES[self.series.aggregate](finite) if finite else None

    def buckets(self, page: Page) -> Buckets | None:
        """The histogram on this page, all 0 buckets where it has no observations yet; None when there is none."""
        lines = self._matching(page)
        if lines is None:
            return None
        found: dict[float, list[tuple[int, float]]] = {}
        for line in lines:
            bound = _bound(line.labels.get("le", ""))
            found.setdefault(bound, []).append((line.series, line.value))
        if found and (len(found) > MAX_BUCKETS or math.inf not in found):
            raise ProbeFailed(Reason.PROTOCOL, f"{self.metric} has no bucket +Inf, or more than {MAX_BUCKETS} of them")
        if found and found.keys() != self._buckets.keys():
            self._buckets = self._anew(
                found.keys()
            )  # the first one, or other bounds: those before say nothing of these
        self._looked = True
        counts = {bound: totals.advance(found.get(bound, ())) for bound, totals in self._buckets.items()}
        return Buckets(tuple(counts), tuple(counts.values())) if counts else Buckets((math.inf,), (0.0,))

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


def _bound(text: str) -> float:
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise ProbeFailed(Reason.PROTOCOL, "a bucket has a bound that is no number")
    return bound
