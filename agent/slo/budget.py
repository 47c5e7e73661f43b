"""The error budget of a period: what is spent, what is left, and for how long. Exact rationals."""

from fractions import Fraction


def remaining(ratio: Fraction, budget: Fraction) -> Fraction:
    """The share of the period's error budget that is left after this share of it was bad; negative when overspent."""
    return 1 - ratio / budget


def seconds_to_exhaustion(left: Fraction, burn: Fraction, period_seconds: int) -> Fraction | None:
    """How long the rest lasts at this burn rate: 0 when it is spent, None when nothing burns.

    A lower bound in a rolling period: old failures that leave the period give budget back.
    """
    if left <= 0:
        return Fraction(0)
    if burn <= 0:
        return None
    return left * period_seconds / burn


def allowed_seconds(period_seconds: int, budget: Fraction) -> Fraction:
    """The whole budget as time: 2592 s (43.2 minutes) for 99.9 % of 30 days."""
    return period_seconds * budget
