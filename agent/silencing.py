"""Who is left in peace: silences, wherever they live, and an agent that is quiet while Prometheus calls."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.alerting.hush import Hush
from agent.alerting.row import Notice
from agent.alerting.silences import Here, Keeper, Silence, Silences, Where
from agent.alerting.standby import WATCHDOG, Standby
from agent.assemble import Part, Plan
from agent.guard import Guard
from exporters.base import Sample

if TYPE_CHECKING:
    from agent.alertmanager_view import AlertmanagerView

log = logging.getLogger(__name__)

_TASK = "alertmanager view"


class Silencing:
    """Stands between the alerts and the speaker: `step`. To the API it is the one who keeps silences."""

    def __init__(self, guard: Guard) -> None:
        self.changed: Callable[[], None] = lambda: None  #: called when there is something new to keep over a restart
        self.kept: Callable[[], Awaitable[None]] = _at_once  #: waits until what a person asked for is kept
        self.silences = Silences()
        self.hush = Hush(self.silences, lambda receiver: receiver == self._receiver)
        self.standby: Standby | None = None
        self._guard = guard
        self._here = Here(self.silences)
        self._view: AlertmanagerView | None = None
        self._receiver = ""  # the one where silences live; "" when they live here
        self._part: Part | None = None
        self._labels: Mapping[str, str] = {}
        self._quiet: bool | None = None  # as was told in the log

    async def configure(self, plan: Plan) -> None:
        """Put the receivers, the labels and the mode of a plan in force."""
        alerts = plan.file.alerts
        self._labels = {**plan.labels, "service": plan.file.service}
        if alerts.mode != "auto":
            self.standby = self._quiet = None
        elif self.standby is None:
            self.standby = Standby(time.monotonic())
        self._receiver = next((name for name, each in alerts.receivers.items() if each.type == "alertmanager"), "")
        part = plan.notifiers.get(self._receiver)
        if part == self._part:
            return
        await self.aclose()
        self._part = part
        if part is None:
            self.silences.mirror(())
        else:
            self._watch(part)

    def step(self, notices: Sequence[Notice], wall: float, now: float) -> list[Notice]:
        """What may be said now, of all that the alerts have to say. `now` is in monotonic seconds."""
        quiet = self.quiet(now)
        self._tell(quiet=quiet)
        before = dict(self.hush.held)
        said = self.hush.step(notices, wall, quiet=quiet)
        if self.hush.held != before:
            self.changed()
        return said

    def shown(self, alerts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """What the API shows of alerts, with those receivers alone that were told."""
        held = {key: notice.receivers for key, notice in self.hush.held.items()}
        return [
            {**alert, "receivers": [name for name in alert["receivers"] if name not in held.get(alert["key"], ())]}
            for alert in alerts
        ]

    def quiet(self, now: float | None = None) -> bool:
        """Whether somebody else calls, at that moment (monotonic seconds) or now."""
        return self.standby is not None and self.standby.quiet(time.monotonic() if now is None else now)

    async def ask(self, silence: Silence, at: float) -> Silence:
        """Make it; returns it as it is kept. Raises TooMany or Unreachable."""
        made = await self._keeper.ask(silence, at)
        await self.kept()
        return made

    async def end(self, id_: str, at: float) -> Silence | None:
        """End one; None when there is none of this id any more. Raises Unreachable."""
        here = any(each.id == id_ and each.where is Where.HERE for each in self.silences.every(at))
        ended = await (self._here if here else self._keeper).end(id_, at)
        await self.kept()
        return ended

    def samples(self) -> Iterable[tuple[str, list[Sample]]]:
        """For the metrics page."""
        yield "outrider_alerts_quiet", [Sample((), float(self.quiet()))]

    async def aclose(self) -> None:
        """Look no more. Safe twice."""
        view, self._view, self._part = self._view, None, None
        await self._guard.stop(_TASK)
        if view is not None:
            await view.aclose()

    @property
    def _keeper(self) -> Keeper:
        return self._view or self._here

    def _watch(self, part: Part) -> None:
        from agent.alertmanager_view import AlertmanagerView  # noqa: PLC0415 - only where there is one
        from exporters.notify.alertmanager_api import AlertmanagerApi  # noqa: PLC0415

        self._view = AlertmanagerView(
            AlertmanagerApi(part.options),  # type: ignore[arg-type]  # the kind decides the options
            self.silences,
            lambda: self._labels,
            lambda: self.standby,
            self.changed,
        )
        self._guard.start(_TASK, self._view.run)

    def _tell(self, *, quiet: bool) -> None:
        """Each change once, from the first look on."""
        if self.standby is None or quiet == self._quiet or (quiet and not self.standby.looked):
            return
        self._quiet = quiet
        if quiet:
            log.info("Alertmanager lists %s: Prometheus calls, and this agent is quiet", WATCHDOG)
        else:
            log.warning("Alertmanager does not list %s: this agent calls by itself", WATCHDOG)


async def _at_once() -> None:
    """Nothing is kept where there is no state folder."""
