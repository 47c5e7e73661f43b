"""What alerts without an objective say: what is wrong in one line, then what is known of it. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from agent import units
from agent.alerting.plain.holds import Seen, blinded
from agent.alerting.plain.losses import Loss
from agent.alerting.plain.reasons import lasts, why
from agent.events import Outcome
from agent.health.board import View
from agent.health.state import State


def down(service: str, view: View) -> Mapping[str, str]:
    """Which probe, why, and since when."""
    return _probe(_is("down", service, view), view, _attempt(view), _passed(view))


def degraded(service: str, view: View) -> Mapping[str, str]:
    """Which reading is beyond which bound, or what else the probe complains of."""
    return _probe(_is("degraded", service, view), view, "It answers, but not as it should.")


def certificate(service: str, view: View) -> Mapping[str, str]:
    """How long it lasts; the time is that of the last attempt."""
    left = lasts(view) or 0.0
    when = f"expires in {units.seconds(left)}" if left > 0 else f"expired {units.seconds(-left)} ago"
    renewed = "Renew it: where that is automatic, it has not worked."
    return _probe(f"{service} {view.member.name}: the certificate {when}", view, renewed)


def flapping(service: str, view: View) -> Mapping[str, str]:
    """That it comes and goes; what it is right now means little."""
    fails = "Its attempts pass and fail in turn: half of the last 20 differ from the one before."
    once = "While that goes on nothing else is told of it, except to whoever is to be woken."
    return _probe(f"{service} {view.member.name} is flapping", view, fails, _attempt(view), once)


def brake(service: str, seen: Seen) -> Mapping[str, str]:
    """What would have taken the replica out."""
    names = [name for name, view in seen.views.items() if view.member.shared and view.state is State.DOWN]
    because = (
        f"although {_list(names)} {'is' if len(names) == 1 else 'are'} down" if names else "although it should not"
    )
    held = "Too many replicas would leave at once for something that they share, so this one is held in service."
    return _texts(f"{service}: a replica serves {because}", held)


def isolated(service: str, seen: Seen) -> Mapping[str, str]:
    """Whom it does not hear."""
    alone = "It judges alone, so what is shared and down here no longer takes it out."
    look = "Look at its network, and at who may ask /peerz of the others."
    return _texts(f"{service}: a replica hears none of {seen.others} others", f"{alone} {look}")


def blind(service: str, seen: Seen) -> Mapping[str, str]:
    """Of which probes nobody can tell."""
    names = blinded(seen)
    says = "Their attempts are inconclusive or do not end, so neither readiness nor objectives follow them."
    look = "Look for an agent without CPU (outrider_event_loop_lag_seconds), a clock that jumps, a check that hangs."
    return _texts(f"{service}: Outrider cannot tell how {_list(names)} {_do(names)}", f"{says} {look}")


def refused(service: str, loss: Loss) -> Mapping[str, str]:
    """What was refused or lost, by reason and in numbers."""
    reasons = ", ".join(sorted(loss.lost))
    counts = ", ".join(f"{why} {number:,}" for why, number in sorted(loss.lost.items()))
    says = f"Since it began: {counts}. `auth` that is tried again is kept; everything else is gone."
    look = "The credentials of traces.forward and the log of the upstream tell more."
    return _texts(f"{service}: {loss.destination} refuses telemetry, or it is lost ({reasons})", f"{says} {look}")


def _probe(summary: str, view: View, *sentences: str) -> Mapping[str, str]:
    said = " ".join(each for each in (*sentences, view.member.description) if each)
    return _texts(summary, said) | ({"runbook_url": view.member.runbook_url} if view.member.runbook_url else {})


def _texts(summary: str, description: str) -> dict[str, str]:
    return {"summary": summary, "description": description}


def _is(state: str, service: str, view: View) -> str:
    because = why(view)
    return f"{service} {view.member.name} is {state}" + (f": {because}" if because else "")


def _attempt(view: View) -> str:
    last = view.last
    if last is None:
        return ""
    return (
        "Its last attempt passed."
        if last.outcome is Outcome.PASS
        else f"Its last attempt: {last.outcome}, {why(view)}."
    )


def _passed(view: View) -> str:
    if view.last_success_at is None:
        return "It has not passed since Outrider began."
    return f"It last passed at {datetime.fromtimestamp(view.last_success_at, UTC):%Y-%m-%d %H:%M:%S} UTC."


def _list(names: list[str]) -> str:
    """At most five of them in words."""
    shown = names[:5] + ([f"{len(names) - 5} more"] if len(names) > 5 else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def _do(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
