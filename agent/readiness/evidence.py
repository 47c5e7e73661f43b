"""Is it me or is it everyone: the ratio rule over what the peers tell of one shared dependency. Pure.

Peers' states would mislead, for replicas notice at different moments; so would passes alone, for in a brown-out
everyone both passes and fails. docs/readiness.md has the simulation behind the numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.readiness.fleet import PeerView

#: Attempts of peers count for so long, in seconds; and at least for three intervals of the probe.
RECENT_SECONDS = 60.0
RECENT_INTERVALS = 3
#: Of the peers' attempts that count, at most one in so many failed.
FAILED_AT_MOST = 10
#: Whether the others tried since is asked of the newest views: an older one could not know yet.
NEWEST = 12


@dataclass(frozen=True, slots=True)
class Tally:
    """What the fresh views say of one dependency since our own first failure.

    `views`: how many there are, the newest alone; `asked`: how many of them tried since; `reached`: how many of those
    passed at least once. `attempts` and `failed` are over all that are fresh, the more, the surer; `suffering`: of how
    many of them at least one failed.
    """

    views: int = 0
    asked: int = 0
    reached: int = 0
    attempts: int = 0
    failed: int = 0
    suffering: int = 0

    @property
    def blames_us(self) -> bool:
        """Whether it works for the others: half of them tried since, and nearly all of that passed."""
        return self.views > 0 and 2 * self.asked >= self.views and not self._many_failed

    @property
    def fails_elsewhere(self) -> bool:
        """Whether it fails for the others too: not for one alone, which may be cut off."""
        return self.suffering > 1 and self._many_failed

    @property
    def _many_failed(self) -> bool:
        return FAILED_AT_MOST * self.failed > self.attempts


def tally(views: Iterable[PeerView], probe: str, since: float, recent: float) -> Tally:
    """Count the attempts that started after `since` and after `recent` (monotonic seconds)."""
    found: list[Sequence[bool]] = [
        [each.passed for each in view.attempts.get(probe, ()) if each.started > since and each.started > recent]
        for view in sorted(views, key=lambda view: view.heard)
    ]
    newest = found[-NEWEST:]
    attempts, passed = sum(map(len, found)), sum(map(sum, found))
    suffering = sum(not all(passes) for passes in found)
    return Tally(len(newest), sum(map(bool, newest)), sum(map(any, newest)), attempts, attempts - passed, suffering)


@dataclass(slots=True)
class Doubt:
    """One shared probe that is down here. `weigh` is called whenever something new was seen or heard."""

    evidence_since: float | None = None  # since when it speaks against us, without a break
    tally: Tally = Tally()

    def weigh(self, said: Tally, now: float) -> bool:
        """Take the newest count in; True when it just turned against us: one more attempt of our own is due at once."""
        self.tally = said
        if not said.blames_us:
            self.evidence_since = None
            return False
        if self.evidence_since is not None:
            return False
        self.evidence_since = now
        return True

    def convinced(self, last_failure: float | None) -> bool:
        """Whether we failed again in an attempt that started after the evidence was in hand."""
        return self.evidence_since is not None and last_failure is not None and last_failure > self.evidence_since
