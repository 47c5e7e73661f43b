"""One attempt: the deadline, and every way a check can end, turned into one Observation."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from agent.events import Observation, Outcome
from agent.health.judge import Judge, Ruling
from probes.base import MAX_ITEMS, Measurement, Probe, ProbeFailed, Reading
from probes.classify import classify
from probes.reason import TIMEOUTS, Reason

log = logging.getLogger(__name__)

GRACE = 0.25  #: seconds a cancelled check has to clean up before it counts as stuck

#: Phase in which the deadline struck -> reason.
_LATE = {"resolve": Reason.DNS_TIMEOUT, "connect": Reason.CONNECT_TIMEOUT, "tls": Reason.CONNECT_TIMEOUT}


@dataclass(slots=True)
class Running:
    """The attempt as the probe sees it (probes.base.Attempt)."""

    number: int
    fresh: bool
    deadline: float  # by `clock`
    clock: Callable[[], float]
    readings: bool = True
    phase: str = ""
    traceparent: str = ""

    @property
    def seconds_left(self) -> float:
        """Until the deadline; never below 0."""
        return max(0.0, self.deadline - self.clock())


class ProbeBroke(Exception):  # noqa: N818 - named for what happened
    """The probe itself is at fault, in a way that Python does not raise."""


@dataclass(slots=True)
class Runner:
    """Runs the attempts of one probe, one at a time. `stalled(started, ended, timeout)`: was the agent itself sick?

    `traceparent` gives each attempt its own, or "".
    """

    probe: Probe[Any]
    type: str
    judge: Judge
    timeout: float
    stalled: Callable[[float, float, float], bool]
    # Not the loop's: uvloop reads its own once per turn, in milliseconds.
    clock: Callable[[], float] = time.monotonic
    traceparent: Callable[[], str] = lambda: ""
    number: int = 0
    abandoned: set[asyncio.Task[Any]] = field(default_factory=set)
    _told: str = ""

    async def run(self, *, fresh: bool, readings: bool = True) -> Observation:
        """Look once; without `readings` only at our way to the target.

        Never raises but for cancellation; ends within the timeout plus the grace.
        """
        self.number += 1
        started = self.clock()
        attempt = Running(self.number, fresh, started + self.timeout, self.clock, readings, "", self.traceparent())
        task = asyncio.create_task(self._check(attempt), name=f"check {self.probe.context.name}")
        try:
            done, _ = await asyncio.wait({task}, timeout=self.timeout)
        except asyncio.CancelledError:
            await self._stop(task)
            raise
        if not done:
            await self._stop(task)
        ended = self.clock()
        ruling, phase, measurement = self._rule(task if done else None, attempt, started, ended)
        return Observation(
            self.probe.context.name,
            self.type,
            self.number,
            started,
            ended,
            time.time(),
            ruling.outcome,
            ruling.reason,
            "fresh" if fresh or not self.probe.steady else "pooled",
            phase,
            ruling.detail,
            measurement,
            attempt.traceparent,
        )

    async def _check(self, attempt: Running) -> Measurement:
        """What a plug-in may do wrong without raising an Exception becomes one."""
        try:
            found: object = await self.probe.check(attempt)
        except SystemExit as error:
            raise ProbeBroke("the check tried to end the process") from error
        if not isinstance(found, Measurement):
            raise ProbeBroke(f"the check returned {type(found).__name__}, not a Measurement")
        return found

    async def _stop(self, task: asyncio.Task[Any]) -> None:
        """Cancel; a task that will not end is abandoned, and kept so that its end is still looked at."""
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE)
        if not task.done():
            self.abandoned.add(task)
            task.add_done_callback(self._forget)
        elif not task.cancelled():
            task.exception()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.abandoned.discard(task)
        if not task.cancelled():
            task.exception()

    def _rule(
        self, task: asyncio.Task[Measurement] | None, attempt: Running, started: float, ended: float
    ) -> tuple[Ruling, str, Measurement]:
        if task is None:
            reason = _LATE.get(attempt.phase, Reason.READ_TIMEOUT)
            ruling = self.judge.failed(reason, f"no answer within {self.timeout:g} s")
            return self._unless_stalled(ruling, started, ended), attempt.phase, Measurement()
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            measurement = _bounded(task.result())
            self._told = ""
            return self.judge.passed(measurement, ended - started, ended, read=attempt.readings), "", measurement
        if isinstance(error, ProbeFailed):
            ruling = self.judge.failed(error.reason, error.detail)
            measurement = _bounded(error.measurement)
            return self._unless_stalled(ruling, started, ended), error.phase or attempt.phase, measurement
        if isinstance(error, self.probe.expected):
            return self._expected(error, attempt.phase, started, ended), attempt.phase, Measurement()
        return self._broke(error), attempt.phase, Measurement()

    def _expected(self, error: Exception, phase: str, started: float, ended: float) -> Ruling:
        try:
            reason, detail = self.probe.classify(error) or classify(error, phase)
        except Exception as broken:  # noqa: BLE001 - a plug-in's own rule may fail like the rest of it
            return self._broke(broken)
        return self._unless_stalled(self.judge.failed(reason, detail), started, ended)

    def _unless_stalled(self, ruling: Ruling, started: float, ended: float) -> Ruling:
        """A timeout proves nothing about the target when the agent itself stalled meanwhile."""
        if ruling.reason in TIMEOUTS and self.stalled(started, ended, self.timeout):
            return Ruling(Outcome.INCONCLUSIVE, Reason.INCONCLUSIVE, "timed out while the agent itself stalled")
        return ruling

    def _broke(self, error: BaseException) -> Ruling:
        """The probe itself broke: the last verdict is held; the traceback is logged once per kind of error."""
        kind = type(error).__name__
        if kind != self._told:
            self._told = kind
            name = self.probe.context.name
            log.error("probe %s broke (%s); its last verdict is held", name, kind, exc_info=error)
        return Ruling(Outcome.INCONCLUSIVE, Reason.INTERNAL, f"the probe broke: {kind}")

    async def aclose(self) -> None:
        """Close the probe; its own faults at closing are nobody's problem any more."""
        for task in tuple(self.abandoned):
            task.cancel()
        task = asyncio.create_task(self.probe.aclose(), name=f"close {self.probe.context.name}")
        await asyncio.wait({task}, timeout=self.timeout)
        await self._stop(task)


def _bounded(measurement: Measurement) -> Measurement:
    """At most 50 items a reading: a hostile target must not grow our series."""
    seen: dict[str, int] = {}
    kept: list[Reading] = []
    for reading in measurement.readings:
        seen[reading.name] = seen.get(reading.name, 0) + 1
        if seen[reading.name] <= MAX_ITEMS:
            kept.append(reading)
    if len(kept) == len(measurement.readings):
        return measurement
    return replace(measurement, readings=tuple(kept))
