"""The functions behind `/api/v1/...`."""

import logging

from aiohttp import web

from agent.web.access import who
from agent.web.api import shapes, views
from agent.web.api.answers import as_json
from agent.web.api.openapi import document
from agent.web.desk import Desk
from agent.web.problem import problem
from agent.web.routes import Call

_logger = logging.getLogger(__name__)


class Api:
    """Answers from the desk; every change is one line in the log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._description = document(desk.version)

    async def status(self, call: Call) -> web.Response:
        """The agent at a glance."""
        return as_json(call, views.status(self._desk))

    async def probes(self, call: Call) -> web.Response:
        """Every probe."""
        return as_json(call, views.probes(self._desk))

    async def probe(self, call: Call) -> web.Response:
        """One probe."""
        found = [probe for probe in views.probes(self._desk).probes if probe.name == call.name]
        if not found:
            return problem(call.request, 404, "no probe has this name; /api/v1/probes lists those there are")
        return as_json(call, found[0])

    async def slos(self, call: Call) -> web.Response:
        """Every objective."""
        return as_json(call, shapes.Slos(slos=tuple(dict(slo) for slo in self._desk.slos())))

    async def alerts(self, call: Call) -> web.Response:
        """Every alert that is not inactive."""
        return as_json(call, shapes.Alerts(alerts=tuple(views.alerts(self._desk)), quiet=self._desk.quiet()))

    async def undelivered(self, call: Call) -> web.Response:
        """What receivers will never hear."""
        return as_json(call, shapes.Undelivered(undelivered=tuple(views.undelivered(self._desk))))

    async def pipeline(self, call: Call) -> web.Response:
        """The ledger and the queues of the relay."""
        return as_json(call, self._desk.pipeline())

    async def exceptions(self, call: Call) -> web.Response:
        """What spans told of exceptions."""
        return as_json(call, shapes.Exceptions(exceptions=tuple(views.exceptions(self._desk))))

    async def config(self, call: Call) -> web.Response:
        """The file in force, secrets masked."""
        return as_json(call, self._desk.config())

    async def openapi(self, call: Call) -> web.Response:
        """This API, described."""
        return as_json(call, self._description)

    async def drain(self, call: Call) -> web.Response:
        """Start the drain clock; asking again changes nothing."""
        lifecycle = self._desk.lifecycle
        started = lifecycle.drain()
        again = "" if started else " again: it was already"
        _logger.info("drain asked for%s, by %s", again, who(call.request))
        left = round(lifecycle.drain_left(), 3)
        return as_json(call, shapes.Drained(draining=True, started=started, drain_seconds_left=left))

    async def reload(self, call: Call) -> web.Response:
        """Read the file again; the old one stays in force when the new one has problems."""
        result = await self._desk.reload()
        outcome = f"refused ({len(result.problems)} wrong)" if result.problems else f"{len(result.changes)} changes"
        _logger.info("reload asked for by %s: %s", who(call.request), outcome)
        if result.problems:
            sentence = "the new configuration is not valid; the old one stays in force"
            return problem(call.request, 422, sentence, errors=result.problems)
        return as_json(call, shapes.Reloaded(changes=result.changes))
