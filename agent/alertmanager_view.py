"""What Alertmanager knows, looked at every half minute: its silences, and the watchdog of Prometheus."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agent.alerting.matchers import Matcher
from agent.alerting.silences import MOST, Silence, Silences, TooMany, Unreachable, Where
from agent.alerting.standby import WATCHDOG, Standby, same_environment
from config.net.text import clean
from exporters.notify.alertmanager_api import AlertmanagerApi, MatcherForm, SilenceForm, Unanswered

log = logging.getLogger(__name__)

EVERY = 30.0  #: seconds between two looks
AGAIN = 10.0  #: seconds after one that failed
SLICE = 20  #: silences that are looked at before the loop turns


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks, and after one that failed."""

    every: float = EVERY
    again: float = AGAIN


class AlertmanagerView:
    """Silences live in Alertmanager here. While nobody answers, the last list is believed until each of them ends."""

    def __init__(
        self,
        api: AlertmanagerApi,
        silences: Silences,
        labels: Callable[[], Mapping[str, str]],
        standby: Callable[[], Standby | None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        """`labels`: those that every alert of this agent has. `changed` is called when the list is another."""
        self._api, self._silences, self._labels = api, silences, labels
        self._standby, self._changed, self._pace = standby, changed, pace or Pace()
        self._one = asyncio.Lock()  # a list that was asked for earlier must not undo what was made since
        self._failing = False
        self._strange: set[str | None] = set()  # ids of silences that are not understood, and were told to be so

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            well = await self._look()
            await asyncio.sleep(self._pace.every if well else self._pace.again)

    async def ask(self, silence: Silence, at: float) -> Silence:
        """Make it there; returns it with the id it got. Raises Unreachable."""
        matchers = tuple(MatcherForm(one.name, one.value, one.regex, one.equal) for one in silence.matchers)
        wanted = SilenceForm(
            matchers=matchers,
            startsAt=datetime.fromtimestamp(silence.starts, UTC),
            endsAt=datetime.fromtimestamp(silence.ends, UTC),
            createdBy=silence.by,
            comment=silence.why,
        )
        async with self._one:
            try:
                id_ = await self._api.silence(wanted)
            except Unanswered as error:
                raise Unreachable(f"silences live in Alertmanager, and it made none: {error}") from None
            made = replace(silence, id=id_, where=Where.ALERTMANAGER)
            with suppress(TooMany):  # then the next look finds it, if there is room
                self._silences.add(made, at)
        return made

    async def end(self, id_: str, at: float) -> Silence | None:
        """End one there; None when it knows none of this id that concerns this agent. Raises Unreachable."""
        async with self._one:
            try:
                await self._read()
                found = next((each for each in self._silences.every(at) if each.id == id_), None)
                if found is not None and found.where is Where.ALERTMANAGER:
                    await self._api.expire(id_)
            except Unanswered as error:
                raise Unreachable(f"silences live in Alertmanager, and none was ended: {error}") from None
            return self._silences.end(id_, at)

    async def aclose(self) -> None:
        """Close the connections. The task has ended."""
        await self._api.aclose()

    async def _look(self) -> bool:
        try:
            if standby := self._standby():
                await self._look_for_the_watchdog(standby)
            async with self._one:
                await self._read()
        except Unanswered as error:
            if not self._failing:
                log.warning("Alertmanager's silences are not known: %s; those known last are kept to", error)
            self._failing = True
            return False
        if self._failing:
            log.info("Alertmanager's silences are known again")
        self._failing = False
        return True

    async def _look_for_the_watchdog(self, standby: Standby) -> None:
        try:
            found = await self._api.firing(WATCHDOG)
        except Unanswered:
            standby.heard(None, time.monotonic())
            raise
        standby.heard(any(same_environment(self._labels(), theirs) for theirs in found), time.monotonic())

    async def _read(self) -> None:
        found = await self._understood(await self._api.silences())
        if len(found) > MOST:
            log.warning("Alertmanager has %d silences that may concern this agent; %d are kept to", len(found), MOST)
        if self._silences.mirror(found[:MOST]):
            self._changed()

    async def _understood(self, forms: Sequence[SilenceForm]) -> list[Silence]:
        """Those that may be for an alert of this agent. An Alertmanager of many teams has thousands for others."""
        ours, found, strange = self._labels(), [], {}
        for number, form in enumerate(forms):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            if any(_misses(each, ours) for each in form.matchers):
                continue
            try:
                silence = _silence(form)
            except ValueError as error:
                strange[form.id] = str(error)
                continue
            if all(matcher.fits(ours) for matcher in silence.matchers if matcher.name in ours):
                found.append(silence)
        for id_ in strange.keys() - self._strange:
            log.warning("silence %s is kept to by Alertmanager alone: %s", clean(id_ or "", 64), strange[id_])
        self._strange = set(strange)
        return found


def _misses(form: MatcherForm, ours: Mapping[str, str]) -> bool:
    """Whether it is plainly for others; cheaper than to understand it."""
    return not form.isRegex and form.name in ours and (ours[form.name] == form.value) is not form.isEqual


def _silence(form: SilenceForm) -> Silence:
    """Raises ValueError where a matcher is not understood."""
    matchers = []
    for each in form.matchers:
        try:
            matchers.append(Matcher.of(each.name, each.value, regex=each.isRegex, equal=each.isEqual))
        except ValueError as error:
            raise ValueError(f"matcher {clean(each.name, 40)} {error}") from None
    return Silence(
        clean(form.id or "", 64),
        tuple(matchers),
        form.startsAt.timestamp(),
        form.endsAt.timestamp(),
        clean(form.createdBy, 200),
        clean(form.comment, 200),
        Where.ALERTMANAGER,
    )
