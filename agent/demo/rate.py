"""How many requests a second, and the share that failed: from two looks at counters that only grow."""

from collections import deque
from dataclasses import dataclass

_OVER_SECONDS = 10.0  # spans arrive once a second: a shorter look would flicker


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests since the start of one Outrider, as it counted them in the spans that passed."""

    all: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second of the last moments, and which share of them failed."""

    per_second: float
    failed: float


class Rates:
    """Remembers the looks of the last moments."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Requests]] = deque()

    def add(self, now: float, seen: Requests) -> Rate | None:
        """The rate up to this look at `now` (seconds of any clock); None while there is nothing to compare it with."""
        if self._looks and (now < self._looks[-1][0] or seen.all < self._looks[-1][1].all):
            self._looks.clear()  # another process: it counts from 0
        self._looks.append((now, seen))
        while now - self._looks[0][0] > _OVER_SECONDS:
            self._looks.popleft()
        then, first = self._looks[0]
        number = seen.all - first.all
        if now == then:
            return None
        return Rate(number / (now - then), (seen.failed - first.failed) / number if number else 0.0)
