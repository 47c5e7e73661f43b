"""The composition root: alone names concrete parts, starts them, swaps them, stops them in reverse."""

import asyncio
import gc
import logging
import platform
import signal
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress

from agent.assemble import Plan
from agent.calling import Calling
from agent.changes import difference, sentences
from agent.doors import Door, Doors
from agent.events import Observation
from agent.guard import Guard
from agent.health.board import Board
from agent.health.edges import Edges
from agent.health.state import State
from agent.lifecycle import Lifecycle
from agent.peers.meeting import Meeting
from agent.pulse import Pulse, cgroup_throttled
from agent.readiness.rules import why
from agent.reload import Reloader, Source
from agent.replica import Replica
from agent.scheduler.metrics import ProbeMetrics
from agent.scheduler.tasks import Planned, Scheduler
from agent.signals import on_signals
from agent.telemetry import Telemetry
from agent.web import listeners
from agent.web.balancers.agent_check import agent_check
from agent.web.counted import Counted
from agent.web.desk import Desk
from exporters.base import Sample, SampleSource
from exporters.contract import Metric
from exporters.families import service_family
from outrider import __version__

log = logging.getLogger(__name__)

FLUSH = 5.0  #: seconds at the end for spans, and then for alerts, that still wait


class App:
    """One agent. `run` is its life; `plan` is what is in force, `judged` False while there is no valid file at all."""

    def __init__(self, plan: Plan, source: Source, *, judged: bool = True) -> None:
        self.plan, self.source, self.judged = plan, source, judged
        self.lifecycle = Lifecycle(float(plan.file.readiness.drain))
        self.pulse = Pulse(throttled=cgroup_throttled())
        self.guard = Guard()
        board = Board()
        self.scheduler = Scheduler(board, [self._observe], self.pulse.stalled)
        self.replica = Replica(board, self.lifecycle, self.pulse, self.scheduler.poke)
        self.scheduler.reader, self.scheduler.stretch = self.replica.reads, self.replica.stretch
        self.metrics = ProbeMetrics(self.replica.views)
        self.calling = Calling(self.guard, self.replica, self.pulse.lag)
        self.telemetry = Telemetry(self.guard, self.calling.slos.count)
        self.calling.losses = self.telemetry.losses
        self.calling.witness.red = lambda: self.telemetry.red
        self.scheduler.traceparent = self.telemetry.traceparent
        self.meeting = Meeting(
            self.guard,
            self.replica.fleet,
            own=self.replica.told,
            shared=self.replica.shared,
            wants_out=self.replica.wants_out,
            heard=self.replica.weigh,
        )
        self.reloader = Reloader(source.read, self.swap, source.files, source.seen, successful=judged)
        self.doors, self.edges, self.counted = Doors(), Edges(), Counted()
        self._running: dict[str, Planned] = {}
        self._stopping, self._drained, self._at_once = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Start, serve until told to stop, drain, stop. Raises ConfigError when a port is taken."""
        async with AsyncExitStack() as stack:
            # Left in reverse: first nobody asks us any more, then we ask nobody, then what waits is sent.
            wanted = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self.reloader.soon}
            stack.enter_context(on_signals(wanted))
            stack.push_async_callback(self.calling.keeping.aclose)
            stack.push_async_callback(self._flush)
            stack.push_async_callback(self.scheduler.aclose)
            stack.push_async_callback(self.meeting.aclose)
            stack.push_async_callback(self.doors.aclose)
            self.guard.start("pulse", self.pulse.run)
            await self.calling.open(self.plan)
            await self.telemetry.open(self.plan.file, self.calling.keeping.database)
            await self._apply(self.plan, judged=self.judged)
            self.lifecycle.configured = True
            self.replica.weigh()
            await asyncio.to_thread(self.source.in_force)
            # What start-up made lives as long as we do: a full collection that walks it would stall the loop 6 to 8 ms.
            gc.collect()
            gc.freeze()
            self.guard.start("slo", self.calling.run)
            self.guard.start("reload", self.reloader.run)
            log.info("started: %s", ", ".join(f"{name} on {at}" for name, at in self.doors.open_at().items()))
            await self._until_stopped()
            await self.reloader.aclose()
            await self.telemetry.stop_tracing()
            await self.guard.stop("reload")  # a file that changes now must not open what is being closed

    async def swap(self, plan: Plan) -> tuple[str, ...]:
        """Put another plan in force; what did not change is not touched. Returns what changed, in sentences."""
        changes = await self._apply(plan, judged=True)
        self.plan, self.judged = plan, True
        self.lifecycle.drain_seconds = float(plan.file.readiness.drain)
        await asyncio.to_thread(self.source.in_force)  # it writes to a disk
        return changes

    def stop(self) -> None:
        """The first time: unready at once, stop after the drain. The second time: stop now."""
        if self._stopping.is_set():
            self._drained.set()
            self._at_once.set()
            return
        self.lifecycle.drain()
        log.info("draining for %.3g s; a second signal stops at once", self.lifecycle.drain_left())
        self._stopping.set()

    def end(self) -> None:
        """Stop without a drain: the service it was for has ended. What was accepted is still sent."""
        self.lifecycle.drain()
        self._drained.set()
        self._stopping.set()

    # -- applying a plan -------------------------------------------------------------------------------------------

    async def _apply(self, plan: Plan, *, judged: bool) -> tuple[str, ...]:
        # Made before anything is touched: a plug-in that cannot be made refuses the plan.
        senders = self.telemetry.arriving(plan)
        receivers = self.calling.arriving(plan)
        addresses = self._addresses(plan)
        # At the start the queues are there before the first request; later a taken port must leave all as it is.
        changes = [] if self.lifecycle.configured else await self.telemetry.configure(plan, senders)
        changes += await self.doors.swap(addresses)
        await self.telemetry.trace(plan, self.doors.open_at().get("traces.receive.http"))
        changes += await self.meeting.swap(plan.file.readiness.peers, plan.file.service, plan.file.listen.public.port)
        if self.lifecycle.configured:
            changes += await self.telemetry.configure(plan, senders)
        changes += await self.calling.notify(plan, receivers)
        changes += await self._probe(plan)
        self.replica.configure(plan, judged=judged)
        self.calling.configure(plan)
        return tuple(changes)

    def _addresses(self, plan: Plan) -> dict[str, Door]:
        desk, listen = self._desk(), plan.file.listen
        wanted: dict[str, Door] = {
            "listen.public": (listen.public, lambda address: listeners.public(desk, address)),
            "listen.admin": (listen.admin, lambda address: listeners.admin(desk, address)),
        }
        if listen.agent_check:
            wanted["listen.agent_check"] = (listen.agent_check, lambda address: agent_check(desk, address))
        if listen.grpc_health:
            from agent.web.balancers.grpc_health import grpc_health  # noqa: PLC0415 - gRPC only where it is asked for

            wanted["listen.grpc_health"] = (listen.grpc_health, lambda address: grpc_health(desk, address))
        return wanted | dict(self.telemetry.doors(plan))

    async def _probe(self, plan: Plan) -> list[str]:
        for name, planned in plan.probes.items():
            if name in self._running and self._running[name] != planned and self._running[name].asks_like(planned):
                self.scheduler.amend(planned)
                self._running[name] = planned
        gone, new = difference(self._running, plan.probes)
        await self.scheduler.stop(gone)
        for name in gone:
            if name not in new:
                self.scheduler.forget(name)
                self.metrics.leave(name)
                self.replica.forget(name)
        for planned in (plan.probes[name] for name in new):
            self.metrics.enter(planned.member, planned.cls)
            self.scheduler.start(planned, self.replica.maker(planned))
        self._running = dict(plan.probes)
        return sentences("probe", gone, new)

    # -- while it runs ---------------------------------------------------------------------------------------------

    def _observe(self, seen: Observation) -> None:
        """One attempt to everyone who listens: belief first, so that the others see the state it led to."""
        edge = self.replica.observe(seen)
        self.metrics.observe(seen)
        self.telemetry.observed(seen)
        self.calling.observe(seen)
        if edge is None:
            return
        self.edges.add(edge)
        level = logging.WARNING if edge.after in {State.DOWN, State.DEGRADED} else logging.INFO
        view = self.replica.views().get(seen.probe)
        because = f": {why(view)}" if view and edge.after is not State.UP else ""
        log.log(level, "probe %s is %s (was %s)%s", edge.probe, edge.after, edge.before, because)

    def _desk(self) -> Desk:
        return Desk(
            service=lambda: self.plan.file.service,
            version=__version__,
            verdict=self.replica.verdict,
            views=self.replica.views,
            lifecycle=self.lifecycle,
            live=self.pulse.live,
            sources=self._sources,
            config=self.source.masked,
            reload=self.reloader.reload,
            pipeline=self.telemetry.pipeline,
            exceptions=self.telemetry.exceptions,
            new_exceptions=self.telemetry.new_exceptions,
            slos=self.calling.slos.view,
            alerts=self.calling.view,
            silences=self.calling.silencing.silences,
            keeper=self.calling.silencing,
            quiet=self.calling.silencing.quiet,
            undelivered=self.calling.outbox.dead.newest_first,  # handed on from outbox to outbox
            blackbox_names=lambda: self.plan.file.metrics.blackbox_names,
            group=self.replica.group,
            groups=self.replica.groups,
            weight=self.replica.weight,
            company=self.replica.company,
            peerz=self.replica.peerz,
            peer_tokens=lambda: self.meeting.tokens,
            counted=self.counted,
            override=self.replica.overrides,
            maintenance=self.replica.maintenance,
            heartbeats=self.replica.heartbeats,
            edges=lambda: self.edges.recent(time.monotonic()),
        )

    def _sources(self) -> tuple[SampleSource, ...]:
        parts: tuple[SampleSource, ...] = (self.metrics, self.scheduler, self.pulse, self.guard, self.reloader)
        rest = (*self.telemetry.sources(), *self.calling.sources(), self.replica, self.meeting)
        return (*parts, self.counted, *rest, self)

    def samples(self) -> Iterable[tuple[str | Metric, Iterable[Sample]]]:
        """What the agent says of itself as a whole."""
        labels = self.plan.file.labels
        yield "outrider_build_info", [Sample((__version__, platform.python_version()), 1.0)]
        yield service_family(tuple(labels)), [Sample((self.plan.file.service, *labels.values()), 1.0)]

    # -- the end ---------------------------------------------------------------------------------------------------

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.lifecycle.drain_left()):
                await self._drained.wait()

    async def _send_rest(self) -> None:
        await self.telemetry.relay.drain(FLUSH)
        await self.calling.flush(FLUSH)

    async def _flush(self) -> None:
        """What was accepted is sent, as far as a few seconds or a second signal allow; the rest is counted and told."""
        sending, hurried = asyncio.create_task(self._send_rest()), asyncio.create_task(self._at_once.wait())
        await asyncio.wait({sending, hurried}, return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        hurried.cancel()
        await self.guard.aclose()
        await self.telemetry.aclose()
        await self.calling.aclose()
