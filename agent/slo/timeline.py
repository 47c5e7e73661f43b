"""A clock that never goes back, made of one that may."""

from dataclasses import dataclass

FREEZE_SECONDS = 300.0  #: a step back up to this is waited out; a longer one would blind the alerts meanwhile


@dataclass(slots=True)
class Timeline:
    """Turns wall-clock seconds into seconds that only grow.

    A small step back freezes time until the clock has caught up. After a larger one (a machine that booted with the
    wrong date) time goes on from where it stood. A jump forward is taken as it is: nobody knows what happened in it.
    """

    _now: float = float("-inf")
    _shift: float = 0.0

    def advance(self, wall: float) -> float:
        """The time of `wall`, never less than any time before."""
        time = wall + self._shift
        if time < self._now - FREEZE_SECONDS:
            self._shift = self._now - wall
            return self._now
        self._now = max(self._now, time)
        return self._now
