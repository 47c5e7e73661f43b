"""The way back: replicas that one dependency took out do not all return in the same second. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class ReadyDelay:
    """Holds a replica that recovered for a random share of `most` seconds. The start of the agent is no recovery."""

    most: float = 0.0
    _out: bool = False
    _until: float = 0.0

    def settle(self, now: float, *, out: bool, hurry: bool, chance: float) -> None:
        """Say how it stands. `out`: a dependency takes it out. `hurry`: do not wait: the others are no better off."""
        if out:
            self._until = 0.0
        elif self._out:
            self._until = 0.0 if hurry else now + self.most * chance
        elif hurry:
            self._until = 0.0
        self._out = out

    def left(self, now: float) -> float:
        """Seconds until it may be ready again; 0 while nothing holds it."""
        return 0.0 if self._out else max(0.0, self._until - now)
