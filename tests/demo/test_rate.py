"""Requests per second, from counters."""

import pytest

from agent.demo.rate import Rate, Rates, Requests


def test_one_look_is_no_rate():
    """There is nothing to compare it with; nor with another one at the same moment."""
    rates = Rates()
    assert rates.add(5.0, Requests(100, 3)) is None
    assert rates.add(5.0, Requests(100, 3)) is None


def test_the_last_moments_count():
    """What was long ago does not: a failure is forgotten ten seconds later."""
    rates = Rates()
    rates.add(0.0, Requests(0, 0))
    assert rates.add(2.0, Requests(4, 4)) == Rate(2.0, 1.0)
    for now in range(3, 12):
        rates.add(float(now), Requests(2 * now, 4))
    assert rates.add(12.0, Requests(24, 4)) == Rate(2.0, 0.0)


def test_silence_is_no_failure():
    """A service that gets no requests fails none."""
    rates = Rates()
    rates.add(0.0, Requests(7, 7))
    assert rates.add(1.0, Requests(7, 7)) == Rate(0.0, 0.0)


@pytest.mark.parametrize(("now", "seen"), [(1.0, Requests(500, 1)), (11.0, Requests(2, 0))])
def test_an_agent_that_started_anew_counts_from_0(now, seen):
    """Its first look is compared with none of the one before it, and no rate is negative."""
    rates = Rates()
    rates.add(10.0, Requests(400, 1))
    assert rates.add(now, seen) is None
