"""Dead letters: what a receiver will never hear, kept for a person to look at. Bounded, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporters.base import Alert

KEPT = 100  #: of all receivers together


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One word on one alert. `outcome`: refused, expired or dropped; `at`: Unix seconds when it was given up."""

    receiver: str
    alert: Alert
    outcome: str
    why: str
    attempts: int
    at: float


class DeadLetters:
    """The last hundred. A lease that is refused at every turn is one, and leaves when it is taken after all."""

    def __init__(self) -> None:
        self._letters: dict[tuple[str, str, float, bool], DeadLetter] = {}

    def add(self, letter: DeadLetter) -> None:
        """Keep one; the oldest makes room."""
        alert = letter.alert
        id_ = letter.receiver, alert.key, alert.started_at, alert.firing
        before = self._letters.pop(id_, None)
        self._letters[id_] = replace(letter, attempts=letter.attempts + before.attempts) if before else letter
        if len(self._letters) > KEPT:
            del self._letters[next(iter(self._letters))]

    def taken(self, receiver: str, alerts: Sequence[Alert]) -> None:
        """The receiver has heard these."""
        for alert in alerts:
            self._letters.pop((receiver, alert.key, alert.started_at, alert.firing), None)

    def newest_first(self) -> Sequence[DeadLetter]:
        """All of them."""
        return tuple(reversed(self._letters.values()))
