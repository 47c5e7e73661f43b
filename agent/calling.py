"""Objectives, alerts and receivers, put together: from what was counted to who is called.

A part of the composition root that is a room of its own for its size. The way through it is one way: an observation or
a request -> objectives -> alerts -> who is left in peace -> the speaker -> the outbox.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.alerting.condition import Condition
from agent.alerting.engine import AlertEngine
from agent.alerting.heartbeat import withheld
from agent.alerting.plain.conditions import OFF, Plain
from agent.alerting.plain.holds import Seen
from agent.assemble import Part, Plan
from agent.changes import difference, made, sentences
from agent.events import Observation, Outcome
from agent.guard import Guard
from agent.heart import Heart
from agent.keeping import Keeping
from agent.outbox.deliver import Outbox
from agent.outbox.speaker import Speaker
from agent.replica import Replica
from agent.silencing import Silencing
from agent.slo.engine import SloEngine
from agent.witness import Witness
from config.model import File
from exporters.base import Sample, SampleSource
from outrider import __version__

log = logging.getLogger(__name__)

TICK = 1.0  #: seconds between two evaluations of the objectives


class Calling:
    """Life: `open`; `arriving` and `configure` for each plan; `run`; `flush`; end the tasks; `aclose`."""

    def __init__(self, guard: Guard, replica: Replica, lag: Callable[[], float]) -> None:
        """`lag`: seconds that the agent's own loop stood still lately."""
        self.slos = SloEngine()
        self.witness = Witness(replica.views, replica.fleet)
        self.alerts = AlertEngine(
            self.slos,
            state_of=replica.state_of,
            explained_by=replica.explained_by,
            plain=self._plainly,
            clues=self.witness.clues,
        )
        self.losses: Callable[[], Mapping[str, Mapping[str, int]]] = dict  #: of telemetry, by destination and reason
        self._plain = Plain()
        self.silencing = Silencing(guard)
        self.keeping = Keeping(self.slos, self.alerts, self.silencing, guard)
        self.silencing.changed, self.silencing.kept = self.keeping.held, self.keeping.silenced
        self.outbox = Outbox({})
        self.speaker = Speaker(replica.fleet, lambda: self.outbox)
        replica.says = self.speaker.told
        self._guard, self._replica = guard, replica
        self.heart = Heart(guard, self._withheld, self._told)
        self._lag = lag
        self._judged: tuple[float, float] | None = None  # when, on the monotonic clock and in Unix time
        self._labels: Mapping[str, str] = {}
        self._notifying: dict[str, Part] = {}
        self._problems: Mapping[str, str] = {}

    async def open(self, plan: Plan) -> None:
        """Go on with what an earlier process kept of the objectives of this plan, and of who was called."""
        self.slos.configure(plan.objectives)
        await self.keeping.open(plan.file)
        told = [key for key in self.alerts.told() if key not in self.silencing.hush.held]
        self.speaker.adopt(told, time.monotonic())

    # -- a plan --------------------------------------------------------------------------------------------------------

    def arriving(self, plan: Plan) -> Mapping[str, Any]:
        """The receivers of a plan, made and not opened. Raises ConfigError."""
        return made("alerts.receivers", plan.notifiers)

    async def notify(self, plan: Plan, instances: Mapping[str, Any]) -> list[str]:
        """Put receivers in force; `instances` are those that `arriving` made. Returns what changed, in sentences."""
        self._labels = _labels(plan.file)
        gone, new = difference(self._notifying, plan.notifiers)
        if gone or new or not self._notifying:
            before = self.outbox
            await self._guard.stop("outbox")
            self.outbox = Outbox(instances, before=before, letters=self.keeping.letters, labels=lambda: self._labels)
            await before.aclose()
            self._guard.start("outbox", self.outbox.run)
        self._notifying = dict(plan.notifiers)
        await self.silencing.configure(plan)
        return sentences("receiver", gone, new) + await self.heart.configure(plan.file.heartbeat)

    def configure(self, plan: Plan) -> None:
        """Put objectives, routes and labels in force, once the probes are those of the plan."""
        self.slos.configure(plan.objectives)
        self.alerts.configure(plan.routes, plan.labels)
        alerts, covered = plan.file.alerts, {each.probe for each in plan.objectives}
        self._plain.configure(plan.file.service, alerts.plain if alerts.receivers else OFF, covered)

    # -- while it runs -------------------------------------------------------------------------------------------------

    def observe(self, seen: Observation) -> None:
        """Take one attempt in."""
        # What is planned neither burns a budget nor calls anybody: it counts as unknown.
        planned = self._replica.maintained(seen.probe)
        self.slos.observe(replace(seen, outcome=Outcome.INCONCLUSIVE) if planned else seen)

    async def run(self) -> None:
        """Judge every second, for ever."""
        while True:
            self._replica.weigh()
            self._judge()
            self._tell()
            await asyncio.sleep(TICK)

    def _judge(self) -> None:
        notices = self.alerts.tick(time.time())
        for notice in notices:
            level = logging.WARNING if notice.alert.firing else logging.INFO
            log.log(level, "alert %s", notice.alert.annotations.get("summary", notice.alert.name))
        now = time.monotonic()
        for notice in self.speaker.step(self.silencing.step(notices, time.time(), now), now):
            self.outbox.post(notice)
        if notices:
            self.keeping.soon()
        self._judged = time.monotonic(), time.time()

    def _withheld(self) -> str:
        """Why no heartbeat may be sent now."""
        ago = None if self._judged is None else time.monotonic() - self._judged[0]
        return withheld(ago, self.outbox.oldest, self._lag())

    def _told(self) -> Mapping[str, object]:
        """What a heartbeat says besides that it comes."""
        return {
            "service": self._labels["service"],
            "version": __version__,
            "objectives": len(self.slos.measures()),
            "firing": sum(alert["state"] == "firing" for alert in self.alerts.view()),
            "oldest_waiting_seconds": round(self.outbox.oldest, 3),
        }

    def _tell(self) -> None:
        """Say once what keeps an objective from being counted."""
        problems = self.slos.problems()
        for name, text in problems.items() - self._problems.items():
            log.warning("objective %s is not counted: %s", name, text)
        self._problems = problems

    def view(self) -> list[Mapping[str, Any]]:
        """What the API shows of alerts."""
        return self.silencing.shown(self.alerts.view())

    def _plainly(self, now: float) -> Iterable[Condition]:
        """The conditions without an objective."""
        verdict, company = self._replica.verdict(), self._replica.company()
        seen = Seen(
            self._replica.views(),
            held_open=verdict.held_open,
            others=company.known if company else 0,
            isolated=verdict.isolated,
            losses=self.losses(),
            draining=verdict.draining,
        )
        return self._plain.conditions(seen, now)

    def sources(self) -> Iterable[SampleSource]:
        """Who knows samples."""
        yield from self.keeping.sources()
        yield from (self.slos, self.alerts, self.silencing, self.outbox, self.heart, self)

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page; nothing before the first evaluation."""
        if self._judged:
            yield "outrider_slo_last_evaluation_timestamp_seconds", [Sample((), self._judged[1])]

    # -- the end -------------------------------------------------------------------------------------------------------

    async def flush(self, seconds: float) -> None:
        """Wait, but no longer than this, until everything is said."""
        await self.outbox.flush(seconds)

    async def aclose(self) -> None:
        """Close the receivers. The tasks have ended; `keeping` is closed last, by whoever holds it."""
        await self.silencing.aclose()
        await self.heart.aclose()
        await self.outbox.aclose()


def _labels(file: File) -> dict[str, str]:
    return {**file.labels, "service": file.service}
