"""What is believed of every probe, and the frozen picture of it that everyone else reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent.events import Observation, Outcome
from agent.health.flapping import Flapping
from agent.health.judge import Bound
from agent.health.state import Edge, Machine, Rules, State
from probes.base import Reading


@dataclass(frozen=True, slots=True)
class Member:
    """What the file says of one probe, as far as verdicts are concerned."""

    name: str
    type: str
    target: str = ""
    when_down: str = "unready"  # unready | degraded | ignore
    shared: bool = False
    depends_on: tuple[str, ...] = ()
    steady: bool = False
    interval: float = 10.0  # seconds, like the next two
    slow_interval: float = 30.0  # while down for long
    timeout: float = 3.0
    rules: Rules = field(default_factory=Rules)
    bounds: tuple[Bound, ...] = ()
    description: str = ""
    runbook_url: str = ""

    def stale_after(self, state: State, stretch: float = 0.0) -> float:
        """Seconds after which the last attempt says nothing any more: three intervals, as they are in that state.

        `stretch`: seconds that the scheduler waits at least, since so many replicas ask the same.
        """
        return 3 * max(stretch, self.slow_interval if state is State.DOWN else self.interval) + self.timeout


@dataclass(frozen=True, slots=True)
class View:
    """One probe at one moment, for verdicts, page, API and metrics."""

    member: Member
    state: State
    since: float  # monotonic time of the last change of state
    last: Observation | None
    ever_passed: bool = False
    stale: bool = False
    flapping: bool = False
    maintenance: str = ""  # which window it is in: then it has no say
    blind: bool = False  # so many inconclusive attempts in a row that the agent itself is the sick one
    failures: int = 0
    first_failure: float | None = None
    last_failure: float | None = None  # monotonic, like the one before: when that attempt started
    last_success_at: float | None = None  # wall clock
    readings: tuple[Reading, ...] = ()  # the newest known; none after a failure that read nothing
    facts: Mapping[str, str] = field(default_factory=dict)
    stretch: float = 0.0  # seconds between two attempts at least, since so many replicas ask the same

    @property
    def stale_after(self) -> float:
        """Seconds after which the last attempt says nothing any more."""
        return self.member.stale_after(self.state, self.stretch)

    @property
    def overlays(self) -> tuple[str, ...]:
        """What lies over the state: stale, flapping, maintenance."""
        over = (("stale", self.stale), ("flapping", self.flapping), ("maintenance", bool(self.maintenance)))
        return tuple(name for name, on in over if on)


BLIND_AFTER = 5  #: inconclusive attempts in a row


@dataclass(slots=True)
class _Entry:
    member: Member
    machine: Machine
    flapping: Flapping = field(default_factory=Flapping)
    last_ended: float = 0.0
    last_success_at: float | None = None
    readings: tuple[Reading, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    stretch: float = 0.0


class Board:
    """Holds one machine per probe. `record` is the only writer; `view` is what everyone reads."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def enter(self, member: Member, now: float) -> None:
        """A probe starts. One that starts anew with other options is believed in as before until its attempts differ.

        Otherwise a reload that every replica gets would make every replica unready.
        """
        before = self._entries.get(member.name)
        machine = Machine(member.name, member.rules, member.steady, since=now)
        self._entries[member.name] = entry = _Entry(member, machine, last_ended=now)
        if before is not None and before.member.type == member.type:
            machine.inherit(before.machine)
            entry.last_success_at, entry.readings, entry.facts = before.last_success_at, before.readings, before.facts

    def amend(self, member: Member) -> None:
        """The file says something else of a probe that goes on: what its verdict does, or its texts."""
        self._entries[member.name].member = member

    def stretch(self, name: str, seconds: float) -> None:
        """So long this probe waits at least until its next attempt."""
        if (entry := self._entries.get(name)) is not None:
            entry.stretch = seconds

    def leave(self, name: str) -> None:
        """A probe is gone from the file."""
        self._entries.pop(name, None)

    def record(self, seen: Observation) -> Edge | None:
        """Take one attempt in; returns the change of state, if any. Attempts of probes that left are ignored."""
        entry = self._entries.get(seen.probe)
        if entry is None:
            return None
        if seen.outcome not in {Outcome.INCONCLUSIVE, Outcome.SKIPPED}:
            entry.last_ended = seen.ended
            entry.flapping.observe(seen.outcome is not Outcome.FAIL)
        if seen.outcome in {Outcome.PASS, Outcome.WARN}:
            entry.last_success_at = seen.at
        # A check of a new connection alone reads nothing: the numbers before it still hold. A failure ends them.
        if seen.measurement.readings or seen.outcome is Outcome.FAIL:
            entry.readings = seen.measurement.readings
        # Facts as well; but what is known of a server outlives a failure to reach it.
        if seen.measurement.facts or (seen.measurement.readings and seen.outcome is not Outcome.FAIL):
            entry.facts = seen.measurement.facts
        return entry.machine.observe(seen)

    def member(self, name: str) -> Member | None:
        """What the file says of one probe; None when it is not there."""
        entry = self._entries.get(name)
        return entry.member if entry else None

    def members(self) -> list[Member]:
        """Everything the file says of the probes that run."""
        return [entry.member for entry in self._entries.values()]

    def machine(self, name: str) -> Machine:
        """The machine of one probe, for the scheduler's intervals."""
        return self._entries[name].machine

    def view(self, now: float, maintained: Callable[[str], str] = lambda _: "") -> Mapping[str, View]:
        """Every probe as it is believed to be at `now` (monotonic). `maintained`: which window a probe is in."""
        return {name: _view(entry, now, maintained(name)) for name, entry in self._entries.items()}


def _view(entry: _Entry, now: float, maintenance: str) -> View:
    machine = entry.machine
    # Inconclusive attempts hold the verdict: the probe runs, only the agent cannot tell.
    running = machine.inconclusive > 0
    return View(
        entry.member,
        machine.state,
        machine.since,
        machine.last,
        ever_passed=machine.ever_passed,
        stale=not running
        and machine.last is not None
        and now - entry.last_ended > entry.member.stale_after(machine.state, entry.stretch),
        flapping=entry.flapping.on,
        maintenance=maintenance,
        blind=machine.inconclusive >= BLIND_AFTER,
        failures=machine.failures,
        first_failure=machine.first_failure,
        last_failure=machine.last_failure,
        last_success_at=entry.last_success_at,
        readings=entry.readings,
        facts=entry.facts,
        stretch=entry.stretch,
    )
