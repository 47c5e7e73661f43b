"""The board: overlays, edges, and what happens to probes that come and go."""

import pytest

from agent.health.board import Board, Member
from agent.health.flapping import Flapping
from agent.health.state import Rules, State
from tests.agent.observed import attempt

DB = Member("db", "postgres", interval=10.0, timeout=3.0, rules=Rules())


@pytest.fixture
def board():
    board = Board()
    board.enter(DB, 0.0)
    return board


def test_nothing_is_believed_before_the_first_attempt(board):
    """A new probe is unknown, never passed, not stale."""
    view = board.view(500.0)["db"]
    assert (view.state, view.ever_passed, view.overlays) == (State.UNKNOWN, False, ())


@pytest.mark.parametrize(("now", "stale"), [(33.1, False), (33.2, True)])
@pytest.mark.case("R09")
def test_a_result_goes_stale_after_three_intervals_and_a_timeout(board, now, stale):
    """3 x 10 s + 3 s after the last attempt ended nothing is known any more."""
    board.record(attempt("S", 0.0))
    assert board.view(now)["db"].stale is stale


@pytest.mark.parametrize(("now", "stale"), [(95.0, False), (95.2, True)])
def test_a_probe_that_is_down_is_asked_slowly_and_not_stale_for_that(board, now, stale):
    """While down, three slow intervals: in a long shared outage nobody may become unready by our own slowness."""
    for at in range(3):
        board.record(attempt("F", float(at)))
    assert board.view(now)["db"].stale is stale


def test_inconclusive_attempts_hold_the_verdict_and_show_blindness(board):
    """Five attempts in a row that say nothing: not stale, but the agent is the sick one."""
    board.record(attempt("S", 0.0))
    for at in range(5):
        board.record(attempt("I", 100.0 + at))
    view = board.view(200.0)["db"]
    assert (view.state, view.stale, view.blind) == (State.UP, False, True)


@pytest.mark.case("A18")
def test_alternating_results_flap_and_calm_down():
    """21 alternating results are flapping, told once; calm results end it below 25 %."""
    flapping = Flapping()
    told = [flapping.observe(turn % 2 == 0) for turn in range(30)]
    assert told.count(True) == 1
    assert told[20]
    ended = [flapping.observe(True) for _ in range(21)]
    assert ended.count(True) == 1
    assert 0.0 <= flapping.share() < 0.25


def test_flapping_lies_over_the_state(board):
    """The overlay is in the view."""
    for at in range(22):
        board.record(attempt("SF"[at % 2], float(at)))
    assert board.view(22.0)["db"].overlays == ("flapping",)


def test_attempts_of_probes_that_left_are_ignored(board):
    """A late answer of a removed probe brings nothing back."""
    board.leave("db")
    assert board.record(attempt("S")) is None
    assert board.view(0.0) == {}


def test_the_time_of_the_last_success_is_kept(board):
    """Wall-clock time of the last pass, for the metric."""
    board.record(attempt("S", 5.0))
    board.record(attempt("F", 10.0))
    assert board.view(11.0)["db"].last_success_at == 1.7e9 + 5.0


def test_another_kind_under_the_same_name_starts_from_nothing(board):
    """Belief is only handed on within one kind of probe."""
    board.record(attempt("S"))
    board.enter(Member("db", "redis"), 10.0)
    assert board.view(11.0)["db"].state is State.UNKNOWN


def test_what_follows_from_a_verdict_may_change_without_a_restart(board):
    """`when_down` and texts are taken over, the belief stays."""
    board.record(attempt("S"))
    board.amend(Member("db", "postgres", when_down="degraded", description="ours"))
    view = board.view(1.0)["db"]
    assert (view.state, view.member.when_down, view.member.description) == (State.UP, "degraded", "ours")
