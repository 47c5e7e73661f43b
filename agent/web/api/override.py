"""`/api/v1/override`: a person's word on the verdict, which expires."""

import logging
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct, field

from agent.readiness.override import Override
from agent.web.access import who
from agent.web.api import asking, body
from agent.web.api.answers import as_json
from agent.web.api.shapes import Moment, Seconds
from agent.web.desk import Desk
from agent.web.problem import problem
from agent.web.routes import Call
from config.types import Duration

_logger = logging.getLogger(__name__)

EXAMPLE = {"ready": False, "for": "10m", "reason": "its disk is being replaced"}


class OverrideWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the verdict shall be. Draining is stronger: it stays unready."""

    ready: bool
    for_: asking.HowLong = field(name="for")
    reason: asking.Why


class OverrideInForce(Struct, frozen=True, kw_only=True):
    """What the verdict is, whatever the members say."""

    ready: bool
    reason: str
    by: Annotated[str, Meta(description="Who asked: an address or a user, and the program.")]
    until: Moment
    seconds_left: Seconds


class OverrideNow(Struct, frozen=True, kw_only=True):
    """The word that counts now."""

    override: Annotated[OverrideInForce | None, Meta(description="null: the members decide.")]


class OverrideApi:
    """Answers from the desk; every change is one line in the log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, call: Call) -> web.Response:
        """What is in force."""
        return self._told(call, self._desk.now())

    async def set(self, call: Call) -> web.Response:
        """Put one in force, in place of what was."""
        try:
            wanted = await body.read(call.request, OverrideWanted, EXAMPLE)
            length, reason = asking.seconds(wanted.for_), asking.reason(wanted.reason)
        except body.Refused as refused:
            return problem(call.request, refused.status, refused.detail)
        now, by = self._desk.now(), who(call.request)
        ends = self._desk.wall() + length
        self._desk.override.set(Override(wanted.ready, now + length, reason, by, ends))
        forced = "ready" if wanted.ready else "unready"
        _logger.warning("override: %s for %s, asked for by %s: %s", forced, Duration(length), by, reason)
        return self._told(call, now)

    async def clear(self, call: Call) -> web.Response:
        """Let the members decide again; where they do already nothing changes."""
        now = self._desk.now()
        if self._desk.override.clear(now):
            _logger.info("override ended by %s", who(call.request))
        return self._told(call, now)

    def _told(self, call: Call, now: float) -> web.Response:
        current = self._desk.override.current(now)
        if current is None:
            return as_json(call, OverrideNow(override=None))
        left = round(current.until - now, 3)
        until = datetime.fromtimestamp(round(self._desk.moment(current.until), 3), UTC)
        told = OverrideInForce(
            ready=current.ready, reason=current.reason, by=current.by, until=until, seconds_left=left
        )
        return as_json(call, OverrideNow(override=told))
