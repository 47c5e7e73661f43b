"""Groups: verdicts over some of the members, with a rule of their own. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.health.board import View
from agent.readiness.policy import Status
from agent.readiness.rules import Effect, Ruling, Situation, rule


@dataclass(frozen=True, slots=True)
class Group:
    """Some probes, how many of them must work, and whether a degraded one counts as working."""

    members: tuple[str, ...]
    needed: int
    fail_on_degraded: bool = False


@dataclass(frozen=True, slots=True)
class GroupVerdict:
    """How a group stands. `working` of its members do, `needed` must."""

    ready: bool
    status: Status
    members: tuple[Ruling, ...]
    working: int
    needed: int


def decide_group(group: Group, views: Mapping[str, View], situation: Situation) -> GroupVerdict:
    """The group's verdict. Whatever `when_down` says of a member elsewhere, here it is needed.

    A shared member that is down for everyone counts as working: a balancer that asks for the group would have nobody
    left. One in maintenance does too.
    """
    members = tuple(rule(_needed(views[name]), views, situation) for name in group.members if name in views)
    working = sum(_works(member, group) for member in members)
    degraded = any(member.effect is not Effect.NONE for member in members)
    ready = working >= group.needed
    status = Status.UNHEALTHY if not ready else Status.DEGRADED if degraded else Status.HEALTHY
    return GroupVerdict(ready, status, members, working, group.needed)


def _needed(view: View) -> View:
    return replace(view, member=replace(view.member, when_down="unready"))


def _works(ruling: Ruling, group: Group) -> bool:
    if ruling.effect is Effect.DEGRADES:
        return ruling.held or not group.fail_on_degraded
    return ruling.effect is Effect.NONE
