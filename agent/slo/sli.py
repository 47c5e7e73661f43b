"""What one attempt says for an objective: good, bad, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from agent.events import Observation, Outcome
from config.types import Bound


class Verdict(IntEnum):
    """The content of one slot, ordered from no evidence to the worst.

    HELD_BAD is a slot without an attempt of its own that continues a failure: it burns budget as the failure did, but
    it is not evidence of a further failure.
    """

    UNKNOWN = 0
    GOOD = 1
    HELD_BAD = 2
    BAD = 3


_AVAILABILITY = {
    Outcome.PASS: Verdict.GOOD,
    Outcome.WARN: Verdict.GOOD,
    Outcome.FAIL: Verdict.BAD,
    Outcome.INCONCLUSIVE: Verdict.UNKNOWN,
    Outcome.SKIPPED: Verdict.UNKNOWN,
}


def availability(outcome: Outcome) -> Verdict:
    """The verdict for "this probe passes": a warning is available, and a fault of the agent itself says nothing."""
    return _AVAILABILITY[outcome]


@dataclass(frozen=True, slots=True)
class Limit:
    """A reading that shall be no higher than this; of a reading with several items, none of them."""

    reading: str
    bound: Bound

    def __str__(self) -> str:
        return f"{self.reading} within {self.bound}"


def within(limit: Limit, seen: Observation) -> Verdict | None:
    """The verdict for "this reading is within its limit"; exactly on it is. None: the attempt did not measure it.

    What the target did not say is not within: neither a number that it should have and does not give, nor one that an
    attempt died before. What fails fast is not fast, so a failed attempt has no duration.
    """
    if _AVAILABILITY[seen.outcome] is Verdict.UNKNOWN:
        return Verdict.UNKNOWN
    values = _values(limit.reading, seen)
    if not values:
        return Verdict.BAD if seen.outcome is Outcome.FAIL else None
    good = all(value is not None and value <= limit.bound.value for value in values)
    return Verdict.GOOD if good else Verdict.BAD


def _values(reading: str, seen: Observation) -> Sequence[float | None]:
    found, failed = seen.measurement, seen.outcome is Outcome.FAIL
    if reading == "duration":
        return () if failed else (seen.seconds,)
    if reading.startswith("phase."):
        phase = reading.removeprefix("phase.")
        return () if failed or phase not in found.phases else (found.phases[phase],)
    return [each.value for each in found.readings if each.name == reading]
