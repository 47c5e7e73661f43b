"""Where the time of one attempt goes."""

from collections.abc import Callable


class Stopwatch:
    """Seconds of each phase of one attempt. Entering a phase ends the one before; `phase` is where it is, or died."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: float | None = None
        self.phase = ""
        self.seconds: dict[str, float] = {}

    def enter(self, phase: str) -> None:
        """This phase begins now; entered again, it adds up."""
        self.stop()
        self.phase, self._since = phase, self._clock()

    def stop(self) -> float:
        """No phase runs from now on; the seconds of the one that did, 0 when there was none."""
        if self._since is None:
            return 0.0
        spent = self.seconds.get(self.phase, 0.0) + self._clock() - self._since
        self.seconds[self.phase] = spent
        self._since = None
        return spent
