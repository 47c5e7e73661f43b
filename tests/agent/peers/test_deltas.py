"""From scraped counters to attempts: none too young, none twice, no failure lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.peers.deltas import attempts, grown, wanted

SCRAPES = [0.0, 10.0, 20.0, 30.0]


def points(*values, since=0):
    """Values at the scrapes from the given one on; None where a scrape lacks the series."""
    return [(SCRAPES[since + place], value) for place, value in enumerate(values) if value is not None]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(points(5, 5, 7, 8), [(10.0, 2), (20.0, 1)], id="grows"),
        pytest.param(points(5, 5, 5, 5), [], id="rests"),
        pytest.param(points(5), [], id="one sample tells nothing"),
        pytest.param(points(5, 2, 3), [(0.0, 2), (10.0, 1)], id="begins anew"),
        pytest.param(points(5, 0, 0), [], id="begins anew at 0"),
        pytest.param(points(1, 2, since=2), [(10.0, 1), (20.0, 1)], id="a reason that was never seen before"),
        pytest.param(points(4, None, 6), [(10.0, 6)], id="gone and back: a new process"),
        pytest.param(points(0, 500), [(0.0, 8)], id="more than anyone wants to know"),
        pytest.param(points(1, 1.5), [], id="half an attempt"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_growth(seen, expected):
    """Each growth stands at the scrape before it."""
    assert list(grown(seen, SCRAPES)) == expected


def test_attempts_start_no_later_than_the_scrape_before_less_the_timeout():
    """One that was counted between two scrapes may have begun a timeout before the first of them."""
    told = attempts([("pass", points(1, 2)), ("fail", points(0, 0, 1))], SCRAPES, 3.0)
    assert [(one.started, one.passed) for one in told] == [(-3.0, True), (7.0, False)]


def test_a_warning_has_passed_and_what_tells_nothing_is_left_out():
    """Inconclusive and skipped attempts say nothing about the dependency."""
    seen = points(0, 1)
    told = attempts(
        [(outcome, seen) for outcome in ("pass", "warn", "inconclusive", "skipped", "", "fail")], SCRAPES, 1.0
    )
    assert [one.passed for one in told] == [True, True, False]


def test_of_too_many_the_failures_are_kept():
    """In one interval the order is not known: what is cut off are passes."""
    told = attempts([("fail", points(0, 3)), ("pass", points(0, 50))], SCRAPES, 1.0)
    assert [one.passed for one in told] == [True] * 5 + [False] * 3


def test_of_several_intervals_the_newest_are_kept():
    """Eight, as on the other ways."""
    told = attempts([("pass", points(0, 6, 12, 13))], SCRAPES, 0.0)
    assert [one.started for one in told] == [0.0] + [10.0] * 6 + [20.0]


def test_the_newest_value_says_whether_it_wants_out():
    """No sample, no wish."""
    assert wanted(points(0, 0, 1))
    assert not wanted(points(1, 1, 0))
    assert not wanted([])


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 9.9), st.booleans()), max_size=30), st.floats(0.0, 5.0))
def test_no_attempt_looks_younger_than_it_was(made, timeout):
    """Whatever is made and whenever it is scraped: as many failures as there were (up to 8), each placed too early."""
    ends, now = [], 0.0
    for gap, passed in made:
        now += gap
        ends.append((now, passed))
    scrapes = [10.0 * number for number in range(int(now // 10) + 2)]
    counters = [
        (outcome, [(at, float(sum(end <= at and passed is good for end, passed in ends))) for at in scrapes])
        for outcome, good in (("pass", True), ("fail", False))
    ]
    told = attempts(counters, scrapes, timeout)
    newest = ends[-len(told) :] if told else []
    assert len(told) == min(8, len(ends))
    assert all(one.started <= end for one, (end, _) in zip(sorted(told), sorted(newest), strict=True))
    assert all(one.started >= -timeout for one in told)
