"""When a pair of windows fires. Integers only: no float can round a burn rate across its threshold."""

from fractions import Fraction
from typing import NamedTuple


class Counts(NamedTuple):
    """What a window holds, in slots of time or in events.

    Every slot of the window is in the denominator, also those of which nothing is known. Events have no such slots to
    come, so their ratio is weighed by the share of the window that was watched (`watched` of `whole` slots): as if
    what was not watched had had the same traffic and no fault. Both ways a young agent under-reports and never
    over-reports, and a steady outage is noticed as fast as after a clean history.
    """

    total: int  # slots of the window; or events
    known: int  # slots with a verdict; or events
    bad: int  # those that were bad
    seen: int  # of the bad ones those in which something failed, not those that only continue a failure
    watched: int = 1
    whole: int = 1

    @property
    def ratio(self) -> Fraction:
        """The share that was bad; 0 where nothing happened."""
        return Fraction(self.bad * self.watched, self.total * self.whole) if self.total else Fraction(0)

    @property
    def coverage(self) -> Fraction:
        """The share of the window of which something is known; of events, that was watched."""
        known = Fraction(self.known, self.total) if self.total else 1
        return Fraction(self.watched, self.whole) * known

    def above(self, threshold: Fraction) -> bool:
        """Whether the share that was bad is strictly above the threshold; exactly on budget is within budget."""
        return fires(self.bad * self.watched, self.total * self.whole, threshold)


def fires(bad: int, total: int, threshold: Fraction) -> bool:
    """Whether bad/total is strictly above the threshold."""
    return bad * threshold.denominator > threshold.numerator * total


def holds(long: Counts, short: Counts, threshold: Fraction, min_bad: int = 0, min_events: int = 0) -> bool | None:
    """Whether the pair's condition is true; None when either window is without any verdict: no data is not recovery.

    `min_bad` failures must have been seen, and `min_events` slots or events judged, in the long window: one lost
    attempt is no reason to wake a person.
    """
    if not long.known or not short.known:
        return None
    enough = long.seen >= min_bad and long.known >= min_events
    return enough and long.above(threshold) and short.above(threshold)


def burn_rate(counts: Counts, budget: Fraction) -> Fraction:
    """Error ratio over the window divided by the error budget; 1 spends the budget exactly in its period."""
    return counts.ratio / budget


def bad_slots_needed(threshold: Fraction, window_seconds: int, slot_seconds: int) -> int:
    """How many bad slots in a window carry its error ratio above the threshold."""
    slots = window_seconds // slot_seconds
    return threshold.numerator * slots // threshold.denominator + 1
