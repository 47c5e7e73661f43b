"""What else is known when an alert is announced: the likely cause, the last deploy, traces to look at, who sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from agent.events import Outcome
from agent.health.board import View
from agent.health.roots import root
from agent.health.state import State
from exporters.notify.wording import span

TRACES = 3  #: told, at most
_OTHERS = 3  # probes that are named beside the cause


class Cause(NamedTuple):
    """The probe that is most likely at the root of it, "" where none sees a fault, and what is to be said of that."""

    probe: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Clues:
    """Each is empty where nothing is known. None of them is a part of the alert's identity."""

    cause: Cause = field(default_factory=Cause)
    last_deploy: str = ""
    trace_ids: tuple[str, ...] = ()  # in hex, the best first
    seen_by: str = ""
    replica: str = ""  # the name of the one that speaks

    def annotations(self) -> dict[str, str]:
        """Each under its own name, for machines and for templates."""
        texts = {
            "root_cause": self.cause.text,
            "last_deploy": self.last_deploy,
            "trace_ids": " ".join(self.trace_ids[:TRACES]),
            "seen_by": self.seen_by,
            "replica": self.replica,
        }
        return {key: text for key, text in texts.items() if text}

    def added_to(self, texts: Mapping[str, str], probe: str) -> dict[str, str]:
        """The texts of an alert and these: sentences at the end of its description, and annotations.

        Where `probe`, which the alert is about, is itself the cause, the description says so already.
        """
        cause = "" if probe and self.cause.probe == probe else self.cause.text
        said = {"Likely root cause": cause, "Last deploy": self.last_deploy}
        sentences = [f"{name}: {text}." for name, text in said.items() if text]
        description = " ".join(filter(None, (texts.get("description", ""), *sentences)))
        return {**texts, **({"description": description} if description else {}), **self.annotations()}


def root_cause(probe: str, views: Mapping[str, View], now: float) -> Cause:
    """The deepest probe that is down below `probe`, or, where that one is well or "", of all that are down.

    Of several the one that is down for longest: what came later may follow from it. Where none is down, what is
    degraded. The detail of an attempt stays out: it may name what not every receiver may see. `now` is monotonic.
    """
    if not views:
        return Cause()
    own = views.get(root(probe, views))
    if own and own.state is State.DOWN and not own.maintenance:
        return Cause(own.member.name, _said(own, now))
    down = _longest_first(views, State.DOWN)
    found = [views[name] for name in dict.fromkeys(root(view.member.name, views) for view in down)]
    found = found or _longest_first(views, State.DEGRADED)
    if not found:
        return Cause("", "unknown, as no probe sees a fault")
    others = [view.member.name for view in found[1:]]
    more = f" and {len(others) - _OTHERS} more" if len(others) > _OTHERS else ""
    beside = f"; also {found[0].state}: {', '.join(others[:_OTHERS])}{more}" if others else ""
    return Cause(found[0].member.name, _said(found[0], now) + beside)


def own_fault(type_: str, route: str, first_seen: float, now: float) -> Cause:
    """The service itself, where no probe sees a fault and its spans tell of an exception. Unix times.

    Its message stays out, like the detail of an attempt.
    """
    where = f" in {route}" if route else ""
    since = f"first seen {span(now - first_seen)} before this alert"
    return Cause("", f"the service itself, as no probe sees a fault: it throws {type_}{where}, {since}")


def last_deploy(version: str, since: float, before: str, now: float) -> str:
    """`1.4.2 since 2026-11-21T12:01:07Z, 3 min before this alert; was 1.4.1`. Unix times.

    Without a version before it, it was there when this agent began to see spans: the deploy may be older.
    """
    at = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ago = f"{at}, {span(now - since)} before this alert"
    return f"{version} since {ago}; was {before}" if before else f"{version} at least since {ago}"


def seen_by(others: int, replicas: int) -> str:
    """`2 of 3 replicas so far`, this one among them: the others may be about to. `others`: that see the same."""
    return f"{others + 1} of {replicas} replicas so far" if replicas > 1 else ""


def _longest_first(views: Mapping[str, View], state: State) -> list[View]:
    found = (view for view in views.values() if view.state is state and not view.maintenance)
    return sorted(found, key=lambda view: view.since)


def _said(view: View, now: float) -> str:
    last = view.last
    what = f"{view.member.type} {view.member.name} has been {view.state} for {span(now - view.since)}"
    if last is None or last.outcome is Outcome.PASS:
        return what
    return f"{what}: {last.reason}" + (f" in {last.phase}" if last.phase else "")
