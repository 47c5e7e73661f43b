"""The state machine of one probe: unknown -> up | degraded | down, with hysteresis. Pure.

The rules are those at the end of the project's probe research: consecutive (or N of M) failures set down, consecutive
passes set up; a warning counts as a pass on the way up and as degraded after three in a row; inconclusive and skipped
attempts move nothing; some failures need no second opinion.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from agent.events import Observation, Outcome
from probes.reason import Reason

WARN_THRESHOLD = 3  #: warnings in a row before up becomes degraded
IMMEDIATE = frozenset({Reason.CONFIG, Reason.OVERDUE, Reason.REPORTED})  #: failures that a second look cannot change


class State(StrEnum):
    """What we believe about the target."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Rules:
    """The file's numbers for one probe. `failures_of` (n, m): also down when n of the last m attempts failed."""

    failure_threshold: int = 3
    success_threshold: int = 2
    failures_of: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of belief: what the log, the page and the alert tell."""

    probe: str
    before: State
    after: State
    observation: Observation


@dataclass(slots=True)
class Machine:
    """The belief about one probe. `observe` is the only thing that moves it.

    `steady`: the probe keeps a connection, and now and then proves that a new one can be made too.
    """

    probe: str
    rules: Rules = field(default_factory=Rules)
    steady: bool = False
    state: State = State.UNKNOWN
    since: float = 0.0  #: monotonic time of the last change
    failures: int = 0  #: in a row
    successes: int = 0  #: in a row; a warning counts
    clean: int = 0  #: in a row, warnings not counted
    warnings: int = 0  #: in a row
    ever_passed: bool = False
    first_failure: float | None = None  #: when the first failed attempt of this episode started
    last_failure: float | None = None  #: when the newest failed attempt of all started
    last: Observation | None = None  #: the last attempt that moved something
    inconclusive: int = 0  #: in a row
    fresh_fault: Observation | None = None  #: a new connection failed although the steady one works
    _steady_works: bool = False
    _recent: deque[bool] = field(default_factory=deque)

    def observe(self, seen: Observation) -> Edge | None:
        """Take one attempt in; returns the change it made, if any."""
        if seen.outcome is Outcome.INCONCLUSIVE:
            self.inconclusive += 1
        if seen.outcome in {Outcome.INCONCLUSIVE, Outcome.SKIPPED}:
            return None
        self.inconclusive = 0
        for attempt, outcome in self._with_paths_compared(seen):
            self._count(outcome, attempt)
        self.last = seen
        after = self._believe(seen)
        if after is self.state:
            return None
        edge = Edge(self.probe, self.state, after, seen)
        if self.state is State.DOWN:
            self._recent.clear()
        self.state, self.since = after, seen.ended
        return edge

    def _with_paths_compared(self, seen: Observation) -> list[tuple[Observation, Outcome]]:
        """A new connection fails while the steady one works: that is a warning, and stays one until a new one works.

        When the steady connection fails next, the target was down all along: both attempts count.
        """
        if not self.steady:
            return [(seen, seen.outcome)]
        failed = seen.outcome is Outcome.FAIL
        if seen.path == "fresh":
            self.fresh_fault = seen if failed and self._steady_works else None
            return [(seen, Outcome.WARN if self.fresh_fault else seen.outcome)]
        self._steady_works = not failed
        if failed:
            held, self.fresh_fault = self.fresh_fault, None
            doubted = [(held, Outcome.FAIL)] if held is not None and held is self.last else []
            return [*doubted, (seen, Outcome.FAIL)]
        return [(seen, Outcome.WARN if self.fresh_fault else seen.outcome)]

    def _count(self, outcome: Outcome, seen: Observation) -> None:
        failed = outcome is Outcome.FAIL
        if failed:
            if self.failures == 0 and self.state is not State.DOWN:
                self.first_failure = seen.started
            self.last_failure = seen.started
            self.failures, self.successes, self.clean, self.warnings = self.failures + 1, 0, 0, 0
        else:
            self.ever_passed = True
            self.failures, self.successes = 0, self.successes + 1
            warned = outcome is Outcome.WARN
            self.warnings = self.warnings + 1 if warned else 0
            self.clean = 0 if warned else self.clean + 1
        if self.rules.failures_of:
            self._recent.append(failed)
            while len(self._recent) > self.rules.failures_of[1]:
                self._recent.popleft()

    def _believe(self, seen: Observation) -> State:
        if self._is_down(seen):
            return State.DOWN
        if self.failures:
            return self.state
        if self.state is State.DOWN and self.successes < self.rules.success_threshold:
            return State.DOWN
        self.first_failure = None
        if self.warnings >= WARN_THRESHOLD:
            return State.DEGRADED
        if self.state is State.DEGRADED and self.clean < self.rules.success_threshold:
            return State.DEGRADED
        return State.UP

    def _is_down(self, seen: Observation) -> bool:
        if not self.failures:
            return False
        if seen.reason in IMMEDIATE or self.failures >= self.rules.failure_threshold:
            return True
        wanted = self.rules.failures_of
        return wanted is not None and sum(self._recent) >= wanted[0]

    def inherit(self, before: "Machine") -> None:
        """Go on with another machine's belief, and count from 0."""
        self.state, self.since, self.last = before.state, before.since, before.last
        self.ever_passed = before.ever_passed
        self.first_failure, self.last_failure = before.first_failure, before.last_failure

    def changing(self) -> bool:
        """Whether belief may be about to change: then the probe is asked at its fast interval."""
        if self.state is State.DOWN:
            return self.successes > 0
        if self.state is State.DEGRADED:
            return self.failures > 0 or self.clean > 0
        return self.state is State.UNKNOWN or self.failures > 0 or self.warnings > 0
