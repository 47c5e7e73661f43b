"""The one stream of events: what an attempt was found to be, handed to plain listener functions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from probes.base import Measurement
from probes.reason import Reason


class Outcome(StrEnum):
    """How one attempt ended. Only pass, warn and fail move a probe's state."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Observation:
    """One attempt of one probe, judged.

    `started` and `ended` are monotonic seconds, `at` is the wall clock at the end. `path` is fresh or pooled; `phase`
    is where a failure died, "" otherwise. `detail` may be shown only to people with the right to see it. `traceparent`
    has the ids of its trace, "" where there is none.
    """

    probe: str
    type: str
    number: int
    started: float
    ended: float
    at: float
    outcome: Outcome
    reason: Reason = Reason.OK
    path: str = "fresh"
    phase: str = ""
    detail: str = ""
    measurement: Measurement = field(default_factory=Measurement)
    traceparent: str = ""

    @property
    def seconds(self) -> float:
        """How long it took; never negative."""
        return max(0.0, self.ended - self.started)


Listener = Callable[[Observation], None]
