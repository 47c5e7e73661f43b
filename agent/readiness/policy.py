"""From what is believed of the probes to the verdict of the replica. Pure.

Ready is the AND over the members with `when_down: unready`. A shared dependency that is down takes the replica out
only when the peers say that it works for them: rules.py has a member's part, evidence.py the question to the peers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.health.board import View
from agent.readiness.override import Override
from agent.readiness.rules import Effect, Ruling, Situation, held_open, rule


class Status(StrEnum):
    """The one word for people and load balancers."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Policy:
    """The file's section `readiness`, as far as this room decides. `shared`: auto, degrade or unready."""

    fail_on_degraded: bool = False
    shared: str = "auto"
    ready_delay: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """May this replica get traffic. `reasons` are whole sentences, worst first, a cause before what it explains."""

    ready: bool
    status: Status
    members: tuple[Ruling, ...] = ()
    draining: bool = False
    unjudged: bool = False
    starting: bool = False  # nothing is in force yet
    held_open: bool = False  # a shared fault that would have taken the replica out
    isolated: bool = False  # there are other replicas, and none of them answers
    returning: float = 0.0  # seconds until it comes back after a dependency had taken it out
    override: Override | None = None  # a person's word, which counts for more than the members

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is not plain healthy."""
        told = [member for member in self.members if member.effect is not Effect.NONE]
        told.sort(key=lambda member: (member.effect is not Effect.UNREADIES, member.depth))
        said = [f"{member.name} {member.text or member.reason}" for member in told]
        if self.isolated:
            said.append("isolated: there are other replicas, and none of them answers")
        if self.returning:
            said.insert(0, f"returning: ready in {self.returning:.1f} s, so that not all replicas come back at once")
        if self.starting:
            said.insert(0, "starting: the first configuration is being put in force")
        if self.unjudged:
            said.insert(0, "no valid configuration is in force: nothing is judged")
        if self.override:
            said.insert(0, f"override: {self.override.sentence}")
        if self.draining:
            said.insert(0, "draining: this replica is about to stop")
        return tuple(said)


_NO_SITUATION = Situation()


def decide(
    views: Mapping[str, View],
    policy: Policy,
    *,
    draining: bool,
    exclude: frozenset[str] = frozenset(),
    situation: Situation = _NO_SITUATION,
) -> Verdict:
    """The verdict now. `exclude`: members the caller does not want to hear of."""
    members = tuple(rule(view, views, situation) for name, view in views.items() if name not in exclude)
    degrading = [member for member in members if member.effect is Effect.DEGRADES]
    # What everyone suffers from takes nobody out, and neither does being alone: it might be so for all.
    strict = policy.fail_on_degraded and not all(member.held for member in degrading)
    out = strict or any(member.effect is Effect.UNREADIES for member in members)
    degraded = bool(degrading) or situation.isolated
    returning = 0.0 if out else situation.returning
    override = situation.override
    ready = override.ready if override else not (out or returning)
    worse = Status.DEGRADED if degraded or override else Status.HEALTHY
    return Verdict(
        ready and not draining,
        worse if ready and not draining else Status.UNHEALTHY,
        members,
        draining=draining,
        held_open=any(held_open(ruling, views) for ruling in members),
        isolated=situation.isolated,
        returning=returning,
        override=override,
    )


def starting() -> Verdict:
    """The verdict before anything is in force: for the milliseconds in which the listener is open already."""
    return Verdict(ready=False, status=Status.UNHEALTHY, starting=True)


def unjudged(*, draining: bool, override: Override | None = None) -> Verdict:
    """The verdict without any valid configuration: ready, and saying so: our fault must not stop it."""
    ready = not draining and (override is None or override.ready)
    status = Status.DEGRADED if ready else Status.UNHEALTHY
    return Verdict(ready, status, draining=draining, unjudged=True, override=override)
