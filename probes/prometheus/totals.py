"""Counters of other processes, made to only grow: one of them may restart, and their sum must not fall for that."""

import math
from collections.abc import Iterable

MAX_KEPT = 20_000  #: series remembered; those that are gone are forgotten beyond it


class Totals:
    """The sum of several counters. A counter that fell has started again from 0, alone; a new one counts in full."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._total: float | None = None

    def advance(self, samples: Iterable[tuple[int, float]]) -> float:
        """Take in what each series (by a key of its own) says now; returns the sum so far."""
        now = {key: value for key, value in samples if math.isfinite(value)}
        if self._total is None:
            self._total = sum(now.values())
        else:
            self._total += sum(value - self._base(key, value) for key, value in now.items())
        self._last = now if len(self._last) > MAX_KEPT else self._last | now
        return self._total

    def fell(self, key: int, value: float) -> bool:
        """Whether this counter is below what it was."""
        return value < self._last.get(key, 0.0)

    def begin(self, key: int) -> None:
        """This counter has started again from 0, also where it is not below what it was."""
        self._last.pop(key, None)

    def _base(self, key: int, value: float) -> float:
        last = self._last.get(key, 0.0)
        return last if value >= last else 0.0
