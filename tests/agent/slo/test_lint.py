"""What is said of an objective before anybody relies on it."""

import pytest

from agent.slo.lint import explain, findings
from tests.agent.slo.stream import objective


def test_a_sound_objective_is_explained_and_not_blamed():
    """Numbers a person can check: allowed minutes, seconds to a page."""
    sound = objective(min_bad=3)
    assert list(findings(sound)) == []
    assert explain(sound) == (
        "db: 99.9% over 30d allows 43.2 minutes; an outage pages 50 s after the first of 6 bad slots of 10 s"
    )


def test_min_bad_and_for_are_part_of_the_wait():
    """At 30 s and 99.9 % two failures would do; min_bad asks for three, and `for` comes on top."""
    assert "90 s after the first of 3 bad slots of 30 s" in explain(
        objective(slot_seconds=30, min_bad=3, for_seconds=30)
    )


@pytest.mark.case("C08")
def test_an_objective_that_can_never_page_is_told():
    """Below 93.056 % the fast pair cannot fire."""
    (said,) = findings(objective("93"))
    assert "use more than 93.05556%" in said
    assert explain(objective("90")).endswith("it never pages")
    assert list(findings(objective("93.06"))) == []


@pytest.mark.case("V03")
def test_one_lost_attempt_that_pages_is_told():
    """99.9 % at 60 s pages on one failure unless min_bad asks for more."""
    assert "one lost attempt pages" in next(findings(objective(slot_seconds=60, min_bad=1)))
    assert list(findings(objective(slot_seconds=60, min_bad=3))) == []


@pytest.mark.case("V05")
def test_an_objective_too_strict_for_its_interval_is_told():
    """99.99 % at 60 s has a budget of 4.32 slots: chance, not measurement."""
    assert "is 4.32 slots of 60 s" in next(findings(objective("99.99", slot_seconds=60, min_bad=3)))
