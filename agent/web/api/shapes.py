"""What the API answers, as types: the answers are made from them, and so is their description in OpenAPI.

Durations are in seconds, times in ISO 8601 UTC. Fields may be added; none changes its meaning within version 1.
"""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from agent.events import Outcome
from agent.health.state import State
from agent.readiness.policy import Status
from agent.readiness.rules import Effect
from probes.base import Kind
from probes.reason import Reason

Seconds = Annotated[float, Meta(ge=0, description="Seconds.")]
Moment = Annotated[datetime, Meta(tz=True)]


class Verdict(Struct, frozen=True, kw_only=True):
    """May this replica get traffic, and why."""

    ready: bool
    status: Status
    reasons: Annotated[tuple[str, ...], Meta(description="Whole sentences, worst first; empty when all is well.")]
    draining: bool
    unjudged: Annotated[bool, Meta(description="No valid configuration is in force.")]
    held_open: Annotated[bool, Meta(description="A shared fault would have taken this replica out.")]
    isolated: Annotated[bool, Meta(description="There are other replicas, and none of them answers.")]
    returning_seconds: Annotated[Seconds, Meta(description="Until it is ready again after a dependency took it out.")]
    overridden: Annotated[bool, Meta(description="A person's word counts for more than the probes.")]


class Peers(Struct, frozen=True, kw_only=True):
    """The other replicas, in numbers."""

    known: int
    fresh: Annotated[int, Meta(description="Of how many the view is believed now.")]
    isolated: bool


class Group(Struct, frozen=True, kw_only=True):
    """One group of probes."""

    ready: bool
    status: Status
    working: int
    needed: int
    members: tuple[str, ...]


class Counts(Struct, frozen=True, kw_only=True):
    """How many probes are in each state."""

    up: int
    degraded: int
    down: int
    unknown: int


class Overview(Struct, frozen=True, kw_only=True):
    """The agent at a glance."""

    service: str
    version: str
    time: Moment
    uptime_seconds: Seconds
    drain_seconds_left: Annotated[float | None, Meta(description="Until the process may stop; null unless draining.")]
    verdict: Verdict
    probes: Counts
    peers: Annotated[Peers | None, Meta(description="null: nobody is asked.")]
    groups: dict[str, Group]
    weight: Annotated[int, Meta(ge=1, le=100, description="Share of the traffic, in percent of an equal one.")]


class Reading(Struct, frozen=True, kw_only=True):
    """One number read off the target, in base units."""

    name: str
    item: Annotated[str, Meta(description="Which of several (queue, mount); empty where there is one only.")]
    value: Annotated[float | None, Meta(description="null: it should exist but cannot be read.")]
    unit: Annotated[str, Meta(description="seconds, bytes or ratio; empty for a plain number.")]
    kind: Kind


class LastAttempt(Struct, frozen=True, kw_only=True):
    """The last attempt that said something about the target."""

    outcome: Outcome
    reason: Reason
    phase: Annotated[str, Meta(description="Where a failure died; empty otherwise.")]
    path: Annotated[str, Meta(description="fresh: over a new connection; pooled: over the steady one.")]
    seconds: Seconds
    phases: Annotated[dict[str, float], Meta(description="Seconds spent in each named part.")]
    at: Moment
    detail: str


class Thresholds(Struct, frozen=True, kw_only=True):
    """How many attempts change the state."""

    failure: int
    success: int
    failures_of: Annotated[
        tuple[int, int] | None, Meta(description="[n, m]: also down when n of the last m attempts failed.")
    ]


class Probe(Struct, frozen=True, kw_only=True):
    """One probe: what the file says of it, what is believed, what was seen last."""

    name: str
    type: str
    target: str
    description: str
    runbook_url: str
    state: State
    since: Annotated[Moment, Meta(description="When the state last changed.")]
    overlays: Annotated[tuple[str, ...], Meta(description="stale, flapping, blind.")]
    effect: Annotated[Effect, Meta(description="What it does to the verdict now.")]
    text: Annotated[str, Meta(description="Why, in words; empty when all is well.")]
    available: Annotated[bool, Meta(description="What /readyz/NAME answers.")]
    when_down: Annotated[str, Meta(description="unready, degraded or ignore.")]
    shared: bool
    depends_on: tuple[str, ...]
    maintenance: Annotated[str, Meta(description="Which window it is in; empty outside.")]
    interval: Seconds
    timeout: Seconds
    thresholds: Thresholds
    failures: Annotated[int, Meta(description="In a row.")]
    last: LastAttempt | None
    last_success_at: Moment | None
    readings: tuple[Reading, ...]
    facts: dict[str, str]


class Probes(Struct, frozen=True, kw_only=True):
    """Every probe, in the order of the file."""

    probes: tuple[Probe, ...]


class Slos(Struct, frozen=True, kw_only=True):
    """Every objective."""

    slos: tuple[dict[str, Any], ...]


class Alerts(Struct, frozen=True, kw_only=True):
    """Every alert that is not inactive."""

    alerts: tuple[dict[str, Any], ...]
    quiet: Annotated[bool, Meta(description="Prometheus calls: this agent tells nobody of what begins now.")]


class DeadLetter(Struct, frozen=True, kw_only=True):
    """One word on one alert that a receiver will never hear."""

    receiver: str
    name: str
    key: str
    severity: str
    summary: str
    started_at: Moment
    resolved_at: Annotated[Moment | None, Meta(description="null: the word was that it fires.")]
    outcome: Annotated[str, Meta(description="refused, expired or dropped.")]
    why: str
    attempts: int
    at: Annotated[Moment, Meta(description="When it was given up, the last time.")]


class Undelivered(Struct, frozen=True, kw_only=True):
    """What receivers will never hear, the newest first; at most 100 since the start."""

    undelivered: tuple[DeadLetter, ...]


class Thrown(Struct, frozen=True, kw_only=True):
    """Exceptions of one type in one route of one service, as spans told of them since the agent's start."""

    type: str
    route: Annotated[str, Meta(description="Empty where no request was seen around it.")]
    service: str
    count: int
    first_seen: Moment
    last_seen: Moment
    message: Annotated[str, Meta(description="Of the newest, without what is redacted.")]
    traces: Annotated[tuple[str, ...], Meta(description="Ids of forwarded traces, newest last.")]


class Exceptions(Struct, frozen=True, kw_only=True):
    """Every group of exceptions, the newest first; at most 100."""

    exceptions: tuple[Thrown, ...]


class Drained(Struct, frozen=True, kw_only=True):
    """The answer to a request to drain."""

    draining: bool
    started: Annotated[bool, Meta(description="false: it was draining already, and the clock runs on.")]
    drain_seconds_left: Seconds


class Reloaded(Struct, frozen=True, kw_only=True):
    """The answer to a reload that was accepted."""

    changes: Annotated[tuple[str, ...], Meta(description="What was started, restarted or stopped; one sentence each.")]


class Problem(Struct, frozen=True, kw_only=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    trace_id: str | UnsetType = UNSET
    errors: tuple[str, ...] | UnsetType = UNSET
