"""Flapping: results that keep changing. Pure; the method is Nagios' weighted change over the last 21 results."""

import itertools
from collections import deque
from dataclasses import dataclass, field

RESULTS = 21  #: results looked at, so 20 possible changes
START, STOP = 0.50, 0.25  #: share of weighted changes at which flapping starts and ends
OLDEST, NEWEST = 0.8, 1.2  #: weight of a change by its age: a recent change counts more


@dataclass(slots=True)
class Flapping:
    """Whether one probe flaps. Says nothing before it has seen 21 results."""

    on: bool = False
    _results: deque[bool] = field(default_factory=lambda: deque(maxlen=RESULTS))

    def observe(self, passed: bool) -> bool:
        """Take one result in; True when the verdict changed."""
        self._results.append(passed)
        before = self.on
        share = self.share()
        self.on = share >= (STOP if self.on else START)
        return self.on is not before

    def share(self) -> float:
        """Weighted share of changes among the last 21 results, 0..1; 0 while there are fewer."""
        results = list(self._results)
        if len(results) < RESULTS:
            return 0.0
        step = (NEWEST - OLDEST) / (RESULTS - 2)
        changes = itertools.pairwise(results)
        weighted = sum(OLDEST + step * age for age, (old, new) in enumerate(changes) if old is not new)
        return weighted / (RESULTS - 1)
