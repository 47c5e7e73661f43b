"""`alerts.mode: auto`: quiet while the watchdog is listed, and only then."""

import pytest

from agent.alerting.standby import Standby, same_environment


def quiet(standby, *at):
    """Whether it is, at each of these moments."""
    return [standby.quiet(float(each)) for each in at]


def test_quiet_while_the_watchdog_is_listed():
    """A single answer without it changes nothing; two in a row make the agent call."""
    standby = Standby(0.0)
    standby.heard(True, 0.0)
    standby.heard(False, 30.0)
    assert quiet(standby, 0, 30, 59) == [True, True, True]
    standby.heard(True, 59.0)
    standby.heard(False, 89.0)
    standby.heard(False, 119.0)
    assert quiet(standby, 119) == [False]
    standby.heard(True, 149.0)
    assert quiet(standby, 149) == [True]


def test_without_an_answer_it_calls_after_a_minute():
    """Whoever cannot be reached cannot be relied upon, whatever it said before."""
    standby = Standby(0.0)
    standby.heard(True, 1.0)
    standby.heard(None, 31.0)
    assert quiet(standby, 31, 60.9, 61) == [True, True, False]


@pytest.mark.parametrize("first", [False, None])
def test_at_the_start_the_first_look_decides(first):
    """Until it has ended, a minute at most, nothing is said; without the watchdog in it the agent calls."""
    standby = Standby(100.0)
    assert quiet(standby, 100, 159, 160) == [True, True, False]
    standby.heard(first, 101.0)
    assert quiet(standby, 101) == [False]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ({}, {"env": "prod"}, True),
        ({"env": "prod"}, {}, True),
        ({"env": "prod"}, {"env": "prod"}, True),
        ({"env": "prod"}, {"environment": "prod"}, True),
        ({"environment": "test"}, {"env": "prod"}, False),
    ],
)
def test_the_watchdog_of_another_environment_is_none(ours, theirs, same):
    """Where both name one."""
    assert same_environment(ours, theirs) is same
