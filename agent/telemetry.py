"""The telemetry path, put together: the relay and its queue, and (where a file asks for it) the reception before it.

A part of the composition root that is a room of its own for its size.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from agent.assemble import Part, Plan
from agent.changes import difference, made, sentences
from agent.doors import Door
from agent.events import Listener, Observation
from agent.guard import Guard
from agent.relay.entry import Signal
from agent.relay.relay import Relay
from agent.relay.settings import Limits
from agent.relay.store import LaneKey, Store
from config.model import File
from config.sections.traces import Traces
from config.types import ListenAddress
from exporters.base import SampleSource
from outrider import __version__

if TYPE_CHECKING:
    from agent.reception import Reception
    from agent.red.group import Group
    from agent.red.red import Red
    from agent.relay.journal import Journal
    from agent.state.database import Database
    from exporters.own_spans import OwnSpans
    from exporters.sentry import Sentry

log = logging.getLogger(__name__)

#: One destination as it is in force: its sender, and whether it gives up what is refused for its credentials.
_Wanted = tuple[Part, bool]


class Telemetry:
    """Life: `open`; `doors` and `configure` for each plan; `drain`; end the tasks; `aclose`.

    `offer` counts good and bad events of an objective: (name, good, bad, Unix time).
    """

    def __init__(self, guard: Guard, offer: Callable[[str, int, int, float], None]) -> None:
        self.relay = Relay({})
        self.reception: Reception | None = None
        self._guard, self._offer = guard, offer
        self._sending: dict[str, _Wanted] = {}
        self._journal: Journal | None = None
        self._sentry: Sentry | None = None
        self._own: OwnSpans | None = None
        self._told: Listener = _nobody
        self._traced: tuple[object, ...] | None = None  # what the file said of it

    async def open(self, file: File, database: "Database | None") -> None:
        """Find what an earlier process left. Where that is, and how long it lasts, stays as it is until the end."""
        traces, store, durability = file.traces, None, "memory"
        if traces and database and file.durability != "memory":
            store, durability = await self._open_journal(traces, database), file.durability
        self.relay = Relay({}, store=store, signals=signals_of(traces), limits=_limits(traces), durability=durability)
        self._guard.start("relay", self.relay.run)

    async def _open_journal(self, traces: Traces, database: "Database") -> Store:
        from agent.relay.journal import Journal  # noqa: PLC0415 - SQLite only where something is kept

        self._journal = Journal(database)
        await self._journal.open([LaneKey(signal, dest) for dest in traces.forward for signal in signals_of(traces)])
        return self._journal

    # -- a plan --------------------------------------------------------------------------------------------------------

    def doors(self, plan: Plan) -> Mapping[str, Door]:
        """The listeners of a plan, by setting."""
        traces = plan.file.traces
        if traces is None:
            return {}
        if self.reception is None:
            from agent.reception import Reception  # noqa: PLC0415 - protobuf only where telemetry is taken

            self.reception = Reception(self.relay, self._offer)
        return self.reception.doors(traces)

    def arriving(self, plan: Plan) -> Mapping[str, Any]:
        """The senders that a plan needs anew, made and not opened. Raises ConfigError."""
        new = difference(self._sending, _wanted(plan))[1]
        return made("traces.forward", {name: plan.senders[name] for name in new})

    async def configure(self, plan: Plan, senders: Mapping[str, Any]) -> list[str]:
        """Put a plan in force; `senders` are those that `arriving` made. Returns what changed, in sentences."""
        traces, changes = plan.file.traces, []
        self.relay.limits = _limits(traces)  # what may be received depends on what may be queued
        if traces and self.reception:
            if self._sentry is None:
                await self._open_sentry()
            changes += await self.reception.configure(plan, traces, self._sentry.seen if self._sentry else None)
            if plan.file.durability != self.relay.durability:
                now = f"what is queued is kept as with `{self.relay.durability}` until then"
                changes.append(f"traces.durability is taken up at the next start: {now}")
        return [*changes, *await self._send(_wanted(plan), senders)]

    async def _open_sentry(self) -> None:
        from exporters.sentry import from_environment  # noqa: PLC0415

        self._sentry = await from_environment(os.environ, log.warning)
        if self._sentry:
            self._guard.start("sentry", self._sentry.run)

    async def _send(self, wanted: Mapping[str, _Wanted], senders: Mapping[str, Any]) -> list[str]:
        gone, new = difference(self._sending, wanted)
        for name in new:
            if name not in gone:  # these first: at every moment somebody must owe what comes
                self._start(name, wanted[name], senders[name])
        for name in gone:
            await self._guard.stop(f"relay {name}")
            del self._sending[name]
            await self.relay.remove(name, keep=name in new)
            if name in new:
                self._start(name, wanted[name], senders[name])
        return sentences("destination", gone, new)

    def _start(self, name: str, wanted: _Wanted, sender: Any) -> None:
        destination = self.relay.add(name, sender, drop_on_auth_error=wanted[1])
        self._guard.start(f"relay {name}", destination.run)
        self._sending[name] = wanted

    # -- the agent's own spans -----------------------------------------------------------------------------------------

    async def trace(self, plan: Plan, listening: ListenAddress | None) -> None:
        """Trace the attempts of probes as a plan wants it; `listening`: where our own receiver is open."""
        traces = plan.file.traces
        asked = (traces.own_spans, traces.receive, plan.file.service) if traces else None
        if asked == self._traced:
            return
        before = self._own
        self._traced, self._own, self._told = asked, None, _nobody
        if traces and traces.own_spans:
            from agent.own import listener, own_spans  # noqa: PLC0415

            service = plan.file.service
            self._own = own_spans(traces.own_spans, traces.receive, listening, service=service, version=__version__)
            await self._own.open()
            self._told = listener(self._own)
        if before:
            await before.aclose()

    def traceparent(self) -> str:
        """That of a new attempt; "" where attempts are not traced."""
        return self._own.begin() if self._own else ""

    def observed(self, seen: Observation) -> None:
        """A listener of observations: sends the span of one that is sampled."""
        self._told(seen)

    async def stop_tracing(self) -> None:
        """Send the last own spans while the receiver is still open."""
        own = self._own
        self._own, self._told = None, _nobody
        if own:
            await own.aclose()

    # -- what it says of itself ----------------------------------------------------------------------------------------

    def sources(self) -> Iterable[SampleSource]:
        """Who knows samples."""
        yield self.relay
        if self.red:
            yield self.red

    def losses(self) -> Mapping[str, Mapping[str, int]]:
        """What was refused or lost so far, by destination and reason."""
        return self.relay.ledger.losses()

    def pipeline(self) -> Mapping[str, object]:
        """For the API: the ledger, the queues, and the limits of what is received."""
        limits = self.reception.limits if self.reception else None
        shown = {"max_body_bytes": limits.max_body, "receiving_bytes": limits.memory} if limits else None
        return {**self.relay.pipeline(), "limits": shown}

    @property
    def red(self) -> "Red | None":
        """What the spans that pass say of the service; None where nothing is measured."""
        return self.reception.red if self.reception else None

    def exceptions(self) -> list["Group"]:
        """Those that spans told of, the newest first."""
        return self.red.groups() if self.red else []

    def new_exceptions(self, moment: float) -> list["Group"]:
        """Those of types not seen before a moment in Unix time."""
        return self.red.new_since(moment) if self.red else []

    # -- the end -------------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close senders, and keep or give up what is left. The tasks have ended; the database is still open."""
        await self.relay.aclose()
        if self._sentry:
            await self._sentry.aclose()
        if self._journal:
            await self._journal.aclose()


def _nobody(seen: Observation) -> None:
    """Who listens where attempts are not traced."""


def signals_of(traces: Traces | None) -> tuple[Signal, ...]:
    """What is carried."""
    return (Signal.TRACES, *map(Signal, traces.pass_through)) if traces else (Signal.TRACES,)


def _wanted(plan: Plan) -> Mapping[str, _Wanted]:
    forward = plan.file.traces.forward if plan.file.traces else {}
    return {name: (part, forward[name].drop_on_auth_error) for name, part in plan.senders.items()}


def _limits(traces: Traces | None) -> Limits:
    if traces is None:
        return Limits()
    queue = traces.queue
    return Limits(int(queue.memory), int(queue.disk), float(queue.max_age), queue.on_full)
