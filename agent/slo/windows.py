"""Window pairs: how much of the budget, spent how fast, is worth a person's attention. Exact rationals."""

from dataclasses import dataclass
from fractions import Fraction

from exporters.base import Severity


@dataclass(frozen=True, slots=True)
class Pair:
    """An alert condition over two windows: the long one says that it matters, the short one that it still goes on.

    `budget_share` is the part of the period's error budget that is spent when the pair fires, whatever the fault ratio.
    """

    name: str
    severity: Severity
    long_seconds: int
    short_seconds: int
    budget_share: Fraction

    def factor(self, period_seconds: int) -> Fraction:
        """The burn rate above which it fires: 14.4 for 2 % of 30 days in one hour, 13.44 for 28 days."""
        return self.budget_share * period_seconds / self.long_seconds

    def threshold(self, period_seconds: int, budget: Fraction) -> Fraction:
        """The error ratio above which it fires, for an error budget of `budget` (1 - objective)."""
        return self.factor(period_seconds) * budget


#: The pair of the SRE workbook (chapter 5) that notices an outage within a minute and ends five minutes after it.
PAGE_QUICK = Pair("page-quick", Severity.PAGE, 3600, 300, Fraction(2, 100))
