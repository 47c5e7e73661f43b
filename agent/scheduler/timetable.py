"""When a probe is asked next, and whether over a new connection. Pure: time and chance are arguments."""

from dataclasses import dataclass

from agent.health.state import State

JITTER = 0.1  #: each wait is spread by +-10 %, so that replicas started together drift apart
SLOW_AFTER = 300.0  #: seconds down after which the slow interval is used
FRESH_ATTEMPTS = 6  #: at least so many attempts between two new connections of a steady probe


@dataclass(frozen=True, slots=True)
class Pace:
    """The file's intervals of one probe, in seconds."""

    interval: float = 10.0
    fast: float = 2.0
    slow: float = 30.0
    fresh_every: float = 60.0


def first_delay(pace: Pace, chance: float, *, shared: bool) -> float:
    """Uniform in [0, interval): 500 sidecars started by one deploy must not ask the database in the same instant.

    What nobody shares is asked within the fast interval: until then an agent that was restarted says "starting", and
    its replica gets no traffic.
    """
    return (pace.interval if shared else pace.fast) * chance


def next_wait(
    pace: Pace, state: State, *, changing: bool, down_for: float, chance: float, stretch: float = 0.0
) -> float:
    """Seconds from the start of one attempt to the start of the next. `chance` is uniform in [0, 1).

    `stretch`: at least so many seconds, in whatever state: so many replicas ask the same target.
    """
    if changing:
        base = pace.fast
    elif state is State.DOWN and down_for > SLOW_AFTER:
        base = pace.slow
    else:
        base = pace.interval
    return max(base, stretch) * (1 - JITTER + 2 * JITTER * chance)


@dataclass(slots=True)
class FreshTurns:
    """Whose turn it is: the steady connection, or a new one that proves that one can still be made."""

    every: float
    _since: int = 0  # attempts since the last fresh one, itself included
    _last: float | None = None

    def take(self, now: float, *, doubt: bool) -> bool:
        """Whether the attempt that starts at `now` is fresh. `doubt`: the last new connection failed: take turns."""
        if self._last is None:
            self._last = now
        due = self._since >= FRESH_ATTEMPTS and now - self._last >= self.every
        if due or (doubt and self._since > 1):
            self._since, self._last = 1, now
            return True
        self._since += 1
        return False
