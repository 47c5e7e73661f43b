"""What one member does to the verdict, and why. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent.health.board import View
from agent.health.roots import ancestors, may_explain, root
from agent.health.state import State
from agent.readiness.override import Override
from probes.reason import Reason


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
    reason: str  # ok, starting, stale, down, degraded, flapping, blind, maintenance: a closed set
    text: str = ""
    held: bool = False  # by something shared, and not taken out for it: it may be so for all
    depth: int = 0  # how many probes it depends on: a cause has fewer than its consequences


@dataclass(frozen=True, slots=True)
class Blame:
    """What is known of a shared probe that is down here. `ours`: it is this replica's own trouble."""

    ours: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules know beyond the probes themselves.

    `blames`: of every shared probe that is down. `elsewhere`: private probes that are down, and what each depends on
    that fails for other replicas just now. `braked`: others leave first. `returning`: seconds until the replica
    may come back. `override`: a person's word. `served`: the replica was ready once; what a reload adds, perhaps at
    every replica in the same moment, does not take it out before it was judged.
    """

    blames: Mapping[str, Blame] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    braked: bool = False
    isolated: bool = False
    returning: float = 0.0
    override: Override | None = None
    served: bool = False


_ALONE = Blame(ours=False, text="it is shared and no peer is asked, so this replica stays")
_NO_SITUATION = Situation()


def rule(view: View, views: Mapping[str, View] | None = None, situation: Situation = _NO_SITUATION) -> Ruling:
    """What one member does to the verdict, and why. `views`: all members, where one may explain another."""
    name, gates = view.member.name, view.member.when_down == "unready"
    if view.maintenance:
        return Ruling(name, Effect.NONE, "maintenance", f"is in maintenance: {view.maintenance}")
    if view.member.when_down == "ignore":
        return Ruling(name, Effect.NONE, view.state.value)
    if view.stale:
        effect = Effect.UNREADIES if gates else Effect.DEGRADES
        return Ruling(name, effect, "stale", f"is stale: no attempt ended for {view.stale_after:g} s")
    if view.state is State.UNKNOWN:
        text = "is starting: not judged yet"
        if gates and situation.served:
            return Ruling(name, Effect.DEGRADES, "starting", f"{text}, added by a reload", held=True)
        return Ruling(name, Effect.UNREADIES if gates else Effect.NONE, "starting", text)
    if view.state is State.DOWN:
        return _down(view, views or {}, situation)
    if view.state is State.DEGRADED:
        return Ruling(name, Effect.DEGRADES, "degraded", f"is degraded: {why(view)}")
    if view.blind:
        return Ruling(name, Effect.DEGRADES, "blind", "is not measured: the agent itself is stalled")
    if view.flapping:
        text = "is flapping: its results keep changing"
        return Ruling(name, Effect.DEGRADES, "flapping", text, held=view.member.shared)
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


def held_open(ruling: Ruling, views: Mapping[str, View]) -> bool:
    """Whether a shared fault would have taken the replica out by this member."""
    return ruling.held and ruling.reason == "down" and views[ruling.name].member.when_down == "unready"


def _down(view: View, views: Mapping[str, View], situation: Situation) -> Ruling:
    ruling = _needed(view, views, situation)
    if view.member.when_down != "unready":
        # Being held still counts: else a strict fleet would be an empty one, by something it can do without.
        ruling = replace(ruling, effect=Effect.DEGRADES, text=f"is down: {why(view)}{_because(view, views)}")
    if view.member.depends_on:
        ruling = replace(ruling, depth=sum(1 for _ in ancestors(view.member.name, views)))
    return ruling


def _needed(view: View, views: Mapping[str, View], situation: Situation) -> Ruling:
    """What a member that is down does, were it one that makes unready."""
    name = view.member.name
    text = f"is down: {why(view)}{_because(view, views)}"
    if view.member.shared:
        return _shared(name, text, situation.blames.get(name, _ALONE), situation)
    for parent in ancestors(name, views):
        upstream = parent.member.name
        if parent.maintenance and may_explain(parent, view):
            return Ruling(name, Effect.DEGRADES, "down", f"{text}; {upstream} is in maintenance", held=True)
        if parent.member.shared and parent.state is State.DOWN and not parent.maintenance:
            # It can only follow: whatever empties the fleet through the cause must not do so through its consequence.
            return _shared(name, text, situation.blames.get(upstream, _ALONE), situation)
        if parent.member.shared and may_explain(parent, view):
            doubt = f"{upstream} failed too just now, or was not asked since"
            return Ruling(name, Effect.DEGRADES, "down", f"{text}; {doubt}, so this replica stays", held=True)
    if name in situation.elsewhere:
        doubt = f"{situation.elsewhere[name]} fails for other replicas"
        return Ruling(name, Effect.DEGRADES, "down", f"{text}; {doubt}, so this replica stays", held=True)
    return Ruling(name, Effect.UNREADIES, "down", text)


def _because(view: View, views: Mapping[str, View]) -> str:
    cause = root(view.member.name, views)
    return f"; {cause}, which it depends on, is down too" if cause != view.member.name else ""


def _shared(name: str, text: str, blame: Blame, situation: Situation) -> Ruling:
    said = f"{text}; {blame.text}"
    if not blame.ours:
        return Ruling(name, Effect.DEGRADES, "down", said, held=True)
    if situation.braked:
        said += ", but others leave first and some must stay"
        return Ruling(name, Effect.DEGRADES, "down", said, held=True)
    return Ruling(name, Effect.UNREADIES, "down", said)
