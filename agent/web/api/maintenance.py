"""`/api/v1/maintenance`: windows of the file, and those that a person asks for, which expire."""

import logging
import secrets
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType, field

from agent.health.maintenance import MOST_ASKED, Asked, TooMany, Written, whose
from agent.health.windows import Span, current, upcoming
from agent.web.access import who
from agent.web.api import asking, body
from agent.web.api.answers import as_json
from agent.web.api.shapes import Moment
from agent.web.desk import Desk
from agent.web.problem import problem
from agent.web.routes import Call
from config.convert import suggestion
from config.types import Duration

_logger = logging.getLogger(__name__)

EXAMPLE = {"probes": ["orders-db"], "for": "30m", "reason": "upgrade to 18"}

_Name = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z0-9][a-z0-9_-]{0,62}$"})]


class MaintenanceWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window that opens now."""

    probes: (
        Annotated[
            tuple[_Name, ...],
            Meta(min_length=1, max_length=50, description="Whose failing has no effect meanwhile; left out: all."),
        ]
        | UnsetType
    ) = UNSET
    for_: asking.HowLong = field(name="for")
    reason: asking.Why


class Window(Struct, frozen=True, kw_only=True):
    """One window, of the file or asked for."""

    id: Annotated[str | None, Meta(description="What to name it by to end it; null for a window of the file.")]
    name: Annotated[str, Meta(description="Its key under `maintenance`; empty where it has none.")]
    probes: Annotated[tuple[str, ...], Meta(description="Empty: all.")]
    open: Annotated[bool, Meta(description="The failing of these probes has no effect now.")]
    start: Annotated[Moment | None, Meta(description="Of the span that is open, or comes next; null when it is over.")]
    end: Moment | None
    text: Annotated[str, Meta(description="When it is, or why it was asked for, in words.")]


class Windows(Struct, frozen=True, kw_only=True):
    """Every window."""

    windows: tuple[Window, ...]


class MaintenanceApi:
    """Answers from the desk; every change is one line in the log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def every(self, call: Call) -> web.Response:
        """Every window, those of the file first."""
        at, known = self._desk.wall(), self._desk.maintenance
        of_file = (_of_file(each, at) for each in known.written)
        return as_json(call, Windows(windows=(*of_file, *(_of_api(each, at) for each in known.asked(at)))))

    async def ask(self, call: Call) -> web.Response:
        """Open one now."""
        try:
            wanted = await body.read(call.request, MaintenanceWanted, EXAMPLE)
            length, reason = asking.seconds(wanted.for_), asking.reason(wanted.reason)
            probes = self._known(() if wanted.probes is UNSET else wanted.probes)
        except body.Refused as refused:
            return problem(call.request, refused.status, refused.detail)
        at, by = self._desk.wall(), who(call.request)
        asked = Asked(secrets.token_hex(4), probes, Span(at, at + length), reason, by)
        try:
            self._desk.maintenance.ask(asked)
        except TooMany:
            sentence = f"{MOST_ASKED} windows are open already; end one, or write it into the file"
            return problem(call.request, 409, sentence)
        what = (asked.id, whose(probes), Duration(length), by, reason)
        _logger.warning("maintenance %s: %s for %s, asked for by %s: %s", *what)
        return as_json(call, _of_api(asked, at))

    async def end(self, call: Call) -> web.Response:
        """Close one that was asked for."""
        at = self._desk.wall()
        ended = self._desk.maintenance.end(call.name, at)
        if ended is None:
            sentence = "nobody asked for a window of this id, or it is over; one of the file is ended in the file"
            return problem(call.request, 404, sentence)
        _logger.info("maintenance %s: ended by %s", ended.id, who(call.request))
        return await self.every(call)

    def _known(self, probes: tuple[str, ...]) -> tuple[str, ...]:
        """The probes, each once. Raises Refused."""
        names = self._desk.views()
        for number, probe in enumerate(probes):
            if probe not in names:
                raise body.Refused(404, f"`probes[{number}]` names no probe; {suggestion(probe, names)}")
        return tuple(dict.fromkeys(probes))


def _of_file(written: Written, at: float) -> Window:
    span = current(written.window, at)
    shown = span or upcoming(written.window, at)
    return Window(
        id=None,
        name=written.name,
        probes=written.probes,
        open=span is not None,
        start=_moment(shown.start) if shown else None,
        end=_moment(shown.end) if shown else None,
        text=written.window.sentence(),
    )


def _of_api(asked: Asked, at: float) -> Window:
    return Window(
        id=asked.id,
        name="",
        probes=asked.probes,
        open=asked.span.start <= at < asked.span.end,
        start=_moment(asked.span.start),
        end=_moment(asked.span.end),
        text=asked.text,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(round(at, 3), UTC)
