"""When a pair of windows fires. Integers only: no float can round a burn rate across its threshold."""

from fractions import Fraction
from typing import NamedTuple


class Counts(NamedTuple):
    """What a window holds. Every slot is in the denominator, so a young agent under-reports and never over-reports."""

    slots: int  # the window's length
    known: int  # slots with a verdict
    bad: int  # known slots that were bad
    seen: int  # bad slots in which an attempt failed, not those that only continue a failure


def fires(bad: int, total: int, threshold: Fraction) -> bool:
    """Whether bad/total is strictly above the threshold; exactly on budget is within budget."""
    return bad * threshold.denominator > threshold.numerator * total


def holds(long: Counts, short: Counts, threshold: Fraction, *, min_bad: int = 0, min_events: int = 0) -> bool | None:
    """Whether the pair's condition is true; None when either window is without any verdict: no data is not recovery.

    `min_bad` failures must have been seen, and `min_events` slots judged, in the long window: one lost attempt is no
    reason to wake a person.
    """
    if not long.known or not short.known:
        return None
    enough = long.seen >= min_bad and long.known >= min_events
    return enough and fires(long.bad, long.slots, threshold) and fires(short.bad, short.slots, threshold)


def burn_rate(counts: Counts, budget: Fraction) -> Fraction:
    """Error ratio over the window divided by the error budget; 1 spends the budget exactly in its period."""
    return Fraction(counts.bad, counts.slots) / budget


def bad_slots_needed(threshold: Fraction, window_seconds: int, slot_seconds: int) -> int:
    """How many bad slots in a window carry its error ratio above the threshold."""
    slots = window_seconds // slot_seconds
    return threshold.numerator * slots // threshold.denominator + 1
