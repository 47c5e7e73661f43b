"""What still has to be said to one receiver. Bounded, and never more than one thing per alert."""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from exporters.base import Alert

CAPACITY = 1000  #: alerts per receiver


class Box(Protocol):
    """What a receiver has yet to hear. `take` gives it, `said` and `later` report back."""

    @property
    def waiting(self) -> int:
        """How many alerts were accepted and not said yet."""

    def put(self, alert: Alert) -> bool:
        """Accept one; False when an older one had to be dropped for it."""

    def take(self) -> Sequence[Alert]:
        """What to say next; empty when there is nothing."""

    def said(self, alerts: Sequence[Alert]) -> None:
        """These were taken, or refused for good."""

    def later(self, alerts: Sequence[Alert]) -> None:
        """These were not taken this time."""


class Queue:
    """For receivers that want each change once. The newest word on an alert replaces what was not said yet.

    So an alert that ended before it could be announced is said once: resolved, with when it began and ended.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._alerts: dict[str, Alert] = {}

    @property
    def waiting(self) -> int:
        """How many alerts were accepted and not said yet."""
        return len(self._alerts)

    def put(self, alert: Alert) -> bool:
        """Accept one; False when the oldest had to be dropped for it."""
        full = alert.key not in self._alerts and len(self._alerts) >= self._capacity
        if full:
            del self._alerts[next(iter(self._alerts))]
        self._alerts[alert.key] = alert
        return not full

    def take(self) -> Sequence[Alert]:
        """The oldest one."""
        return tuple(islice(self._alerts.values(), 1))

    def said(self, alerts: Sequence[Alert]) -> None:
        """Forget them, unless something newer has been put in their place meanwhile."""
        for alert in alerts:
            if self._alerts.get(alert.key) is alert:
                del self._alerts[alert.key]

    def later(self, alerts: Sequence[Alert]) -> None:
        """Let the others go first: one that is never taken must not hold them up."""
        for alert in alerts:
            current = self._alerts.pop(alert.key, None)
            if current is not None:
                self._alerts[alert.key] = current


class Leases:
    """For receivers that want everything that fires, again and again, and take silence as the end."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._firing: dict[str, Alert] = {}
        self._unsaid: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many alerts fire and were never said."""
        return len(self._unsaid)

    def put(self, alert: Alert) -> bool:
        """Begin or end one lease; False when the oldest had to be dropped for it."""
        if not alert.firing:
            self._end(alert.key)
            return True
        full = alert.key not in self._firing and len(self._firing) >= self._capacity
        if full:
            self._end(next(iter(self._firing)))
        self._firing[alert.key] = alert
        self._unsaid.add(alert.key)
        return not full

    def take(self) -> Sequence[Alert]:
        """Everything that fires."""
        return tuple(self._firing.values())

    def said(self, alerts: Sequence[Alert]) -> None:
        """They were said at least once; they stay."""
        for alert in alerts:
            if self._firing.get(alert.key) is alert:
                self._unsaid.discard(alert.key)

    def later(self, alerts: Sequence[Alert]) -> None:
        """Nothing to do: everything is said at every turn."""

    def _end(self, key: str) -> None:
        self._firing.pop(key, None)
        self._unsaid.discard(key)
