"""Observations made by hand, for the pure rooms."""

from agent.events import Observation, Outcome
from probes.base import Measurement
from probes.reason import Reason

WORDS = {"F": Outcome.FAIL, "S": Outcome.PASS, "W": Outcome.WARN, "I": Outcome.INCONCLUSIVE, "-": Outcome.SKIPPED}
REASONS = {
    Outcome.FAIL: Reason.CONNECT_REFUSED,
    Outcome.WARN: Reason.THRESHOLD,
    Outcome.INCONCLUSIVE: Reason.INCONCLUSIVE,
}


def attempt(letter="S", at=0.0, *, probe="db", path="fresh", reason=None, seconds=0.1, measurement=None, detail=""):
    """One attempt: F fail, S success, W warn, I inconclusive, - skipped."""
    outcome = WORDS[letter]
    return Observation(
        probe, "postgres", 1, at, at + seconds, 1.7e9 + at, outcome, reason or REASONS.get(outcome, Reason.OK), path,
        "connect" if letter == "F" else "", detail, measurement or Measurement(),
    )  # fmt: skip
