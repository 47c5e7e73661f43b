"""Objectives, alerts and receivers, put together: from what was counted to who is called.

A part of the composition root that is a room of its own for its size. The way through it is one way: an observation or
a request -> objectives -> alerts -> the speaker -> the outbox.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.alerting.engine import AlertEngine
from agent.assemble import Part, Plan
from agent.changes import difference, made, sentences
from agent.events import Observation, Outcome
from agent.guard import Guard
from agent.keeping import Keeping
from agent.outbox.deliver import Outbox
from agent.outbox.speaker import Speaker
from agent.replica import Replica
from agent.slo.engine import SloEngine
from agent.witness import Witness
from config.model import File
from exporters.base import SampleSource

log = logging.getLogger(__name__)

TICK = 1.0  #: seconds between two evaluations of the objectives


class Calling:
    """Life: `open`; `arriving` and `configure` for each plan; `run`; `flush`; end the tasks; `aclose`."""

    def __init__(self, guard: Guard, replica: Replica) -> None:
        self.slos = SloEngine()
        self.witness = Witness(replica.views, replica.fleet)
        self.alerts = AlertEngine(
            self.slos, state_of=replica.state_of, explained_by=replica.explained_by, clues=self.witness.clues
        )
        self.keeping = Keeping(self.slos, self.alerts, guard)
        self.outbox = Outbox({})
        self.speaker = Speaker(replica.fleet, lambda: self.outbox)
        replica.says = self.speaker.told
        self._guard, self._replica = guard, replica
        self._labels: Mapping[str, str] = {}
        self._notifying: dict[str, Part] = {}

    async def open(self, plan: Plan) -> None:
        """Go on with what an earlier process kept of the objectives of this plan, and of who was called."""
        self.slos.configure(plan.objectives)
        await self.keeping.open(plan.file)
        self.speaker.adopt(self.alerts.told(), time.monotonic())

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
        return sentences("receiver", gone, new)

    def configure(self, plan: Plan) -> None:
        """Put objectives, routes and labels in force, once the probes are those of the plan."""
        self.slos.configure(plan.objectives)
        self.alerts.configure(plan.routes, dict(plan.file.labels))

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
            await asyncio.sleep(TICK)

    def _judge(self) -> None:
        notices = self.alerts.tick(time.time())
        for notice in notices:
            level = logging.WARNING if notice.alert.firing else logging.INFO
            log.log(level, "alert %s", notice.alert.annotations.get("summary", notice.alert.name))
        for notice in self.speaker.step(notices, time.monotonic()):
            self.outbox.post(notice)
        if notices:
            self.keeping.soon()

    def sources(self) -> Iterable[SampleSource]:
        """Who knows samples."""
        yield from self.keeping.sources()
        yield from (self.slos, self.alerts, self.outbox)

    # -- the end -------------------------------------------------------------------------------------------------------

    async def flush(self, seconds: float) -> None:
        """Wait, but no longer than this, until everything is said."""
        await self.outbox.flush(seconds)

    async def aclose(self) -> None:
        """Close the receivers. The tasks have ended; `keeping` is closed last, by whoever holds it."""
        await self.outbox.aclose()


def _labels(file: File) -> dict[str, str]:
    return {**file.labels, "service": file.service}
