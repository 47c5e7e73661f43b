"""Attempts that read nothing about the target itself: judged for what they saw, and what is shown of them."""

import pytest

from agent.events import Outcome
from agent.health.board import Board, Member
from agent.health.judge import Bound, Judge
from agent.health.state import State
from probes.base import Kind, Measurement, Reading
from probes.reason import Reason
from tests.agent.observed import attempt

RATE = Bound("deadlocks", 5 / 60, above=True, outcome=Outcome.WARN, per_second=True)
USED = Bound("used", 0.8, above=True, outcome=Outcome.WARN, unit="ratio")
BARE = Measurement((Reading("query", 0.001, "seconds"),), facts={"version": "18"})
FULL = Measurement((Reading("query", 0.001, "seconds"), Reading("used", 0.9, "ratio")), facts={"role": "primary"})


def deadlocks(value):
    return Measurement((Reading("deadlocks", value, kind=Kind.COUNTER),))


@pytest.mark.parametrize("above", [True, False])
def test_what_was_not_asked_for_is_no_fault(above):
    """No threshold warns or fails for a reading that another replica reads."""
    judge = Judge((Bound("used", 0.5, above, Outcome.FAIL), RATE))
    assert judge.passed(BARE, 0.1, 1.0, read=False).outcome is Outcome.PASS


def test_concerns_and_thresholds_of_the_path_still_count():
    """What this replica sees for itself is judged in every attempt."""
    judge = Judge((Bound("query", 0.0005, above=True, outcome=Outcome.WARN),))
    assert judge.passed(BARE, 0.1, 1.0, read=False).reason is Reason.THRESHOLD
    refused = Measurement(concerns=(Reason.WRITES_REFUSED,))
    assert judge.passed(refused, 0.1, 2.0, read=False).reason is Reason.WRITES_REFUSED


def test_a_rate_needs_two_attempts_in_a_row_that_read():
    """A replica whose turn comes again does not warn for growth that another one has judged meanwhile."""
    judge = Judge((RATE,))
    story = [(0, 0, True), (100, 10, True), (None, 20, False), (10_000, 30, True), (10_000, 40, True)]
    found = [
        judge.passed(deadlocks(count) if read else BARE, 0.1, at, read=read).outcome.value for count, at, read in story
    ]
    assert found == ["pass", "warn", "pass", "pass", "pass"]


def test_a_counter_of_the_path_keeps_its_rate():
    """A counter that is told without reading the target is a rate at every attempt."""
    judge = Judge((RATE,))
    judge.passed(deadlocks(0), 0.1, 0.0, read=False)
    assert judge.passed(deadlocks(100), 0.1, 10.0, read=False).outcome is Outcome.WARN


def test_a_failure_between_two_readings_does_not_end_a_rate():
    """Only an attempt that passed without reading does."""
    judge = Judge((RATE,))
    judge.passed(deadlocks(0), 0.1, 0.0)
    judge.failed(Reason.CONNECT_REFUSED, "")
    assert judge.passed(deadlocks(100), 0.1, 20.0).outcome is Outcome.WARN


@pytest.fixture
def board():
    board = Board()
    board.enter(Member("db", "postgres"), 0.0)
    return board


def test_readings_vanish_when_another_replica_reads(board):
    """No old number, and no old fact, stays on the metrics page of a replica that reads no more."""
    board.record(attempt("S", 0.0, measurement=FULL))
    assert [reading.name for reading in board.view(1.0)["db"].readings] == ["query", "used"]
    board.record(attempt("S", 10.0, measurement=BARE))
    view = board.view(11.0)["db"]
    assert ([reading.name for reading in view.readings], view.facts) == (["query"], {"version": "18"})
    board.record(attempt("S", 20.0, measurement=Measurement((Reading("query", 0.001),))))
    assert board.view(21.0)["db"].facts == {}


def test_facts_outlive_a_failure(board):
    """While a server cannot be reached, what is known of it is still told; its numbers are not."""
    board.record(attempt("S", 0.0, measurement=FULL))
    board.record(attempt("F", 10.0, measurement=Measurement((Reading("query", 0.001),))))
    board.record(attempt("F", 20.0))
    view = board.view(21.0)["db"]
    assert (view.readings, view.facts) == ((), {"role": "primary"})


def test_a_warning_ends_once_another_replica_reads(board):
    """Degraded by a reading, then no longer the reader: two clean attempts later it is up, and stays so."""
    judge = Judge((USED,))
    states = []
    for number in range(10):
        reads = number < 5
        ruling = judge.passed(FULL if reads else BARE, 0.1, float(number), read=reads)
        letter = {Outcome.PASS: "S", Outcome.WARN: "W"}[ruling.outcome]
        board.record(attempt(letter, float(number), measurement=FULL if reads else BARE))
        states.append(board.view(number + 0.5)["db"].state)
    up, degraded = [State.UP], [State.DEGRADED]
    assert states == up * 2 + degraded * 4 + up * 4
