"""From what is believed of the probes to the verdict of the replica. Pure.

Ready is the AND over the members with `when_down: unready`. A shared dependency never takes the replica out without a
peer view: with everyone leaving at once nobody would be served (the replica is degraded and ready instead).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.health.board import View
from agent.health.state import State
from probes.reason import Reason


class Status(StrEnum):
    """The one word for people and load balancers."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Effect(StrEnum):
    """What one member does to the verdict."""

    NONE = "none"
    DEGRADES = "degrades"
    UNREADIES = "unreadies"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One member's part in the verdict. `text` is for people with the right to see it."""

    name: str
    effect: Effect
    reason: str  # ok, starting, stale, down, degraded, flapping, blind: a closed set
    text: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The file's section `readiness`, as far as this room decides."""

    fail_on_degraded: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """May this replica get traffic. `reasons` are whole sentences, worst first; empty when all is well."""

    ready: bool
    status: Status
    members: tuple[Ruling, ...] = ()
    draining: bool = False
    unjudged: bool = False
    held_open: bool = False  # a shared fault that would have taken the replica out

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is not plain healthy."""
        said = [f"{r.name} {r.text or r.reason}" for effect in _WORST_FIRST for r in self.members if r.effect is effect]
        if self.unjudged:
            said.insert(0, "no valid configuration is in force: nothing is judged")
        if self.draining:
            said.insert(0, "draining: this replica is about to stop")
        return tuple(said)


_WORST_FIRST = (Effect.UNREADIES, Effect.DEGRADES)


def decide(
    views: Mapping[str, View], policy: Policy, *, draining: bool, exclude: frozenset[str] = frozenset()
) -> Verdict:
    """The verdict now. `exclude`: members the caller does not want to hear of."""
    members = tuple(rule(view) for name, view in views.items() if name not in exclude)
    effects = {member.effect for member in members}
    degraded = Effect.DEGRADES in effects
    out = draining or Effect.UNREADIES in effects or (degraded and policy.fail_on_degraded)
    status = Status.UNHEALTHY if out else Status.DEGRADED if degraded else Status.HEALTHY
    held = any(_held_open(view) for name, view in views.items() if name not in exclude)
    return Verdict(not out, status, members, draining=draining, held_open=held)


def unjudged(*, draining: bool) -> Verdict:
    """The verdict without any valid configuration: ready, and saying so: our fault must not stop it."""
    status = Status.UNHEALTHY if draining else Status.DEGRADED
    return Verdict(not draining, status, draining=draining, unjudged=True)


def rule(view: View) -> Ruling:
    """What one member does to the verdict, and why."""
    name, gates = view.member.name, view.member.when_down == "unready"
    if view.member.when_down == "ignore":
        return Ruling(name, Effect.NONE, view.state.value)
    if view.stale:
        effect = Effect.UNREADIES if gates else Effect.DEGRADES
        return Ruling(
            name, effect, "stale", f"is stale: no attempt ended for {view.member.stale_after(view.state):g} s"
        )
    if view.state is State.UNKNOWN:
        return _unknown(view, gates=gates)
    if view.state is State.DOWN:
        return _down(view, gates=gates)
    if view.state is State.DEGRADED:
        return Ruling(name, Effect.DEGRADES, "degraded", f"is degraded: {why(view)}")
    if view.blind:
        return Ruling(name, Effect.DEGRADES, "blind", "is not measured: the agent itself is stalled")
    if view.flapping:
        return Ruling(name, Effect.DEGRADES, "flapping", "is flapping: its results keep changing")
    return Ruling(name, Effect.NONE, "ok")


def available(view: View) -> bool:
    """The signal of `/readyz/NAME`: false while down or never passed, whatever the policy says of the member."""
    return view.state is not State.DOWN and view.ever_passed


def why(view: View) -> str:
    """The reason of the last attempt, with its detail, for people with the right to see it."""
    last = view.last
    if last is None:
        return "no attempt yet"
    if last.reason is Reason.OK:
        return "recovering"
    where = f" in {last.phase}" if last.phase else ""
    return f"{last.reason}{where}" + (f" ({last.detail})" if last.detail else "")


def _unknown(view: View, *, gates: bool) -> Ruling:
    text = "is starting: not judged yet"
    return Ruling(view.member.name, Effect.UNREADIES if gates else Effect.NONE, "starting", text)


def _down(view: View, *, gates: bool) -> Ruling:
    if not gates:
        return Ruling(view.member.name, Effect.DEGRADES, "down", f"is down: {why(view)}")
    if view.member.shared:
        text = f"is down: {why(view)}; it is shared and no peer is asked, so this replica stays"
        return Ruling(view.member.name, Effect.DEGRADES, "down", text)
    return Ruling(view.member.name, Effect.UNREADIES, "down", f"is down: {why(view)}")


def _held_open(view: View) -> bool:
    return view.member.shared and view.member.when_down == "unready" and view.state is State.DOWN
