"""How telemetry comes in: the receivers, what is measured in it, and what is done with it on the way to the relay."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.assemble import Plan
from agent.doors import Door
from agent.receiver import listener
from agent.receiver.admission import Budget
from agent.receiver.http import SETTING as HTTP
from agent.receiver.http import OtlpHttp
from agent.receiver.intake import Intake
from agent.receiver.limits import Limits, effective
from agent.red.group import Group
from agent.red.objective import span_objectives
from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.detect import detect
from agent.relay.entry import Signal
from agent.relay.process import Process
from agent.relay.process import Settings as Steps
from agent.relay.relay import Relay
from agent.supervise import leash
from config.sections.traces import Receive, Traces
from config.types import ListenAddress

if TYPE_CHECKING:
    from agent.receiver.grpc_calls import OtlpGrpc

log = logging.getLogger(__name__)

GRPC = "traces.receive.grpc"  #: the other setting that is a door
_PROC = Path("/proc/self")

Offer = Callable[[str, int, int, float], None]


class Reception:
    """Made where a file first has `traces`, and there until the end. `red` None: nothing is measured."""

    def __init__(self, relay: Relay, offer: Offer) -> None:
        self.red: Red | None = None
        self.limits = Limits(0, 0)
        self._relay, self._offer = relay, offer
        self._intake = Intake(relay, Process(Steps()))
        self._budget = Budget(0)
        self._receivers: list[OtlpHttp | OtlpGrpc] = []  # whose listeners are open
        self._receive: Receive | None = None  # in force

    # -- listeners -----------------------------------------------------------------------------------------------------

    def doors(self, traces: Traces) -> dict[str, Door]:
        """The listeners that this section wants. Nothing is in force by that; what they answer by comes with it."""
        receive = traces.receive
        found: dict[str, Door] = {HTTP: (receive.http, lambda address: self._http(address, receive))}
        if receive.grpc:
            found[GRPC] = (receive.grpc, lambda address: self._grpc(address, receive))
        return found

    def _http(self, address: ListenAddress, receive: Receive) -> AbstractAsyncContextManager[ListenAddress]:
        receiver = OtlpHttp(self._intake, limits=self._measured(receive), budget=self._budget, receive=receive)
        return self._open(receiver, listener.serving(receiver, address, receive.tls))

    def _grpc(self, address: ListenAddress, receive: Receive) -> AbstractAsyncContextManager[ListenAddress]:
        from agent.receiver import grpc  # noqa: PLC0415 - 13 MiB, only where it is asked for
        from agent.receiver.grpc_calls import OtlpGrpc  # noqa: PLC0415

        receiver = OtlpGrpc(self._intake, limits=self._measured(receive), budget=self._budget, receive=receive)
        return self._open(receiver, grpc.serving(receiver, address, receive.tls))

    @asynccontextmanager
    async def _open(
        self, receiver: "OtlpHttp | OtlpGrpc", opening: AbstractAsyncContextManager[ListenAddress]
    ) -> AsyncIterator[ListenAddress]:
        """A listener that hears of changes for as long as it is open: another one may be refused in the meantime."""
        async with opening as bound:
            self._receivers.append(receiver)
            try:
                yield bound
            finally:
                self._receivers.remove(receiver)

    def _measured(self, receive: Receive) -> Limits:
        return effective(receive, self._relay.capacity)

    # -- a plan --------------------------------------------------------------------------------------------------------

    async def configure(self, plan: Plan, traces: Traces, exceptions: Callable[[Group], None] | None) -> list[str]:
        """Put a section in force; `exceptions` hears of each group that grew. Returns what changed, in sentences."""
        changes = self._answer(traces.receive)
        detected = await asyncio.to_thread(_detected) if traces.detect_resource else {}
        process = Process(
            Steps({**detected, **plan.file.labels, **traces.resource}, traces.redact, traces.sample.value)
        )
        self._intake.processing = process
        self._intake.signals = frozenset(self._relay.signals)
        if self._intake.signals != {Signal.TRACES, *map(Signal, traces.pass_through)}:
            changes.append("traces.pass_through is taken up at the next start")
        if not traces.metrics.enabled:
            self.red = self._intake.walk = None
            return changes
        settings = _settings(plan, traces, process, self._offer, exceptions, self._relay.delivery)
        if self.red:
            self.red.configure(settings)
        else:
            self.red = Red(settings)
        self._intake.walk = self.red.walk
        return changes

    def _answer(self, receive: Receive) -> list[str]:
        """What the listeners that stay open answer by from now on."""
        before, self._receive = self._receive, receive
        self.limits = self._measured(receive)
        self._budget.capacity = self.limits.memory
        for receiver in self._receivers:
            receiver.change(self.limits, receive)
        if before is None or receive.tls == before.tls:
            return []
        return ["traces.receive.tls is taken up when the listener's address changes, or at the next start"]


def _settings(
    plan: Plan,
    traces: Traces,
    process: Process,
    offer: Offer,
    exceptions: Callable[[Group], None] | None,
    delivery: Callable[[], Callable[[], bool]],
) -> Settings:
    more: dict[str, Any] = {"exceptions": exceptions} if exceptions else {}
    return Settings(
        service=plan.file.service,
        kinds=traces.metrics.kinds,
        routes=traces.metrics.routes,
        late=float(traces.metrics.late),
        objectives=span_objectives(plan.objectives),
        kept=process.kept if traces.sample.value < 1 else None,
        offer=offer,
        clean=process.clean,
        delivery=delivery,
        tell=log.warning,
        **more,
    )


def _detected() -> dict[str, str]:
    """Where we run, as far as it shows. A sidecar's own container is not the service's, unless we run it ourselves."""
    texts = ["", ""]
    if leash.VARIABLE in os.environ:
        for number, name in enumerate(("cgroup", "mountinfo")):
            with suppress(OSError):
                texts[number] = (_PROC / name).read_text(errors="replace")
    return detect(os.environ, socket.gethostname(), *texts)
