"""Closed forms: factors, budgets and counts, in exact rationals."""

from decimal import Decimal
from fractions import Fraction

import pytest

from agent.slo import budget
from agent.slo.burn import Counts, bad_slots_needed, burn_rate, fires
from agent.slo.events import EventTrack
from agent.slo.windows import workbook
from tests.agent.slo.stream import objective

D = 86400


def exact(text):
    """A rational from decimal digits."""
    return Fraction(Decimal(text))


@pytest.mark.case("C01")
@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, "14.4 6 3 1"),
        (28, "13.44 5.6 2.8 0.9333"),
        (7, "3.36 1.4 0.7 0.2333"),
        (90, "43.2 18 9 3"),
        (1, "0.48 0.2 0.1"),
    ],
)
def test_factors_follow_from_the_period(days, factors):
    """2, 5, 10 and 10 % of the budget are other factors in another period; a pair longer than it is left out."""
    assert [round(pair.factor, 4) for pair in workbook(days * D)] == list(map(exact, factors.split()))


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
    """At 99.9 % and a full outage: seconds to fire, seconds to end, and the share of the budget that is spent."""
    thresholds = [(pair, pair.threshold(exact("0.001"))) for pair in workbook(30 * D)]
    assert [pair.long_seconds * ratio for pair, ratio in thresholds] == list(
        map(exact, ["51.84", "129.6", "259.2", "259.2"])
    )
    ends = [pair.short_seconds * (1 - ratio) for pair, ratio in thresholds]
    assert ends == list(map(exact, ["295.68", "1789.2", "7178.4", "21578.4"]))
    spent = [pair.factor * pair.long_seconds / (30 * D) for pair, _ in thresholds]
    assert spent == list(map(exact, ["0.02", "0.05", "0.1", "0.1"]))


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
        ("99", {5: "104 260 519 519", 10: "52 130 260 260", 15: "35 87 173 173", 30: "18 44 87 87", 60: "9 22 44 44"}),
        ("99.5", {5: "52 130 260 260", 10: "26 65 130 130", 15: "18 44 87 87", 30: "9 22 44 44", 60: "5 11 22 22"}),
        ("99.9", {5: "11 26 52 52", 10: "6 13 26 26", 15: "4 9 18 18", 30: "2 5 9 9", 60: "1 3 5 5"}),
        ("99.95", {5: "6 13 26 26", 10: "3 7 13 13", 15: "2 5 9 9", 30: "1 3 5 5", 60: "1 2 3 3"}),
    ],
)
def test_bad_attempts_needed(percent, counts):
    """The table of failures that each pair needs, for each objective and interval."""
    ratios = [(pair.threshold(objective(percent).budget), pair.long_seconds) for pair in workbook(30 * D)]
    found = {step: [bad_slots_needed(ratio, long, step) for ratio, long in ratios] for step in counts}
    assert found == {step: list(map(int, needed.split())) for step, needed in counts.items()}


def test_burn_rate_is_the_ratio_over_the_budget():
    """One bad slot of a hundred at 99 % spends the budget exactly."""
    assert burn_rate(Counts(100, 100, 1, 1), exact("0.01")) == 1
    assert not fires(1, 100, exact("0.01"))


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        (Counts(30, 15, 1, 1), "0.5"),
        (Counts(30, 0, 0, 0), "0"),
        (Counts(7, 7, 1, 1, watched=3, whole=12), "0.25"),
        (Counts(0, 0, 0, 0, watched=3, whole=12), "0.25"),
    ],
    ids=["half of the slots", "none", "events, a quarter watched", "a quarter watched, nothing happened"],
)
def test_coverage_is_what_could_be_known(counts, share):
    """Slots with a verdict; of events the time that was watched, whether or not anything happened in it."""
    assert counts.coverage == exact(share)


@pytest.mark.case("C14")
def test_a_quiet_hour_weighs_what_its_requests_weigh():
    """A ratio of sums: 23 hours of 10,000 good requests and one of 10 bad ones are 0.00435 % bad, not 4.167 %."""
    track = EventTrack((300, 3600, D), 30 * D)
    for second in range(0, D, 10):
        track.advance(second)
        if second % 360 == 0:
            track.count(*((1000, 0) if second < 23 * 3600 else (0, 1)), second)
    assert track.window(D).ratio == Fraction(10, 230_010)


@pytest.mark.case("C19")
@pytest.mark.parametrize(("bad", "alerts"), [(14_400, False), (14_401, True), (14_440, True), (14_449, True)])
def test_nothing_is_rounded_before_it_is_compared(bad, alerts):
    """A burn rate of 14.401 is above 14.4; rounded to one digit it would not be."""
    counts = Counts(1_000_000, 1_000_000, bad, bad)
    assert burn_rate(counts, exact("0.001")) == Fraction(bad, 1000)
    assert counts.above(exact("14.4") * exact("0.001")) is alerts
