"""`for` and `keep_firing_for`, as Prometheus means them, evaluated every 30 s."""

import pytest

from agent.alerting.lifecycle import AlertState, Lifecycle


def told(life, condition, start=0, end=3000, step=30):
    """[(t, True or False)]: what somebody is told, and when."""
    return [(t, change) for t in range(start, end + 1, step) if (change := life.step(condition(t), t)) is not None]


def between(first, last):
    """A condition that is true from `first` to `last`, both included."""
    return lambda t: first <= t <= last


@pytest.mark.parametrize(
    ("for_", "keep", "expected"),
    [
        pytest.param(120, 0, [(720, True), (1230, False)], id="L01", marks=pytest.mark.case("L01")),
        pytest.param(0, 300, [(600, True), (1530, False)], id="L02", marks=pytest.mark.case("L02")),
        pytest.param(60, 300, [(660, True), (1530, False)], id="L03", marks=pytest.mark.case("L03")),
    ],
)
def test_edges_fall_where_prometheus_puts_them(for_, keep, expected):
    """The condition is true from 600 to 1200; observed with promtool."""
    assert told(Lifecycle(for_, keep), between(600, 1200)) == expected


@pytest.mark.case("L01")
def test_pending_is_not_told_and_is_seen():
    """While `for` runs the alert is pending, and nobody is called."""
    life = Lifecycle(120)
    assert told(life, between(600, 1200), end=690) == []
    assert (life.state, life.active_at) == (AlertState.PENDING, 600)


@pytest.mark.case("L04")
def test_one_false_evaluation_ends_a_pending_alert():
    """The wait starts again from nothing."""
    assert told(Lifecycle(120), lambda t: 600 <= t <= 660 or t >= 720) == [(840, True)]


@pytest.mark.case("L05")
def test_a_condition_that_comes_back_is_the_same_episode():
    """True again while it keeps firing: not told again, and the timer starts over at the next false."""
    seen = told(Lifecycle(0, 300), lambda t: 600 <= t <= 700 or 900 <= t <= 1000)
    assert seen == [(600, True), (1320, False)]


def test_no_data_holds_a_firing_alert_and_then_calls_it_stale():
    """Nobody can tell: it neither ends nor is it trusted for ever; data make it firing again."""
    life = Lifecycle(0, 300, stale_after=600)
    assert told(life, lambda t: True if t == 0 else None, end=570) == [(0, True)]
    assert life.state is AlertState.FIRING
    assert told(life, lambda t: None, start=600, end=900) == []
    assert (life.state, life.firing) == (AlertState.STALE, True)
    assert told(life, lambda t: False, start=930, end=1200) == []
    assert life.state is AlertState.FIRING
    assert told(life, lambda t: False, start=1230, end=1500) == [(1230, False)]


def test_a_stale_alert_that_burns_again_is_not_told_again():
    """Stale is a view of the same episode."""
    life = Lifecycle()
    assert told(life, lambda t: True if t in {0, 900} else None, end=900) == [(0, True)]
    assert life.state is AlertState.FIRING


def test_no_data_holds_what_is_inactive_and_pending():
    """No data never calls anybody, and does not restart the wait."""
    life = Lifecycle(120)
    assert told(life, lambda t: None, end=300) == []
    assert life.state is AlertState.INACTIVE
    assert told(life, lambda t: None if t == 360 else True, start=330, end=450) == [(450, True)]
