"""Sentences one by one, where a whole alert would tell too much."""

from decimal import Decimal

import pytest

from agent.alerting.message import budget_left, ended
from agent.slo.burn import Counts
from agent.slo.engine import Evaluation
from agent.slo.objective import Requests
from exporters.base import Alert, Severity
from tests.agent.slo.stream import objective

SLOTS = 30 * 8640


def left(period, **options):
    """What is said to be left of a period's budget."""
    return budget_left(Evaluation(objective(**options), (), {}, period))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (0, "100.0% (43.2 of 43.2 minutes)"),
        (6, "97.7% (42.2 of 43.2 minutes)"),
        (518, "-99.8% (-43.1 of 43.2 minutes)"),
    ],
)
def test_time_is_told_in_minutes_of_a_total_outage(bad, said):
    """99.9 % of 30 days are 43.2; what is overspent is below zero."""
    assert left(Counts(SLOTS, SLOTS, bad, bad)) == said


def test_a_large_budget_is_told_in_whole_minutes():
    """Nobody needs the seconds of seven hours."""
    assert left(Counts(SLOTS, SLOTS, 60, 60), target=Decimal("0.99")) == "97.7% (422 of 432 minutes)"


def test_requests_are_told_as_many_as_the_window_would_have():
    """A tenth of it was watched, with a million requests: ten thousand of ten million may fail, and 500 did."""
    options = {"probe": "", "requests": Requests()}
    assert left(Counts(10**6, 10**6, 500, 500, 1, 10), **options) == "95.0% (about 9,500 of 10,000 requests)"


@pytest.mark.parametrize("total", [0, 99])
def test_less_than_one_request_is_no_number(total):
    """With hardly any traffic only the share means something."""
    assert left(Counts(total, total, 0, 0, 1, 10), probe="", requests=Requests()) == "100.0%"


def test_an_end_says_how_long_it_lasted():
    """And what was left at the beginning, if that was told; an alert without a description says it in its headline."""
    told = Alert("OutriderSLOBurn", Severity.PAGE, 1000.0, "k", annotations={"budget_left": "97.7%"})
    said = ended({"summary": "s", "description": "Now."}, told, 1720.0)
    began = "when it was announced, 97.7% of the error budget was left"
    assert said == {"summary": "s", "description": f"It lasted 12 min; {began}. Now."}
    plain = Alert("OutriderProbeDown", Severity.PAGE, 1000.0, "k")
    assert ended({"summary": "s", "description": "Up."}, plain, 1720.0)["description"] == "It lasted 12 min. Up."
    assert ended({"summary": "s"}, plain, 1720.0) == {"summary": "s"}
