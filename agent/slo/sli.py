"""What one attempt says for an objective: good, bad, or nothing."""

from enum import IntEnum

from agent.events import Outcome


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
