"""May this replica get traffic: every member's part, in every state."""

import pytest

from agent.health.board import Member, View
from agent.health.state import State
from agent.readiness.override import Override
from agent.readiness.policy import Policy, Status, decide, unjudged
from agent.readiness.rules import Blame, Situation, available
from probes.reason import Reason
from tests.agent.observed import attempt


def view(state="up", name="db", *, when_down="unready", shared=False, ever=None, **overlays):
    last = attempt("F" if state == "down" else "S", probe=name)
    passed = state != "unknown" if ever is None else ever
    return View(
        Member(name, "postgres", when_down=when_down, shared=shared), State(state), 0.0, last, passed, **overlays
    )


def verdict(*views, policy=Policy(), draining=False, exclude=()):  # noqa: B008 - frozen
    return decide({one.member.name: one for one in views}, policy, draining=draining, exclude=frozenset(exclude))


@pytest.mark.case("S02")
@pytest.mark.parametrize(
    ("state", "ready", "status"),
    [("up", True, "healthy"), ("degraded", True, "degraded"), ("down", False, "unhealthy")],
)
def test_one_gating_member(state, ready, status):
    """Healthy and degraded are ready, down is not."""
    said = verdict(view(state))
    assert (said.ready, said.status) == (ready, status)


@pytest.mark.case("S07")
def test_the_worst_member_decides():
    """Up, degraded, unknown and down together are down."""
    said = verdict(view("up", "a"), view("degraded", "b"), view("unknown", "c"), view("down", "d"))
    assert said.status is Status.UNHEALTHY
    assert said.reasons[0].startswith(("c ", "d "))


@pytest.mark.case("S09")
def test_nothing_to_judge_is_ready():
    """Without probes the replica is healthy."""
    assert verdict().ready


@pytest.mark.case("S17")
@pytest.mark.parametrize(("when_down", "status"), [("degraded", "degraded"), ("ignore", "healthy")])
def test_a_member_that_does_not_gate_never_unreadies(when_down, status):
    """when_down degraded shows, ignore does not even show."""
    said = verdict(view("down", when_down=when_down))
    assert (said.ready, said.status) == (True, status)


@pytest.mark.case("X12")
@pytest.mark.case("R01")
def test_a_shared_dependency_never_takes_the_replica_out_without_peers():
    """Shared and down: degraded, ready, and the reason says why it stays."""
    said = verdict(view("down", shared=True))
    assert (said.ready, said.status, said.held_open) == (True, Status.DEGRADED, True)
    assert "no peer is asked" in said.reasons[0]


@pytest.mark.parametrize("shared", [True, False])
def test_not_judged_yet_is_not_ready(shared):
    """A gating member without a verdict keeps the replica out, shared or not."""
    said = verdict(view("unknown", shared=shared))
    assert (said.ready, said.members[0].reason) == (False, "starting")


def test_not_judged_yet_does_not_matter_for_others():
    """A member that does not gate may be unknown."""
    assert verdict(view("unknown", when_down="degraded")).status is Status.HEALTHY


def test_stale_is_not_ready():
    """A gating member whose results are too old keeps the replica out."""
    said = verdict(view("up", stale=True))
    assert (said.ready, said.members[0].reason) == (False, "stale")


@pytest.mark.parametrize("overlay", ["flapping", "blind"])
def test_doubt_degrades(overlay):
    """Flapping and blindness are shown, and take nobody out."""
    assert verdict(view("up", **{overlay: True})).status is Status.DEGRADED


def test_fail_on_degraded():
    """The switch for those who would rather lose a replica than serve degraded."""
    assert not verdict(view("degraded"), policy=Policy(fail_on_degraded=True)).ready


def test_draining_is_not_ready_whatever_the_members_say():
    """From the first request to stop the replica wants no traffic."""
    said = verdict(view("up"), draining=True)
    assert (said.ready, said.reasons) == (False, ("draining: this replica is about to stop",))


@pytest.mark.case("K04")
def test_excluded_members_are_not_heard():
    """`?exclude=` takes a member out of the verdict."""
    assert verdict(view("down", "bad"), view("up", "good"), exclude=["bad"]).ready


@pytest.mark.parametrize("draining", [True, False])
def test_without_a_configuration_nothing_is_judged(draining):
    """Unjudged is ready until it drains, and says so."""
    said = unjudged(draining=draining)
    assert said.ready is not draining
    assert said.unjudged
    assert any("nothing is judged" in reason for reason in said.reasons)


@pytest.mark.parametrize(
    ("state", "ever", "expected"),
    [("up", True, True), ("down", True, False), ("unknown", False, False), ("unknown", True, True)],
)
def test_the_signal_of_one_probe(state, ever, expected):
    """/readyz/NAME: false while down or never passed, whatever the policy says of the member."""
    assert available(view(state, when_down="ignore", shared=True, ever=ever)) is expected


def test_the_reason_names_reason_phase_and_probe():
    """The sentence a person reads first."""
    assert verdict(view("down")).reasons == (f"db is down: {Reason.CONNECT_REFUSED} in connect",)


def family(*views, **situation):
    return decide({one.member.name: one for one in views}, Policy(), draining=False, situation=Situation(**situation))


def child(name="app", parents=("db",), **overlays):
    """Down, of this replica alone, and depending on others."""
    last = attempt("F", 100.0, probe=name)
    member = Member(name, "http", depends_on=parents)
    return View(member, State.DOWN, 0.0, last, ever_passed=True, first_failure=96.0, last_failure=100.0, **overlays)


def test_the_deepest_cause_is_told_first():
    """Down one above the other: the verdict names the one below all others before what it explains."""
    said = family(child("edge", ("app",)), child(), view("down", "db"))
    assert [reason.split()[0] for reason in said.reasons] == ["db", "app", "edge"]
    assert said.reasons[2].endswith("; db, which it depends on, is down too")


def test_a_child_is_held_with_its_shared_parent():
    """Through its consequence a shared fault takes nobody out either."""
    assert family(child(), view("down", "db", shared=True)).ready
    assert family(child("edge", ("app",)), child(), view("down", "db", shared=True)).ready


def test_a_child_goes_with_its_shared_parent():
    """The peers reach the parent: then both are this replica's own trouble."""
    blames = {"db": Blame(ours=True, text="11 of 12 peers reached it since")}
    assert not family(child(), view("down", "db", shared=True), blames=blames).ready
    assert family(child(), view("down", "db", shared=True), blames=blames, braked=True).ready


def test_a_private_parent_holds_nobody():
    """Nothing shared is in it: both are down, and the replica is out."""
    assert not family(child(), view("down", "db", when_down="degraded")).ready


def test_a_child_of_a_parent_in_maintenance_is_held():
    """Whoever depends on what is being worked on fails with it."""
    said = family(child(), view("down", "db", maintenance="upgrade", failures=3))
    assert (said.ready, said.status) == (True, Status.DEGRADED)
    assert said.reasons == ("app is down: connect_refused in connect; db is in maintenance",)


@pytest.mark.parametrize(("last_failure", "ready"), [(99.0, True), (30.0, False), (None, False)])
def test_a_child_of_a_shared_parent_that_just_recovered_is_held(last_failure, ready):
    """It may only be the later one to notice; when it fails again a minute later it is out."""
    parent = View(Member("db", "tcp", shared=True), State.UP, 0.0, attempt("S", 101.0), True, last_failure=last_failure)
    assert family(child(), parent).ready is ready


def test_flapping_of_what_is_shared_does_not_empty_a_strict_fleet():
    """In a brown-out everyone's results keep changing; what flaps for this replica alone is another matter."""
    strict = Policy(fail_on_degraded=True)
    assert verdict(view("up", shared=True, flapping=True), policy=strict).ready
    assert not verdict(view("up", flapping=True), policy=strict).ready


def test_being_held_does_not_empty_a_strict_fleet():
    """A shared dependency that is down for all leaves a strict replica ready; another degraded member does not."""
    strict = Policy(fail_on_degraded=True)
    assert verdict(view("down", shared=True), policy=strict).ready
    assert not verdict(view("down", shared=True), view("degraded", "cache"), policy=strict).ready


def test_isolated_does_not_empty_a_strict_fleet():
    """A network policy that closes the port between all Pods is no reason to have no Pod."""
    situation = Situation(isolated=True)
    said = decide({}, Policy(fail_on_degraded=True), draining=False, situation=situation)
    assert (said.ready, said.status) == (True, Status.DEGRADED)


def test_returning_ends_where_a_member_takes_it_out():
    """It is out for that, and not on its way."""
    said = family(view("down", "disk"), returning=3.0)
    assert (said.ready, said.returning) == (False, 0.0)


def test_draining_counts_for_more_than_an_override():
    """A replica that stops wants no traffic, whoever says otherwise."""
    override = Override(ready=True, until=9.0, reason="INC-7")
    said = decide({}, Policy(), draining=True, situation=Situation(override=override))
    assert not said.ready
