"""Groups: a verdict over some members, with a rule of its own."""

import pytest

from agent.readiness.groups import Group, decide_group
from agent.readiness.policy import Policy, Status
from config.errors import ConfigError
from config.load import load
from tests.agent.readiness.judged import Judged, private, shared

BOTH, EITHER = Group(("a", "b"), 2), Group(("a", "b"), 1)


def stand(group, judged):
    """How the group stands."""
    return decide_group(group, judged.views, judged.room.situation(judged.views, judged.now))


@pytest.mark.parametrize(
    ("a", "b", "both", "either"),
    [
        ("S", "S", ("healthy", 2), ("healthy", 2)),
        ("FFF", "S", ("unhealthy", 1), ("degraded", 1)),
        ("FFF", "FFF", ("unhealthy", 0), ("unhealthy", 0)),
        ("WWW", "S", ("degraded", 2), ("degraded", 2)),
    ],
)
def test_the_rules(a, b, both, either):
    """All, or any: what is down counts as not working, what is degraded as working."""
    judged = Judged(private("a"), private("b"))
    judged.tries("a", a)
    judged.tries("b", b)
    found = [stand(group, judged) for group in (BOTH, EITHER)]
    assert [(one.status, one.working) for one in found] == [both, either]
    assert [one.ready for one in found] == [one.status is not Status.UNHEALTHY for one in found]


def test_a_strict_group():
    """`fail_on_degraded`: a member that is degraded does not count."""
    judged = Judged(private("a"), private("b"))
    judged.tries("a", "WWW")
    assert not stand(Group(("a", "b"), 2, fail_on_degraded=True), judged).ready


@pytest.mark.parametrize("when_down", ["degraded", "ignore"])
def test_every_member_is_needed_there(when_down):
    """Whatever `when_down` says of it elsewhere."""
    judged = Judged(private("a", when_down=when_down), private("b"))
    judged.tries("a", "FFF")
    assert judged.verdict().ready
    assert not stand(BOTH, judged).ready


def test_a_member_that_was_never_tried_does_not_count():
    """Not judged yet is not working."""
    assert not stand(BOTH, Judged(private("a"), private("b"), start="")).ready


@pytest.mark.parametrize("strict", [True, False])
def test_a_shared_member_that_is_down_for_everyone_counts(strict):
    """A balancer that asks for the group would have nobody left; a strict group is no exception."""
    judged = Judged(shared("a"), private("b"))
    judged.tries("a", "FFF")
    judged.hears("FFF", name="a")
    found = stand(Group(("a", "b"), 2, fail_on_degraded=strict), judged)
    assert (found.ready, found.status) == (True, Status.DEGRADED)


def test_a_shared_member_that_only_others_reach_does_not_count():
    """It is this replica's own trouble, for the group as well."""
    judged = Judged(shared("a"), private("b"), policy=Policy())
    judged.tries("a", "FFF")
    judged.hears("SSS", name="a")
    judged.tries("a", "F", every=0.2)
    assert not stand(BOTH, judged).ready


def test_a_member_in_maintenance_counts():
    """It has no say."""
    judged = Judged(private("a"), private("b"))
    judged.tries("a", "FFF")
    judged.maintenance = {"a"}
    assert stand(BOTH, judged).status is Status.HEALTHY


def test_others_are_not_heard_of():
    """What is no member changes nothing."""
    judged = Judged(private("a"), private("b"), private("c"))
    judged.tries("c", "FFF")
    assert stand(BOTH, judged).status is Status.HEALTHY


@pytest.mark.parametrize(
    ("group", "says"),
    [
        pytest.param("web: {members: [db, cahce]}", "'cahce' names no probe; did you mean `cache`?", id="X10 unknown"),
        pytest.param("web: {members: []}", "groups.web.members", id="S09 empty"),
        pytest.param("web: {}", "members", id="S09 none"),
        pytest.param("web: {members: [db, db]}", "names a probe twice", id="twice"),
        pytest.param("web: {members: [db, cache], rule: 3}", "asks for 3 of 2 members", id="more than there are"),
        pytest.param("web: {members: [db, cache], rule: 0}", "groups.web.rule", id="none needed"),
        pytest.param("liveness: {members: [db]}", "a restart cures no dependency", id="X09 liveness"),
        pytest.param("livez: {members: [db]}", "a restart cures no dependency", id="X09 livez"),
    ],
)
@pytest.mark.case("S09")
@pytest.mark.case("X09")
@pytest.mark.case("X10")
def test_what_is_no_group_is_refused_at_load(group, says):
    """Empty, of unknown members, or of liveness: said with its place, before anything starts."""
    probes = "db: {type: x, url: a}, cache: {type: x, url: a}"
    with pytest.raises(ConfigError) as refused:
        load(f"service: s\nprobes: {{{probes}}}\ngroups: {{{group}}}".encode(), {})
    assert says in str(refused.value)
    assert str(refused.value).startswith("environment:3:")
