"""`/api/v1/gate`: has this replica been well for a while? One answer for Argo Rollouts, Flagger and scripts.

On both listeners: whoever deploys is rarely on the replica's own machine. A stranger sees names and numbers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct, field

from agent.health.state import Edge, State
from agent.readiness.policy import Status, Verdict
from agent.readiness.rules import Effect
from agent.red.group import Group
from agent.web.api.shapes import Moment, Seconds
from agent.web.desk import Desk
from agent.web.negotiate import JSON, best
from agent.web.problem import json_answer, problem
from agent.web.reports import WITHHELD
from agent.web.routes import Call
from config.types import Duration, Unfit

SHORTEST, LONGEST, USUAL = 1.0, 3600.0, "5m"  #: of a bake: seconds, and the word
BAKES = "^([1-9][0-9]{0,2}s|[1-5]?[1-9]m|1h)$"  #: how most of them are written, for the API's description
LISTED = 100  #: edges in one answer, the newest; all of them count
_WORSE = frozenset({State.DOWN, State.DEGRADED})


class Change(Struct, frozen=True, kw_only=True):
    """One change of a probe's state."""

    probe: str
    before: State = field(name="from")
    after: State = field(name="to")
    at: Moment


class Burning(Struct, frozen=True, kw_only=True):
    """One objective: burn rates over its long and short window, and the factor above which it alerts."""

    slo: str
    long: float
    short: float
    factor: float
    firing: Annotated[bool | None, Meta(description="null: nobody can tell; that does not fail the gate.")]


class Gate(Struct, frozen=True, kw_only=True):
    """Has this replica been well for the bake time?"""

    passed: bool = field(name="pass")
    value: Annotated[int, Meta(ge=0, le=1, description="1 when it passes, for tools that compare numbers.")]
    ready: bool
    status: Status
    bake_seconds: Seconds
    observed_seconds: Annotated[Seconds, Meta(description="How much of the bake this agent has seen.")]
    edges: Annotated[tuple[Change, ...], Meta(description="Changes of state within the bake; the newest 100.")]
    burn: tuple[Burning, ...]
    new_exceptions: Annotated[tuple[str, ...], Meta(description="Types first seen within the bake, in spans.")]
    reasons: Annotated[tuple[str, ...], Meta(description="Why it does not pass; empty when it does.")]


class GateEndpoint:
    """Answers from the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, call: Call) -> web.Response:
        """The gate for `?bake=`, a duration from 1s to 1h; 5m unless told. Always 200: the document says it."""
        return self._answer(call, 200)

    async def post(self, call: Call) -> web.Response:
        """The same for webhooks (Flagger), which understand a status alone: 409 when it does not pass."""
        return self._answer(call, 409)

    def _answer(self, call: Call, otherwise: int) -> web.Response:
        if best(call.request.headers.get("Accept"), (JSON,)) is None:
            return problem(call.request, 406, f"this path offers {JSON} only")
        try:
            bake = float(Duration.parse(call.request.rel_url.query.get("bake", USUAL)))
        except Unfit as unfit:
            return problem(call.request, 400, f"bake {unfit}")
        if not SHORTEST <= bake <= LONGEST:
            return problem(call.request, 400, "bake is out of bounds; write one from 1s to 1h, such as 5m")
        known = frozenset(call.request.rel_url.query.getall("known", ()))
        found = gate(self._desk, bake, trusted=call.trusted, known=known)
        return json_answer(found, 200 if found.passed else otherwise)


def gate(desk: Desk, bake: float, *, trusted: bool, known: frozenset[str] = frozenset()) -> Gate:
    """The answer now, for a bake of so many seconds; exceptions of `known` types are no news."""
    now, verdict = desk.now(), desk.verdict(frozenset())
    edges = [edge for edge in desk.edges() if now - edge.observation.ended <= bake]
    burn = tuple(map(_burning, desk.slos()))
    thrown = [each for each in desk.new_exceptions(desk.wall() - bake) if each.type not in known]
    observed = min(bake, desk.lifecycle.uptime())
    reasons = [
        *_unready(verdict, trusted=trusted),
        *_worsened(desk, edges, now, trusted=trusted),
        *(f"{each.slo} burns its error budget {each.short:.3g} times too fast" for each in burn if each.firing),
        *_thrown(thrown, trusted=trusted),
    ]
    if observed < bake:
        reasons.append(f"still baking: this agent has seen {observed:.0f} of {bake:g} s")
    return Gate(
        passed=not reasons,
        value=0 if reasons else 1,
        ready=verdict.ready,
        status=verdict.status,
        bake_seconds=bake,
        observed_seconds=round(observed, 3),
        edges=tuple(map(_change, edges[-LISTED:])),
        burn=burn,
        new_exceptions=tuple(sorted({each.type for each in thrown})) if trusted else (),
        reasons=tuple(reasons),
    )


def _unready(verdict: Verdict, *, trusted: bool) -> Iterable[str]:
    if verdict.unjudged:
        yield "nothing is judged: no valid configuration is in force"
    if verdict.ready:
        return
    if trusted:
        yield from (f"unready: {reason}" for reason in verdict.reasons or ("no reason is known",))
        return
    blamed = [member.name for member in verdict.members if member.effect is Effect.UNREADIES]
    yield f"unready: {', '.join([*(['draining'] if verdict.draining else []), *blamed]) or WITHHELD}"


def _worsened(desk: Desk, edges: Iterable[Edge], now: float, *, trusted: bool) -> Iterable[str]:
    """One sentence for each probe that the file still counts and that became down or degraded."""
    views = desk.views()
    # Gone from the file, without a say, or in maintenance now: then it is nobody's fault.
    heard = {name for name, view in views.items() if view.member.when_down != "ignore" and not view.maintenance}
    counted = [edge for edge in edges if edge.after in _WORSE and edge.probe in heard]
    times = Counter(edge.probe for edge in counted)
    for edge in {edge.probe: edge for edge in counted}.values():  # the newest of each
        seen = edge.observation
        often = f" {times[edge.probe]} times, the last time" if times[edge.probe] > 1 else ""
        where = f" in {seen.phase}" if seen.phase else ""
        why = f"{seen.reason}{where}" + (f" ({seen.detail})" if seen.detail else "") if trusted else WITHHELD
        yield f"{edge.probe} became {edge.after}{often} {now - seen.ended:.0f} s ago: {why}"


def _thrown(groups: Iterable[Group], *, trusted: bool) -> Iterable[str]:
    """One sentence for each exception that was not seen before the bake; what it is called is not for strangers."""
    for each in groups:
        where = f" in {each.route}" if each.route else ""
        trace = f", such as trace {each.traces[-1]}" if each.traces else ""
        what = f"{each.type}{where}, {each.count} times{trace}" if trusted else WITHHELD
        yield f"a new exception type: {what}"


def _change(edge: Edge) -> Change:
    at = datetime.fromtimestamp(round(edge.observation.at, 3), UTC)
    return Change(probe=edge.probe, before=edge.before, after=edge.after, at=at)


def _burning(slo: Mapping[str, Any]) -> Burning:
    # The pair that fires, else the first: a deploy is judged by what pages, quickest first.
    pages = [pair for pair in slo.get("pairs", ()) if pair["severity"] == "page"]
    pair = next((pair for pair in pages if pair["condition"]), pages[0] if pages else {})
    rates = slo.get("burn_rate", {})
    return Burning(
        slo=slo.get("name", ""),
        long=rates.get(pair.get("long"), 0.0),
        short=rates.get(pair.get("short"), 0.0),
        factor=pair.get("factor", 0.0),
        firing=slo.get("condition"),
    )
