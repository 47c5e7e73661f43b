"""One task per probe. A probe that hangs, breaks or ignores its cancellation costs nobody else anything."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from agent.events import Listener, Observation
from agent.health.board import Board, Member
from agent.health.judge import Bound, Judge
from agent.health.state import Machine, State
from agent.scheduler import timetable
from agent.scheduler.attempt import Runner
from agent.scheduler.bell import Bell
from agent.scheduler.timetable import FreshTurns, Pace
from exporters.base import Sample
from probes.base import Probe, ProbeContext
from probes.beats import Beats

log = logging.getLogger(__name__)

IN_FLIGHT = 64  #: attempts at once over all probes
STUCK_SLOTS = 3  #: abandoned checks of one probe before it is left alone until one of them ends
SETTLED = 60.0  #: seconds of life after which the next restart of a probe's task is a first one again
RESTART_AFTER = (1.0, 30.0)  #: seconds before a probe's task that died is started again: first, and at most


@dataclass(frozen=True, slots=True)
class Planned:
    """One probe as the file wants it: typed, nothing opened. Two equal ones need no restart."""

    member: Member
    pace: Pace
    bounds: tuple[Bound, ...]
    options: Any
    cls: type[Probe[Any]]
    service: str = ""
    invert: bool = False
    family: int = 0  # which addresses of a name: probes.base.ProbeContext
    reads: str = "always"  # facts about the target itself: agent.scheduler.reads

    def asks_like(self, other: "Planned") -> bool:
        """Whether the other one asks the same in the same way: then a reload only has to say what follows from it."""
        said = ("description", "runbook_url", "when_down", "shared", "depends_on")
        member = replace(self.member, **{key: getattr(other.member, key) for key in said})
        return replace(self, member=member, reads=other.reads) == other

    def make(self, beats: Beats | None = None) -> Probe[Any]:
        """A new instance: at start, and again after a stuck check. `beats`: what was pushed for it so far."""
        member, heard = self.member, beats or Beats(time.monotonic())
        return self.cls(self.options, ProbeContext(member.name, self.service, member.timeout, self.family, heard))


@dataclass(slots=True)
class Counters:
    """What went wrong with one probe's task, and how often. Outlives restarts of the task."""

    skipped: int = 0
    stuck: int = 0
    restarts: int = 0


@dataclass(slots=True)
class Scheduler:
    """Starts and stops the tasks. Every observation goes to every listener, in order, on the loop.

    `reader(probe)`: is this replica the one that reads for all, now. `stretch(probe)`: at least so many seconds between
    two of its attempts, since so many replicas ask the same; 0 for none. `traceparent()`: that of one attempt, or "".
    """

    board: Board
    listeners: list[Listener]
    stalled: Callable[[float, float, float], bool]
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    reader: Callable[[str], bool] = lambda _: True
    stretch: Callable[[str], float] = lambda _: 0.0
    traceparent: Callable[[], str] = lambda: ""
    counters: dict[str, Counters] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _planned: dict[str, Planned] = field(default_factory=dict)
    _bells: dict[str, Bell] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    def start(self, planned: Planned, make: Callable[[], Probe[Any]]) -> None:
        """Start asking one probe. `make` gives a new instance, again after a stuck check."""
        name = planned.member.name
        self.board.enter(planned.member, self.clock())
        self.counters.setdefault(name, Counters())
        self._planned[name], self._bells[name] = planned, Bell(self.clock)
        self._tasks[name] = asyncio.create_task(self._guarded(planned, make), name=f"probe {name}")

    def amend(self, planned: Planned) -> None:
        """The file says something else of a probe that is asked as before (`Planned.asks_like`): it goes on."""
        self._planned[planned.member.name] = planned
        self.board.amend(planned.member)

    def poke(self, name: str) -> None:
        """One attempt more at once, beside the timetable, which goes on from it; at most one a second. Unknown: none.

        One that is under way started too early, so this one follows it.
        """
        if name in self._tasks:
            self._bells[name].ring()

    async def stop(self, names: Iterable[str]) -> None:
        """Stop asking these; their connections are given back before this returns. What is believed of them stays."""
        leaving = {name: task for name in names if (task := self._tasks.pop(name, None)) is not None}
        for task in leaving.values():
            task.cancel()
        if leaving:
            await asyncio.wait(leaving.values())

    def forget(self, name: str) -> None:
        """A probe that was stopped is gone from the file."""
        self.board.leave(name)
        self.counters.pop(name, None)
        self._planned.pop(name, None)
        self._bells.pop(name, None)

    async def aclose(self) -> None:
        """Stop all."""
        await self.stop(tuple(self._tasks))

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        counted = self.counters.items()
        yield "outrider_probe_skipped_total", [Sample((name,), c.skipped) for name, c in counted]
        yield "outrider_probe_stuck_tasks_total", [Sample((name,), c.stuck) for name, c in counted]
        yield "outrider_task_restarts_total", [Sample((f"probe {name}",), c.restarts) for name, c in counted]

    async def _guarded(self, planned: Planned, make: Callable[[], Probe[Any]]) -> None:
        """A task that dies of our own fault is started again, later each time; its probe is stale meanwhile."""
        name = planned.member.name
        first, most = RESTART_AFTER
        delay = first
        while True:
            began = self.clock()
            try:
                await self._ask(planned, make)
            except Exception:
                self.counters[name].restarts += 1
                delay = first if self.clock() - began > SETTLED else delay
                log.exception("the task of probe %s died and starts again in %g s", name, delay)
            await asyncio.sleep(delay)
            delay = min(most, delay * 2)

    async def _ask(self, planned: Planned, make: Callable[[], Probe[Any]]) -> None:
        member = planned.member
        counters, machine = self.counters[member.name], self.board.machine(member.name)
        judge, turns = Judge(planned.bounds, planned.invert), FreshTurns(planned.pace.fresh_every)
        leaked: set[asyncio.Task[Any]] = set()
        runner, bell = await self._open(planned, make, judge), self._bells[member.name]
        due = self.clock() + timetable.first_delay(planned.pace, self.chance(), shared=planned.member.shared)
        try:
            while True:
                await bell.until(due)
                fresh = planned.cls.steady and turns.take(self.clock(), doubt=machine.fresh_fault is not None)
                async with self._slots:
                    bell.answered()
                    seen = await runner.run(fresh=fresh or not planned.cls.steady, readings=self._reads(member.name))
                self._publish(seen)
                if runner.abandoned:
                    counters.stuck += 1
                    leaked |= runner.abandoned
                    runner = await self._replace(runner, leaked, planned, make, judge)
                wait = self._wait(planned.pace, machine, seen)
                due = seen.started + wait
                if due < self.clock():
                    counters.skipped += int((self.clock() - due) / max(wait, 0.001)) + 1
                    due = self.clock()
        finally:
            await runner.aclose()

    def _reads(self, name: str) -> bool:
        """Whether the attempt that starts now reads what is a fact about the target itself."""
        reads = self._planned[name].reads
        return reads == "always" or (reads == "auto" and self.reader(name))

    def _wait(self, pace: Pace, machine: Machine, seen: Observation) -> float:
        stretch = self.stretch(machine.probe)
        self.board.stretch(machine.probe, stretch)
        down_for = seen.ended - machine.since if machine.state is State.DOWN else 0.0
        return timetable.next_wait(
            pace,
            machine.state,
            changing=machine.changing(),
            down_for=down_for,
            chance=self.chance(),
            stretch=stretch,
        )

    async def _open(self, planned: Planned, make: Callable[[], Probe[Any]], judge: Judge) -> Runner:
        probe = make()
        member = planned.member
        runner = Runner(probe, member.type, judge, member.timeout, self.stalled, self.clock, self._traceparent)
        try:
            async with asyncio.timeout(member.timeout):
                await probe.open()
        except Exception:
            await runner.aclose()
            raise
        return runner

    def _traceparent(self) -> str:
        return self.traceparent()  # the one of now: a reload may put another in its place

    async def _replace(
        self,
        runner: Runner,
        leaked: set[asyncio.Task[Any]],
        planned: Planned,
        make: Callable[[], Probe[Any]],
        judge: Judge,
    ) -> Runner:
        """The stuck check keeps its instance; a new one takes its place, at most three times at once."""
        log.error(
            "a check of probe %s ignored its cancellation and was abandoned (%d now)", planned.member.name, len(leaked)
        )
        number = runner.number
        await runner.aclose()
        leaked -= {task for task in leaked if task.done()}
        if len(leaked) >= STUCK_SLOTS:
            await asyncio.wait(leaked, return_when=asyncio.FIRST_COMPLETED)
        leaked -= {task for task in leaked if task.done()}
        fresh = await self._open(planned, make, judge)
        fresh.number = number
        return fresh

    def _publish(self, seen: Observation) -> None:
        """A listener that fails must not stop the probe, nor the listeners behind it."""
        for listener in self.listeners:
            try:
                listener(seen)
            except Exception:
                log.exception("a listener failed on an observation of probe %s", seen.probe)
