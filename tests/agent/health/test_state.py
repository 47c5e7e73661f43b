"""The state machine: rows A of the conformance tables and the rules around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.health.state import Machine, Rules, State
from probes.reason import Reason
from tests.agent.observed import attempt

UP, DOWN, DEGRADED, UNKNOWN = State.UP, State.DOWN, State.DEGRADED, State.UNKNOWN


def play(letters, rules=Rules(), **kwargs):  # noqa: B008 - frozen
    """The states after each attempt."""
    machine = Machine("db", rules, **kwargs)
    states = []
    for at, letter in enumerate(letters):
        machine.observe(attempt(letter, float(at)))
        states.append(machine.state)
    return machine, states


@pytest.mark.case("A01")
def test_counts_failures_and_successes_in_a_row():
    """Failure 2, success 3: down at the second failure, up at the third success, counters as in the table."""
    machine, counters, states = Machine("db", Rules(2, 3)), [], []
    for letter in "FFFFSSSS":
        machine.observe(attempt(letter))
        counters.append((machine.failures, machine.successes))
        states.append(machine.state)
    assert counters == [(1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (0, 2), (0, 3), (0, 4)]
    assert states == [UNKNOWN, DOWN, DOWN, DOWN, DOWN, DOWN, UP, UP]


@pytest.mark.case("A05")
def test_one_edge_at_the_threshold():
    """Three failures in a row make exactly one edge, at the third."""
    machine = Machine("db", Rules(3, 2))
    machine.observe(attempt("S"))
    assert [machine.observe(attempt("F")) is not None for _ in range(5)] == [False, False, True, False, False]


@pytest.mark.case("A08")
def test_probes_are_judged_apart():
    """Two probes with a rule of 2 in a row: only the one that fails twice goes down."""
    one, two = Machine("one", Rules(2)), Machine("two", Rules(2))
    for letter_one, letter_two in ("SS", "SF", "FS", "SF", "SF"):
        one.observe(attempt(letter_one))
        two.observe(attempt(letter_two))
    assert (one.state, two.state) == (UP, DOWN)


@pytest.mark.case("A10")
def test_one_opposite_result_resets_the_count():
    """Failure and success threshold 3: three to leave, three to return, one opposite result starts the count anew."""
    _, states = play("SFFSFFFSSFSSS", Rules(3, 3))
    assert states == [UP] * 6 + [DOWN] * 6 + [UP]


@pytest.mark.case("A13")
def test_a_new_machine_remembers_nothing():
    """After a restart counters are 0 and old results are not used."""
    machine, _ = play("")
    assert (machine.state, machine.failures, machine.last) == (UNKNOWN, 0, None)


@pytest.mark.case("A14")
def test_down_only_when_failures_are_used_up():
    """Three failures: the first two leave the state alone, only the third is an edge."""
    machine = Machine("db", Rules(3))
    edges = [machine.observe(attempt("F")) for _ in range(3)]
    assert edges[:2] == [None, None]
    assert (edges[2].before, edges[2].after) == (UNKNOWN, DOWN)


@pytest.mark.case("A15")
@pytest.mark.parametrize(("letters", "edge"), [("SFFF", (UP, DOWN)), ("FFFSS", (DOWN, UP)), ("S", (UNKNOWN, UP))])
def test_a_change_is_an_edge(letters, edge):
    """Up to down, down to up and the first verdict are told, once."""
    machine = Machine("db", Rules(3, 2))
    edges = [found for letter in letters if (found := machine.observe(attempt(letter)))]
    assert (edges[-1].before, edges[-1].after) == edge


@pytest.mark.case("A15c")
@pytest.mark.parametrize("letters", ["SSSS", "SFFS", "FF"])
def test_no_change_is_no_edge(letters):
    """A state that stays is not told again, however often it is confirmed."""
    machine = Machine("db", Rules(3, 2))
    edges = [found for letter in letters if (found := machine.observe(attempt(letter)))]
    assert len(edges) == (1 if "S" in letters else 0)


@pytest.mark.case("A17")
def test_three_warnings_degrade_and_never_take_down():
    """Warnings count as passes until three in a row: then degraded; two clean passes end it."""
    _, states = play("SWWWWSS")
    assert states == [UP, UP, UP, DEGRADED, DEGRADED, DEGRADED, UP]


def test_a_warning_counts_as_a_pass_on_the_way_up():
    """Down recovers by warnings too, and is degraded at the third."""
    assert play("FFFWWW")[1] == [UNKNOWN, UNKNOWN, DOWN, DOWN, UP, DEGRADED]


@pytest.mark.parametrize("letter", ["I", "-"])
def test_what_says_nothing_moves_nothing(letter):
    """Inconclusive and skipped attempts neither break nor extend a row of failures."""
    assert play("S" + "F" + letter * 9 + "F" + "F")[1][-3:] == [UP, UP, DOWN]


@pytest.mark.parametrize("reason", [Reason.CONFIG, Reason.OVERDUE, Reason.REPORTED])
def test_some_failures_need_no_second_opinion(reason):
    """A failure that a second look cannot change sets down at once."""
    machine = Machine("db")
    machine.observe(attempt("F", reason=reason))
    assert machine.state is DOWN


def test_n_of_m_finds_the_limping():
    """failures_of [3, 5]: three failures in five attempts are down although no two are in a row."""
    assert play("SFSFSF", Rules(9, 2, (3, 5)))[1][-1] is DOWN


def test_n_of_m_starts_anew_after_recovery():
    """After a recovery the failures before it do not count again."""
    assert play("FFF" + "SS" + "F", Rules(3, 2, (3, 5)))[1][-2:] == [UP, UP]


@pytest.mark.case("B15")
def test_steady_works_but_no_new_connection_can_be_made():
    """Steady passes and new connections fail: degraded, never down; a new one that works ends it."""
    machine = Machine("db", steady=True)
    for path, letter in [("pooled", "S"), ("fresh", "F"), ("pooled", "S"), ("pooled", "S")]:
        machine.observe(attempt(letter, path=path))
    assert machine.state is DEGRADED
    for path in ("fresh", "pooled"):
        machine.observe(attempt("S", path=path))
    assert machine.state is UP


def test_a_fresh_failure_counts_when_the_steady_connection_fails_next():
    """Whichever path sees the outage first, three failed attempts in a row are down."""
    machine = Machine("db", steady=True)
    for at, (path, letter) in enumerate([("pooled", "S"), ("fresh", "F"), ("pooled", "F"), ("pooled", "F")]):
        machine.observe(attempt(letter, float(at), path=path))
    assert (machine.state, machine.first_failure) == (DOWN, 1.0)


@given(st.text("FSWI-", max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_the_state_follows_from_the_tail(letters, fall, rise):
    """For any history: `fall` failures in a row are down, and down is only left after `rise` passes in a row."""
    machine, states = play(letters, Rules(fall, rise))
    moving = [letter for letter in letters if letter in "FSW"]
    if len(moving) >= fall and set(moving[-fall:]) == {"F"}:
        assert machine.state is DOWN
    for before, after, at in zip(states, states[1:], range(1, len(states)), strict=False):
        if before is DOWN and after is not DOWN:
            tail = [letter for letter in letters[: at + 1] if letter in "FSW"][-rise:]
            assert "F" not in tail


@pytest.mark.parametrize(
    ("letters", "changing"),
    [
        ("", True),
        ("S", False),
        ("SF", True),
        ("SW", True),
        ("FFF", False),
        ("FFFS", True),
        ("SWWW", False),
        ("SWWWS", True),
    ],
)
def test_asks_faster_only_while_belief_may_change(letters, changing):
    """The fast interval is for the moments in which the next attempt may change the verdict."""
    assert play(letters)[0].changing() is changing
