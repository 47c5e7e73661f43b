"""Window pairs: how much of the budget, spent how fast, is worth a person's attention. Exact rationals."""

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from config.types import Duration
from exporters.base import Severity


class Pair(NamedTuple):
    """An alert condition over two windows: the long one says that it matters, the short one that it still goes on.

    `factor` is the burn rate above which it fires. Lengths are in seconds.
    """

    name: str
    severity: Severity
    long_seconds: int
    short_seconds: int
    factor: Fraction

    def threshold(self, budget: Fraction) -> Fraction:
        """The error ratio above which it fires, for an error budget of `budget` (1 - objective)."""
        return self.factor * budget


#: The pairs of the SRE workbook (chapter 5): name, severity, windows, and the share of the period's error budget that
#: is spent when the pair fires, whatever the fault ratio.
_WORKBOOK = (
    ("page-quick", Severity.PAGE, 3600, 300, Fraction(2, 100)),
    ("page-slow", Severity.PAGE, 6 * 3600, 1800, Fraction(5, 100)),
    ("ticket-quick", Severity.TICKET, 86400, 2 * 3600, Fraction(10, 100)),
    ("ticket-slow", Severity.TICKET, 3 * 86400, 6 * 3600, Fraction(10, 100)),
)


@cache
def workbook(period_seconds: int) -> tuple[Pair, ...]:
    """The four pairs with the factors of this period: 14.4, 6, 3 and 1 for 30 days.

    A pair that looks further back than the period has no place in it.
    """
    return tuple(
        Pair(name, severity, long, short, share * period_seconds / long)
        for name, severity, long, short, share in _WORKBOOK
        if long <= period_seconds
    )


def written(severity: Severity, long_seconds: int, short_seconds: int, factor: Fraction) -> Pair:
    """A pair that the file names by its windows: `page-1m-5s`."""
    name = f"{severity}-{Duration(long_seconds)}-{Duration(short_seconds)}"
    return Pair(name, severity, long_seconds, short_seconds, factor)


def lengths(pairs: Iterable[Pair]) -> tuple[int, ...]:
    """Every window of these pairs once, the shortest first."""
    return tuple(sorted({length for pair in pairs for length in (pair.short_seconds, pair.long_seconds)}))
