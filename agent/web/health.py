"""The health paths. They read what is believed already: no request ever runs a probe, waits, or reads a body."""

from typing import Any

from aiohttp import web

from agent.health.board import View
from agent.health.state import State
from agent.readiness.policy import Status, Verdict
from agent.readiness.rules import available, rule, why
from agent.web import reports
from agent.web.desk import Desk
from agent.web.negotiate import HEALTH_JSON, JSON, TEXT, best
from agent.web.problem import answer, json_answer, problem
from agent.web.routes import Call

_FORMS = (TEXT, JSON, HEALTH_JSON)
_JSON_FIRST = (JSON, HEALTH_JSON, TEXT)
_TEXT_TYPE = "text/plain; charset=utf-8"


class Health:
    """Liveness, readiness, startup, and the aliases under `/health`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def live(self, call: Call) -> web.Response:
        """200 while the agent's own loop turns: never a word about another process."""
        return self._own(call, "livez", "loop", passed=self._desk.live())

    async def started(self, call: Call) -> web.Response:
        """200 from the first configuration in force."""
        return self._own(call, "startupz", "configuration", passed=self._desk.lifecycle.configured)

    async def ready(self, call: Call) -> web.Response:
        """200 while this replica may get traffic, else 503."""
        return self._verdict(call, _FORMS)

    async def status(self, call: Call) -> web.Response:
        """The same verdict, JSON unless asked otherwise."""
        return self._verdict(call, _JSON_FIRST)

    async def member(self, call: Call) -> web.Response:
        """One probe, whatever the policy makes of it: the signal for a circuit breaker."""
        view = self._desk.views().get(call.name)
        if view is None:
            return problem(call.request, 404, "no probe has this name; /readyz?verbose lists those there are")
        passed = available(view)
        code = 200 if passed else 503
        form = _form(call, _FORMS)
        if form is None:
            return _unacceptable(call)
        if form == TEXT:
            return answer(_member_text(view, trusted=call.trusted).encode(), _TEXT_TYPE, code)
        if form == JSON:
            return json_answer(reports.check(view, trusted=call.trusted), code)
        mark = "fail" if not passed else "warn" if view.state is State.DEGRADED else "pass"
        component = reports.draft_check(view, mark, rule(view), trusted=call.trusted)
        document = {"status": mark, "checks": {f"{call.name}:responseTime": [component]}}
        return json_answer(document, code, HEALTH_JSON)

    async def group(self, call: Call) -> web.Response:
        """One group, by its own rule."""
        verdict = self._desk.group(call.name)
        if verdict is None:
            return problem(call.request, 404, "no group has this name; they are written under `groups` in the file")
        code = 200 if verdict.ready else 503
        form = _form(call, _FORMS)
        if form is None:
            return _unacceptable(call)
        if form == TEXT:
            word = "unready" if not verdict.ready else "degraded" if verdict.status is Status.DEGRADED else "ok"
            text = reports.group(call.name, verdict, trusted=call.trusted) if call.asked("verbose") else word
            return answer(text.encode(), _TEXT_TYPE, code)
        document = reports.group_document(verdict, self._desk.views(), draft=form == HEALTH_JSON, trusted=call.trusted)
        return json_answer(document, code, form)

    def _own(self, call: Call, name: str, part: str, *, passed: bool) -> web.Response:
        """A check of the agent itself: it has one part, and nothing to exclude."""
        code = 200 if passed else 503
        form = _form(call, _FORMS)
        if form is None:
            return _unacceptable(call)
        if form == JSON:
            return json_answer({"status": "healthy" if passed else "unhealthy"}, code)
        if form == HEALTH_JSON:
            return json_answer({"status": "pass" if passed else "fail"}, code, HEALTH_JSON)
        text = "ok" if passed else "failed"
        if call.asked("verbose"):
            excluded = call.request.rel_url.query.getall("exclude", [])
            unknown = sorted({each for each in excluded if each != part})
            text = reports.report(name, [f"[{'+' if passed else '-'}]{part} {text}"], unknown, passed=passed)
        return answer(text.encode(), _TEXT_TYPE, code)

    def _verdict(self, call: Call, forms: tuple[str, ...]) -> web.Response:
        asked = frozenset(call.request.rel_url.query.getall("exclude", ()))
        verdict = self._desk.verdict(asked)
        form = _form(call, forms)
        if form is None:
            return _unacceptable(call)
        code = 200 if verdict.ready else 503
        headers = {"Outrider-Ready": _word(verdict)}
        if verdict.ready and verdict.status is Status.DEGRADED and not verdict.unjudged:
            headers["X-Envoy-Degraded"] = "true"  # Envoy prefers others while there are any that are not
        if form == TEXT:
            return answer(self._text(call, verdict, asked).encode(), _TEXT_TYPE, code, headers)
        document = self._draft(call, verdict) if form == HEALTH_JSON else self._document(call, verdict)
        return json_answer(document, code, form, headers)

    def _text(self, call: Call, verdict: Verdict, asked: frozenset[str]) -> str:
        if not call.asked("verbose"):
            if not verdict.ready:
                return "draining" if verdict.draining else "unready"
            return "degraded" if verdict.status is Status.DEGRADED else "ok"
        known = self._desk.views()
        left_out = [name for name in known if name in asked]
        return reports.lines("readyz", verdict, left_out, sorted(asked - known.keys()), trusted=call.trusted)

    def _document(self, call: Call, verdict: Verdict) -> dict[str, Any]:
        desk = self._desk
        return reports.status(
            verdict,
            desk.views(),
            now=desk.wall(),
            uptime=desk.lifecycle.uptime(),
            version=desk.version,
            trusted=call.trusted,
        )

    def _draft(self, call: Call, verdict: Verdict) -> dict[str, Any]:
        return reports.draft(verdict, self._desk.views(), version=self._desk.version, trusted=call.trusted)


def _member_text(view: View, *, trusted: bool) -> str:
    if available(view):
        return "degraded" if view.state is State.DEGRADED else "ok"
    return f"{view.state}: {why(view) if trusted else reports.WITHHELD}"


def _word(verdict: Verdict) -> str:
    """The value of the header `Outrider-Ready`."""
    if not verdict.ready:
        return "unready"
    if verdict.unjudged:
        return "unjudged"
    if verdict.held_open or verdict.override:
        return "forced"
    return "degraded" if verdict.status is Status.DEGRADED else "ready"


def _form(call: Call, forms: tuple[str, ...]) -> str | None:
    """The form to answer in. A plain health check is never refused for its `Accept`: load balancers send anything."""
    form = best(call.request.headers.get("Accept"), forms)
    return form if form is not None or call.asked("verbose") else forms[0]


def _unacceptable(call: Call) -> web.Response:
    return problem(call.request, 406, f"this path offers {', '.join(_FORMS)}")
