"""`/api/v1/silences`: alerts that nobody is to be told of for a while."""

import logging
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct, field

from agent.alerting.matchers import Matcher
from agent.alerting.silences import MOST, Silence, TooMany, Unreachable, Where
from agent.alerting.silences import problem as wrong_with
from agent.web.access import who
from agent.web.api import asking, body
from agent.web.api.answers import as_json
from agent.web.api.shapes import Moment
from agent.web.desk import Desk
from agent.web.problem import problem
from agent.web.routes import Call
from config.types import Duration

_logger = logging.getLogger(__name__)

#: From 1m to 30d; longer ones than those of `asking`, since people go on leave.
_LENGTH = "([1-9][0-9]{0,3}m|([1-9][0-9]?|[1-6][0-9]{2})h|(1?[1-9]|10|2[0-3])h([1-9]|[1-5][0-9])m|([12]?[1-9]|[123]0)d)"

EXAMPLE = {"matchers": ["slo=orders"], "for": "2h", "reason": "upgrade to 18"}


class MatcherWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One condition, as Alertmanager's API writes it."""

    name: str
    value: str
    is_regex: bool = field(name="isRegex", default=False)
    is_equal: bool = field(name="isEqual", default=True)


class SilenceWanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A silence that begins now."""

    matchers: Annotated[
        tuple[str | MatcherWanted, ...],
        Meta(description='All must fit: slo=orders, severity!=page, team=~"pay.*"; or as Alertmanager writes them.'),
    ]
    for_: Annotated[
        str,
        Meta(max_length=20, description="From 1m to 30d, such as 2h.", extra_json_schema={"pattern": f"^{_LENGTH}$"}),
    ] = field(name="for")
    reason: asking.Why


class SilenceShown(Struct, frozen=True, kw_only=True):
    """One silence."""

    id: Annotated[str, Meta(description="What to name it by to end it.")]
    matchers: tuple[str, ...]
    start: Moment
    end: Moment
    active: Annotated[bool, Meta(description="It has begun.")]
    by: Annotated[str, Meta(description="Who asked for it.")]
    reason: str
    where: Annotated[Where, Meta(description="Who keeps it: this agent, or Alertmanager.")]


class SilencesShown(Struct, frozen=True, kw_only=True):
    """Every silence that is not over."""

    silences: tuple[SilenceShown, ...]


class SilencesApi:
    """Answers from the desk; every change is one line in the log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def every(self, call: Call) -> web.Response:
        """Every one that is not over; of those in Alertmanager the ones that may concern this agent."""
        at = self._desk.wall()
        return as_json(call, SilencesShown(silences=tuple(_shown(each, at) for each in self._desk.silences.every(at))))

    async def ask(self, call: Call) -> web.Response:
        """Silence alerts from now on."""
        try:
            wanted = await body.read(call.request, SilenceWanted, EXAMPLE)
            matchers, length = _matchers(wanted.matchers), _seconds(wanted.for_)
            reason = asking.reason(wanted.reason)
        except body.Refused as refused:
            return problem(call.request, refused.status, refused.detail)
        at, by = self._desk.wall(), who(call.request)
        asked = Silence(secrets.token_hex(4), matchers, at, at + length, by, reason)
        try:
            made = await self._desk.keeper.ask(asked, at)
        except TooMany:
            return problem(call.request, 409, f"{MOST} silences are in force already; end one")
        except Unreachable as error:
            return problem(call.request, 503, f"{error}; try again, or make it there")
        what = (made.id, " ".join(map(str, matchers)), Duration(length), by, reason)
        _logger.warning("silence %s: %s for %s, asked for by %s: %s", *what)
        return as_json(call, _shown(made, at))

    async def end(self, call: Call) -> web.Response:
        """End one."""
        try:
            ended = await self._desk.keeper.end(call.name, self._desk.wall())
        except Unreachable as error:
            return problem(call.request, 503, f"{error}; try again, or end it there")
        if ended is None:
            return problem(call.request, 404, "there is no silence of this id, or it is over")
        _logger.info("silence %s: ended by %s", ended.id, who(call.request))
        return await self.every(call)


def _matchers(wanted: Sequence[str | MatcherWanted]) -> tuple[Matcher, ...]:
    """Raises Refused."""
    found = []
    for number, each in enumerate(wanted):
        try:
            if isinstance(each, str):
                found.append(Matcher.parse(each))
            else:
                found.append(Matcher.of(each.name, each.value, regex=each.is_regex, equal=each.is_equal))
        except ValueError as error:
            raise body.Refused(400, f"`matchers[{number}]` {error}") from None
    if wrong := wrong_with(found):
        raise body.Refused(400, f"the silence {wrong}")
    return tuple(found)


def _seconds(text: str) -> float:
    """Raises Refused."""
    if not re.fullmatch(_LENGTH, text):
        raise body.Refused(400, "`for` must be from 1m to 30d, in whole minutes, hours or days, such as 30m or 2h")
    return float(Duration.parse(text))


def _shown(silence: Silence, at: float) -> SilenceShown:
    return SilenceShown(
        id=silence.id,
        matchers=tuple(map(str, silence.matchers)),
        start=_moment(silence.starts),
        end=_moment(silence.ends),
        active=silence.active(at),
        by=silence.by,
        reason=silence.why,
        where=silence.where,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(round(at, 3), UTC)
