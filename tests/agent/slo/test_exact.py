"""Closed forms: factors, budgets and counts, in exact rationals."""

from decimal import Decimal
from fractions import Fraction

import pytest

from agent.slo import budget
from agent.slo.burn import Counts, bad_slots_needed, burn_rate, fires
from agent.slo.windows import PAGE_QUICK
from tests.agent.slo.stream import objective

D = 86400


def exact(text):
    """A rational from decimal digits."""
    return Fraction(Decimal(text))


@pytest.mark.case("C01")
@pytest.mark.parametrize(("days", "factor"), [(30, "14.4"), (28, "13.44"), (7, "3.36"), (90, "43.2")])
def test_factors_follow_from_the_period(days, factor):
    """2 % of the budget in one hour is another factor in another period."""
    assert PAGE_QUICK.factor(days * D) == exact(factor)


@pytest.mark.case("C03")
@pytest.mark.parametrize(
    ("percent", "days", "minutes"),
    [
        ("99", 30, "432"),
        ("99.5", 30, "216"),
        ("99.9", 30, "43.2"),
        ("99.95", 30, "21.6"),
        ("99.99", 30, "4.32"),
        ("99.9", 28, "40.32"),
        ("99.9", 31, "44.64"),
        ("99.9", 7, "10.08"),
    ],
)
def test_budget_minutes(percent, days, minutes):
    """What an objective allows, to the last digit; a float would give 43.20000000000005."""
    assert budget.allowed_seconds(days * D, objective(percent).budget) == exact(minutes) * 60


@pytest.mark.case("C05")
@pytest.mark.case("C06")
@pytest.mark.case("C07")
def test_detection_reset_and_spent_budget_follow_from_the_threshold():
    """At 99.9 % a full outage is seen after 51.84 s and over after 295.68 s, and 2 % of the budget is spent."""
    threshold = objective().threshold
    assert threshold * PAGE_QUICK.long_seconds == exact("51.84")
    assert PAGE_QUICK.short_seconds * (1 - threshold) == exact("295.68")
    assert PAGE_QUICK.factor(30 * D) * PAGE_QUICK.long_seconds / (30 * D) == Fraction(2, 100)


@pytest.mark.case("C09")
def test_budget_of_43_bad_slots():
    """43 of 86,400 slots bad at 99.9 %: what is left, and how long it lasts."""
    left = budget.remaining(Fraction(43, 86400), exact("0.001"))
    assert round(float(left), 6) == 0.502315
    hours = budget.seconds_to_exhaustion(left, exact("14.4"), 30 * D) / 3600
    assert round(float(hours), 3) == 25.116
    days = budget.seconds_to_exhaustion(left, Fraction(1), 30 * D) / D
    assert round(float(days), 3) == 15.069


@pytest.mark.case("C10")
def test_budget_after_ten_days_of_burn_two():
    """Burn 2 for 10 of 30 days leaves a third, which lasts five days."""
    left = budget.remaining(Fraction(20, 30_000), exact("0.001"))
    assert left == Fraction(1, 3)
    assert budget.seconds_to_exhaustion(left, Fraction(2), 30 * D) == 5 * D


def test_budget_edges():
    """Nothing burns: never; all is spent: now; overspent is shown as negative."""
    assert budget.seconds_to_exhaustion(Fraction(1), Fraction(0), D) is None
    assert budget.seconds_to_exhaustion(Fraction(0), Fraction(0), D) == 0
    assert budget.remaining(Fraction(3, 1000), exact("0.001")) == -2


@pytest.mark.parametrize(
    ("percent", "counts"),
    [
        ("99", {5: 104, 10: 52, 15: 35, 30: 18, 60: 9}),
        ("99.5", {5: 52, 10: 26, 15: 18, 30: 9, 60: 5}),
        ("99.9", {5: 11, 10: 6, 15: 4, 30: 2, 60: 1}),
        ("99.95", {5: 6, 10: 3, 15: 2, 30: 1, 60: 1}),
    ],
)
def test_bad_attempts_needed(percent, counts):
    """The table of failures that a page needs, for each objective and interval."""
    threshold = objective(percent).threshold
    assert {step: bad_slots_needed(threshold, 3600, step) for step in counts} == counts


def test_burn_rate_is_the_ratio_over_the_budget():
    """One bad slot of a hundred at 99 % spends the budget exactly."""
    assert burn_rate(Counts(100, 100, 1, 1), exact("0.01")) == 1
    assert not fires(1, 100, exact("0.01"))
