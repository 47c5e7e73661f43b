"""When the agent may say that it watches."""

import pytest

from agent.alerting.heartbeat import withheld


def test_an_agent_that_judges_and_is_heard_says_so():
    """Up to the very bound of each condition."""
    assert withheld(0.0, 0.0, 0.0) == ""
    assert withheld(10.0, 300.0, 5.0) == ""


@pytest.mark.parametrize(
    ("ago", "waits", "lag", "why"),
    [
        (None, 0.0, 0.0, "objectives were never evaluated"),
        (10.5, 0.0, 0.0, "objectives were not evaluated for 10 s"),
        (1.0, 301.0, 0.0, "an alert has waited for its receiver for 301 s"),
        (1.0, 0.0, 5.1, "the agent stood still for 5.1 s"),
    ],
)
def test_each_condition_alone_withholds_it(ago, waits, lag, why):
    """One that came all the same would hide the very fault it is there to tell."""
    assert withheld(ago, waits, lag) == why
