"""The life of one alert, with Prometheus' exact meaning of `for` and `keep_firing_for`."""

from dataclasses import dataclass
from enum import IntEnum


class AlertState(IntEnum):
    """Where an alert stands; the numbers are the values of `outrider_alert_state`.

    SUPPRESSED fires, but something that it depends on is down and calls for itself. STALE still fires, but nothing has
    been known for so long that nobody should trust it either way.
    """

    INACTIVE = 0
    PENDING = 1
    FIRING = 2
    SUPPRESSED = 3
    STALE = 4


@dataclass(slots=True)
class Lifecycle:
    """One alert. All times are seconds of one clock that never goes back."""

    for_seconds: float = 0.0
    keep_firing_seconds: float = 0.0
    stale_after: float = 600.0  #: seconds without any knowledge after which a firing alert is called stale
    state: AlertState = AlertState.INACTIVE
    active_at: float | None = None  #: when the condition became true, in this episode
    false_since: float | None = None  #: first false, while it is kept firing
    known_at: float | None = None  #: when somebody could tell, the last time

    @property
    def firing(self) -> bool:
        """Whether somebody has been, or is being, called."""
        return self.state is AlertState.FIRING or self.state is AlertState.STALE

    def step(self, condition: bool | None, now: float) -> bool | None:
        """One evaluation. True: it starts to fire; False: it is resolved; None: no change that anyone is told.

        `condition` None means that nobody can tell: everything holds, the timers too.
        """
        if condition is None:
            if self.firing and (self.known_at is None or now - self.known_at >= self.stale_after):
                self.state = AlertState.STALE
            return None
        self.known_at = now
        return self._step_true(now) if condition else self._step_false(now)

    def _step_true(self, now: float) -> bool | None:
        self.false_since = None
        if self.firing:
            self.state = AlertState.FIRING
            return None
        if self.active_at is None:
            self.active_at = now
        fires = now - self.active_at >= self.for_seconds
        self.state = AlertState.FIRING if fires else AlertState.PENDING
        return True if fires else None

    def _step_false(self, now: float) -> bool | None:
        if self.firing:
            self.state = AlertState.FIRING
            if self.false_since is None:
                self.false_since = now
            if now - self.false_since < self.keep_firing_seconds:
                return None
        was_firing = self.firing
        self.state, self.active_at, self.false_since = AlertState.INACTIVE, None, None
        return False if was_firing else None
