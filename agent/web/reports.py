"""The verdict as a document: lines like Kubernetes', JSON of our own, and the health+json draft.

A stranger learns which members there are and how they stand. Why, and which version answers, is for the admin listener.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent.health.board import View
from agent.health.state import State
from agent.readiness.groups import GroupVerdict
from agent.readiness.policy import Verdict
from agent.readiness.rules import Effect, Ruling, rule, why
from config.net.text import rfc3339

WITHHELD = "reason withheld"

_DRAFT_STATUS = {"healthy": "pass", "degraded": "warn", "unhealthy": "fail"}
_DRAFT_EFFECT = {Effect.NONE: "pass", Effect.DEGRADES: "warn", Effect.UNREADIES: "fail"}
_DRAFT_TYPE = {"postgres": "datastore", "redis": "datastore", "memory": "system"}


def lines(name: str, verdict: Verdict, excluded: Sequence[str], unknown: Sequence[str], *, trusted: bool) -> str:
    """The `?verbose` form of Kubernetes for the check `name`; `unknown` are excludes that name nothing."""
    out = any(r.effect is Effect.UNREADIES for r in verdict.members) or verdict.returning or verdict.override
    strict = not verdict.ready and not out
    said = [_line(ruling, strict=strict, trusted=trusted) for ruling in verdict.members]
    said += [f"[+]{left_out} excluded: ok" for left_out in excluded]
    if verdict.isolated:
        said.append("[+]peers degraded: isolated")
    if verdict.returning:
        said.append(f"[-]return failed: ready in {verdict.returning:.1f} s")
    if verdict.override:
        mark, word = ("+", "ready") if verdict.override.ready else ("-", "unready")
        said.append(f"[{mark}]override {word}: {verdict.override.sentence if trusted else WITHHELD}")
    if verdict.starting:
        said.append("[-]configuration failed: starting")
    if verdict.unjudged:
        said.append("[+]configuration degraded: none is in force, nothing is judged")
    if verdict.draining:
        said.append("[-]shutdown failed: draining")
    return report(name, said, unknown, passed=verdict.ready)


def group(name: str, verdict: GroupVerdict, *, trusted: bool) -> str:
    """The same for a group."""
    said = [_line(ruling, strict=False, trusted=trusted) for ruling in verdict.members]
    said.append(f"{verdict.working} of {len(verdict.members)} work, {verdict.needed} must")
    return report(name, said, passed=verdict.ready)


def report(name: str, said: Iterable[str], unknown: Sequence[str] = (), *, passed: bool) -> str:
    """Lines, and the sentence that sums them up."""
    warning = []
    if unknown:
        named = ", ".join(json.dumps(each) for each in sorted(unknown))  # quoted: it is the client's own text
        warning = [f"warn: some health checks cannot be excluded: no matches for {named}"]
    return "\n".join((*said, *warning, f"{name} check {'passed' if passed else 'failed'}", ""))


def _line(ruling: Ruling, *, strict: bool, trusted: bool) -> str:
    reason = ruling.text.removeprefix("is ") if trusted and ruling.text else WITHHELD
    if ruling.effect is Effect.UNREADIES:
        return f"[-]{ruling.name} failed: {reason}"
    if ruling.effect is Effect.DEGRADES:
        return f"[{'-' if strict else '+'}]{ruling.name} degraded: {reason}"
    if ruling.reason == "maintenance":
        return f"[+]{ruling.name} maintenance: ok"
    ignored = ruling.reason in {State.DOWN.value, State.DEGRADED.value}
    return f"[+]{ruling.name} {'ignored' if ignored else 'ok'}"


def check(view: View, *, trusted: bool) -> dict[str, Any]:
    """One probe in the JSON of `/health`. `responseTime` is in seconds."""
    entry: dict[str, Any] = {"status": view.state.value}
    if view.last is not None:
        entry["responseTime"] = round(view.last.seconds, 6)
    if view.state in {State.DOWN, State.DEGRADED} or view.stale:
        entry["error"] = (_sentence(rule(view), view) if view.stale else why(view)) if trusted else WITHHELD
    return entry


def status(
    verdict: Verdict, views: Mapping[str, View], *, now: float, uptime: float, version: str, trusted: bool
) -> dict[str, Any]:
    """The JSON of `/health`; `version` only for those who may see details."""
    document: dict[str, Any] = {
        "status": verdict.status.value,
        "timestamp": rfc3339(now),
        "uptime": round(uptime, 3),
    }
    if trusted:
        document |= {"version": version, "reasons": verdict.reasons}
    if verdict.draining:
        document["draining"] = True
    document["checks"] = {r.name: check(views[r.name], trusted=trusted) for r in verdict.members if r.name in views}
    return document


def draft(verdict: Verdict, views: Mapping[str, View], *, version: str, trusted: bool) -> dict[str, Any]:
    """application/health+json (draft-inadarei-api-health-check-06)."""
    document: dict[str, Any] = {"status": _DRAFT_STATUS[verdict.status.value]}
    if trusted:
        document["version"] = version
    if verdict.draining:
        document["output"] = "draining: this replica is about to stop"
    document["checks"] = {
        f"{r.name}:responseTime": [draft_check(views[r.name], _DRAFT_EFFECT[r.effect], r, trusted=trusted)]
        for r in verdict.members
        if r.name in views
    }
    return document


def group_document(verdict: GroupVerdict, views: Mapping[str, View], *, draft: bool, trusted: bool) -> dict[str, Any]:
    """A group in JSON of our own, or in the draft's."""
    known = [r for r in verdict.members if r.name in views]
    if draft:
        checks: dict[str, Any] = {
            f"{r.name}:responseTime": [draft_check(views[r.name], _DRAFT_EFFECT[r.effect], r, trusted=trusted)]
            for r in known
        }
        return {"status": _DRAFT_STATUS[verdict.status.value], "checks": checks}
    checks = {r.name: check(views[r.name], trusted=trusted) for r in known}
    return {"status": verdict.status.value, "working": verdict.working, "needed": verdict.needed, "checks": checks}


def draft_check(view: View, passed: str, ruling: Ruling, *, trusted: bool) -> dict[str, Any]:
    """One probe of the draft; no `output` on pass, as it says."""
    entry: dict[str, Any] = {
        "componentId": view.member.name,
        "componentType": _DRAFT_TYPE.get(view.member.type, "component"),
        "status": passed,
    }
    if view.last is not None:
        entry |= {"observedValue": round(view.last.seconds, 6), "observedUnit": "s", "time": rfc3339(view.last.at)}
    if passed != "pass":
        entry["output"] = _sentence(ruling, view) if trusted else WITHHELD
    return entry


def _sentence(ruling: Ruling, view: View) -> str:
    """What is wrong with one member: also where its last attempt passed, as when it is stale or flapping."""
    return ruling.text.removeprefix("is ") or why(view)
