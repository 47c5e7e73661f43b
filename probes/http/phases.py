"""Where the time of one attempt goes."""

import time
from collections.abc import Callable


class Phases:
    """A stopwatch with one hand: entering a phase ends the one before, so the parts never exceed the whole.

    Entering a phase again (the next hop of a redirect) adds to it. `current` is where a failure happened. The clock
    is not the loop's: uvloop's stands still while a callback runs, and moves by whole milliseconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = 0.0
        self.current = ""
        self.seconds: dict[str, float] = {}

    def enter(self, phase: str, at: float | None = None) -> None:
        """The phase before ended and this one began, now or at the moment `at` of the same clock."""
        now = self._clock() if at is None else at
        self._charge(now)
        self.current = phase
        self.seconds.setdefault(phase, 0.0)

    def stop(self) -> dict[str, float]:
        """Seconds of every phase, the current one up to now."""
        self._charge(self._clock())
        return self.seconds

    def _charge(self, now: float) -> None:
        if self.current:
            self.seconds[self.current] += max(0.0, now - self._since)
        self._since = now
