"""A clock that never goes back, made of one that may."""

from dataclasses import dataclass

FREEZE_SECONDS = 300.0  #: a step back up to this is waited out; a longer one would blind the alerts meanwhile


@dataclass(slots=True)
class Timeline:
    """Turns wall-clock seconds into seconds that only grow.

    A small step back freezes time until the clock has caught up. After a larger one (a machine that booted with the
    wrong date) time goes on from where it stood, until the clock is put right again. A jump forward is taken as it is:
    nobody knows what happened in it.
    """

    now: float = float("-inf")
    shift: float = 0.0  #: what is added to the wall clock

    def advance(self, wall: float) -> float:
        """The time of `wall`, never less than any time before."""
        if self.shift and wall >= self.now:
            self.shift = 0.0
        time = wall + self.shift
        if time < self.now - FREEZE_SECONDS:
            self.shift = self.now - wall
            return self.now
        self.now = max(self.now, time)
        return self.now
