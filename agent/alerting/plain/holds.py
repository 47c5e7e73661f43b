"""When an alert without an objective holds. None: nobody can tell, or is to be told; all stays as it is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.alerting.plain.reasons import CERTIFICATE, by_certificate, lasts
from agent.health.board import View
from agent.health.state import State


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to judge at one moment.

    `held_open`: the brake keeps this replica in service. `others`: replicas that are known; `isolated`: none of them
    answers. `losses`: what each destination of telemetry refused or lost so far, by reason. `draining`: this replica is
    about to stop, and so is what it rides beside.
    """

    views: Mapping[str, View] = field(default_factory=dict)
    held_open: bool = False
    others: int = 0
    isolated: bool = False
    losses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    draining: bool = False


def uncertain(view: View) -> bool:
    """Whether what is believed of a probe is old, or not known yet."""
    return view.stale or view.blind or view.state is State.UNKNOWN


def down(view: View) -> bool | None:
    """Once it is down, and until it is up for good: what flaps is one fault, and what just passed may be up next."""
    if view.state is State.DOWN and not view.failures:
        return None
    return _of(view, view.state is State.DOWN)


def degraded(view: View) -> bool | None:
    """A probe that is down says nothing of how well it would be; a certificate has an alert of its own."""
    if view.state is State.DOWN:
        return None
    return _of(view, view.state is State.DEGRADED and not by_certificate(view))


def flapping(view: View) -> bool | None:
    """As the board has it."""
    return None if uncertain(view) or (view.flapping and view.maintenance) else view.flapping


def certificate(view: View) -> bool | None:
    """Whether it expires sooner than the file allows: a file without a bound allows everything."""
    bounds = [bound for bound in view.member.bounds if bound.reading == CERTIFICATE]
    left = lasts(view)
    if not bounds:
        return False
    if left is None or uncertain(view):
        return None
    holds = any(bound.crossed(left) for bound in bounds)
    return None if holds and view.maintenance else holds


def brake(seen: Seen) -> bool:
    """Held open by the brake."""
    return seen.held_open


def isolated(seen: Seen) -> bool:
    """There are others, and none answers."""
    return seen.isolated


def blind(seen: Seen) -> bool:
    """Of some probe nobody can tell."""
    return bool(blinded(seen))


def blinded(seen: Seen) -> list[str]:
    """The probes whose attempts say nothing, or do not end."""
    return [name for name, view in seen.views.items() if (view.blind or view.stale) and not view.maintenance]


def _of(view: View, bad: bool) -> bool | None:
    """What is planned calls nobody, and neither does an end that may be none."""
    if uncertain(view) or (view.maintenance if bad else view.flapping):
        return None
    return bad
