"""The drain clock: it starts once, from the first of a drain request and SIGTERM, and never starts again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lifecycle:
    """Where the process stands: starting, running, draining. `drain_seconds` is how long it serves unready."""

    drain_seconds: float
    clock: Callable[[], float] = time.monotonic
    started_at: float = field(default=0.0)
    configured: bool = False  #: the first configuration is in force: `/startupz`
    _draining_since: float | None = None

    def __post_init__(self) -> None:
        self.started_at = self.clock()

    @property
    def draining(self) -> bool:
        """True from the first request to stop, for ever."""
        return self._draining_since is not None

    def drain(self) -> bool:
        """Start the clock; False when it runs already: a second request changes nothing."""
        if self.draining:
            return False
        self._draining_since = self.clock()
        return True

    def drain_left(self) -> float:
        """Seconds until the process may stop; the whole drain while nobody has asked."""
        if self._draining_since is None:
            return self.drain_seconds
        return max(0.0, self._draining_since + self.drain_seconds - self.clock())

    def uptime(self) -> float:
        """Seconds since the process came up."""
        return self.clock() - self.started_at
