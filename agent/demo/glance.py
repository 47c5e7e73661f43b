"""One look at the replicas, through the admin API as anyone would look: what the screen and the lines show."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from agent import units
from agent.demo.rate import Requests

_ANSWER = aiohttp.ClientTimeout(total=2)
#: What the table shows of each type; everything else is on the page and in the metrics.
_SHOWN = {
    "http": ("status", "certificate_expiry"),
    "postgres": ("connections_used", "query", "replication_lag"),
    "redis": ("memory_used", "ping"),
    "memory": ("used", "limit_bytes"),
}


@dataclass(frozen=True, slots=True)
class ProbeGlance:
    """One probe: its state, why, and the readings worth a glance, in words. `seconds` is None before an attempt."""

    name: str
    type: str
    state: str
    reason: str
    seconds: float | None
    readings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SloGlance:
    """One objective. `budget` is the share that is left, `burning` the burn rate of the last 5 minutes."""

    name: str
    objective: float
    budget: float
    burning: float


@dataclass(frozen=True, slots=True)
class AlertGlance:
    """The alert of one objective, while it is not inactive. `state` is pending, firing or stale."""

    slo: str
    state: str
    severity: str


@dataclass(frozen=True, slots=True)
class LedgerGlance:
    """Spans to the upstream: accepted = delivered + dropped + queued. What the upstream refused counts as dropped.

    `trouble` says why it takes none, "" while it does; `bytes` wait for it, `where`: on disk or in memory.
    """

    accepted: int
    delivered: int
    dropped: int
    queued: int
    trouble: str
    bytes: int
    where: str


@dataclass(frozen=True, slots=True)
class ReplicaGlance:
    """One replica: `verdict` is ready, degraded, unready, unjudged or silent; `reasons` say why it is not ready."""

    verdict: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything the demo shows: all replicas, and what the first one watches."""

    replicas: tuple[ReplicaGlance, ...]
    uptime: float
    probes: tuple[ProbeGlance, ...]
    slos: tuple[SloGlance, ...]
    alerts: tuple[AlertGlance, ...]
    ledger: LedgerGlance
    requests: Requests


async def look(session: aiohttp.ClientSession, admins: Sequence[str]) -> Glance | None:
    """Ask the admin listeners of all replicas once; None while the first does not answer."""
    first, *others = admins
    mates = await asyncio.gather(*(_look_at_other(session, admin) for admin in others))
    try:
        found = {name: await _ask(session, first, name) for name in ("status", "probes", "slos", "alerts", "pipeline")}
        found["metrics"] = await _metrics(session, first)
    except (aiohttp.ClientError, TimeoutError):
        return None
    return glance(found, mates)


async def _look_at_other(session: aiohttp.ClientSession, admin: str) -> ReplicaGlance:
    try:
        return _replica(await _ask(session, admin, "status"))
    except (aiohttp.ClientError, TimeoutError):
        return ReplicaGlance("silent")


async def _ask(session: aiohttp.ClientSession, admin: str, name: str) -> Any:
    async with session.get(f"{admin}/api/v1/{name}", timeout=_ANSWER, raise_for_status=True) as answer:
        return await answer.json()


async def _metrics(session: aiohttp.ClientSession, admin: str) -> str:
    async with session.get(f"{admin}/metrics", timeout=_ANSWER, raise_for_status=True) as answer:
        return await answer.text()


def glance(found: Mapping[str, Any], others: Sequence[ReplicaGlance] = ()) -> Glance:
    """From the answers of the first replica, the API's by name and its `metrics`, to what is shown."""
    return Glance(
        (_replica(found["status"]), *others),
        found["status"]["uptime_seconds"],
        tuple(_probe(each) for each in found["probes"]["probes"]),
        tuple(_slo(each) for each in found["slos"]["slos"]),
        tuple(_alert(each) for each in found["alerts"]["alerts"]),
        _ledger(found["pipeline"]),
        _requests(found["metrics"]),
    )


def _replica(status: Mapping[str, Any]) -> ReplicaGlance:
    return ReplicaGlance(_verdict(status["verdict"]), tuple(status["verdict"]["reasons"]))


def _verdict(said: Mapping[str, Any]) -> str:
    if said["unjudged"]:
        return "unjudged"
    if not said["ready"]:
        return "unready"
    return "ready" if said["status"] == "healthy" else "degraded"


def _probe(each: Mapping[str, Any]) -> ProbeGlance:
    last = each["last"]
    return ProbeGlance(
        each["name"],
        each["type"],
        each["state"],
        _reason(last) if last else "",
        last["seconds"] if last else None,
        _readings(each),
    )


def _reason(last: Mapping[str, Any]) -> str:
    if last["reason"] == "ok":
        return ""
    return f"{last['reason']} ({last['phase']})" if last["phase"] else str(last["reason"])


def _readings(each: Mapping[str, Any]) -> tuple[str, ...]:
    by_name = {reading["name"]: reading for reading in each["readings"]}
    shown = (by_name[name] for name in _SHOWN.get(each["type"], tuple(by_name)) if name in by_name)
    return tuple(
        f"{_plain(reading['name'])} {units.number(reading['value'], reading['unit'])}"
        for reading in shown
        if reading["value"] is not None
    )


def _plain(name: str) -> str:
    return name.removesuffix("_bytes").removesuffix("_code").replace("_", " ")


def _slo(each: Mapping[str, Any]) -> SloGlance:
    shortest = next(iter(each["burn_rate"].values()))
    return SloGlance(each["name"], each["objective"], each["error_budget_remaining_ratio"], shortest)


def _alert(each: Mapping[str, Any]) -> AlertGlance:
    return AlertGlance(each["slo"], each["state"], each["severity"])


def _ledger(pipeline: Mapping[str, Any]) -> LedgerGlance:
    upstream = pipeline["destinations"]["upstream"]
    dropped = (*upstream["rejected_upstream_spans"].values(), *upstream["dropped_spans"].values())
    return LedgerGlance(
        upstream["accepted_spans"],
        upstream["delivered_spans"],
        sum(dropped),
        upstream["queue_spans"],
        upstream["trouble"],
        upstream["queue_bytes"],
        _where(pipeline),
    )


def _where(pipeline: Mapping[str, Any]) -> str:
    return "in memory" if pipeline["durability"] == "memory" or pipeline["storage_degraded"] else "on disk"


def _requests(metrics: str) -> Requests:
    """The sum of all services and routes: beside one service, these are its own."""
    lines = [line for line in metrics.splitlines() if line.startswith("outrider_span_requests_total{")]
    counts = [(int(float(line.rpartition(" ")[2])), 'status="error"' in line) for line in lines]
    return Requests(sum(count for count, _ in counts), sum(count for count, failed in counts if failed))
