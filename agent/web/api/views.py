"""From what the agent believes to the shapes of the API."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from agent.events import Observation
from agent.health.board import View
from agent.health.state import State
from agent.readiness import rules
from agent.web.api import shapes
from agent.web.desk import Desk

_EVERYONE: frozenset[str] = frozenset()


def status(desk: Desk) -> shapes.Overview:
    """The agent at a glance."""
    verdict = desk.verdict(_EVERYONE)
    lifecycle = desk.lifecycle
    states = Counter(view.state for view in desk.views().values())
    return shapes.Overview(
        service=desk.service(),
        version=desk.version,
        time=_moment(desk.wall()),
        uptime_seconds=round(lifecycle.uptime(), 3),
        drain_seconds_left=round(lifecycle.drain_left(), 3) if lifecycle.draining else None,
        verdict=shapes.Verdict(
            ready=verdict.ready,
            status=verdict.status,
            reasons=verdict.reasons,
            draining=verdict.draining,
            unjudged=verdict.unjudged,
            held_open=verdict.held_open,
            isolated=verdict.isolated,
            returning_seconds=round(verdict.returning, 3),
            overridden=verdict.override is not None,
        ),
        probes=shapes.Counts(
            up=states[State.UP],
            degraded=states[State.DEGRADED],
            down=states[State.DOWN],
            unknown=states[State.UNKNOWN],
        ),
        peers=_peers(desk),
        groups=_groups(desk),
        weight=desk.weight(),
    )


def _peers(desk: Desk) -> shapes.Peers | None:
    company = desk.company()
    return shapes.Peers(**company._asdict()) if company else None


def _groups(desk: Desk) -> dict[str, shapes.Group]:
    return {
        name: shapes.Group(
            ready=each.ready,
            status=each.status,
            working=each.working,
            needed=each.needed,
            members=tuple(ruling.name for ruling in each.members),
        )
        for name, each in desk.groups().items()
    }


def probes(desk: Desk) -> shapes.Probes:
    """Every probe, in the order of the file."""
    rulings = {ruling.name: ruling for ruling in desk.verdict(_EVERYONE).members}
    return shapes.Probes(probes=tuple(_probe(desk, view, rulings.get(name)) for name, view in desk.views().items()))


def alerts(desk: Desk) -> list[dict[str, Any]]:
    """Every alert that is not inactive, its times as the API tells times."""
    return [alert | _times(alert) | _silenced(desk, alert) for alert in map(dict, desk.alerts())]


def _times(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _time(alert[key]) for key in ("since", "started_at")}


def _silenced(desk: Desk, alert: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a person wants nobody to be told of it now: who, and until when."""
    found = desk.silences.matching(alert["labels"], desk.wall()) if alert.get("labels") else None
    return {
        "silenced": found is not None,
        "silenced_by": found.by if found else None,
        "silenced_until": _moment(found.ends) if found else None,
    }


def undelivered(desk: Desk) -> list[shapes.DeadLetter]:
    """What receivers will never hear, the newest first."""
    return [
        shapes.DeadLetter(
            receiver=each.receiver,
            name=each.alert.name,
            key=each.alert.key,
            severity=each.alert.severity.value,
            summary=each.alert.annotations.get("summary", ""),
            started_at=_moment(each.alert.started_at),
            resolved_at=_time(each.alert.resolved_at),
            outcome=each.outcome,
            why=each.why,
            attempts=each.attempts,
            at=_moment(each.at),
        )
        for each in desk.undelivered()
    ]


def exceptions(desk: Desk) -> list[shapes.Thrown]:
    """What spans told of, the newest first."""
    return [
        shapes.Thrown(
            type=each.type,
            route=each.route,
            service=each.service,
            count=each.count,
            first_seen=_moment(each.first_seen),
            last_seen=_moment(each.last_seen),
            message=each.message,
            traces=each.traces,
        )
        for each in desk.exceptions()
    ]


def _probe(desk: Desk, view: View, ruling: rules.Ruling | None) -> shapes.Probe:
    member, last = view.member, view.last
    # Without a ruling nothing is judged: then it has no effect either.
    ruling = ruling or rules.Ruling(member.name, rules.Effect.NONE, "ok")
    return shapes.Probe(
        name=member.name,
        type=member.type,
        target=member.target,
        description=member.description,
        runbook_url=member.runbook_url,
        state=view.state,
        since=_moment(desk.moment(view.since)),
        overlays=(*view.overlays, *(("blind",) if view.blind else ())),
        effect=ruling.effect,
        text=ruling.text,
        available=rules.available(view),
        when_down=member.when_down,
        shared=member.shared,
        depends_on=member.depends_on,
        maintenance=view.maintenance,
        interval=member.interval,
        timeout=member.timeout,
        thresholds=shapes.Thresholds(
            failure=member.rules.failure_threshold,
            success=member.rules.success_threshold,
            failures_of=member.rules.failures_of,
        ),
        failures=view.failures,
        last=_last(last) if last else None,
        last_success_at=_time(view.last_success_at),
        readings=tuple(
            shapes.Reading(name=each.name, item=each.item, value=each.value, unit=each.unit, kind=each.kind)
            for each in view.readings
        ),
        facts=dict(view.facts),
    )


def _last(last: Observation) -> shapes.LastAttempt:
    return shapes.LastAttempt(
        outcome=last.outcome,
        reason=last.reason,
        phase=last.phase,
        path=last.path,
        seconds=round(last.seconds, 6),
        phases={name: round(spent, 6) for name, spent in last.measurement.phases.items()},
        at=_moment(last.at),
        detail=last.detail,
    )


def _moment(at: float) -> datetime:
    """A wall-clock time, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC)


def _time(at: float | None) -> datetime | None:
    return None if at is None else _moment(at)
