"""What still has to be said to one receiver. Bounded, and never more than one thing per alert."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Protocol

from exporters.base import Alert

CAPACITY = 1000  #: alerts per receiver


class Kind(StrEnum):
    """What an entry is to its receiver."""

    QUEUE = "queue"  #: to be said once
    LEASE = "lease"  #: to be repeated
    BROKEN = "broken"  #: not to it, but about it: that it refuses what it is sent


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert that a receiver has yet to hear of, or that a lease repeats.

    `since`: Unix seconds at which the first word of it was accepted that has not been said. `heard`: the receiver was
    told that it fires, and not yet that it ended. `said`: of a lease: it was taken at least once.
    """

    alert: Alert
    since: float
    heard: bool = False
    said: bool = False


class Box(Protocol):
    """What a receiver has yet to hear. `take` gives it, `said` and `later` report back. Times are Unix seconds."""

    @property
    def waiting(self) -> int:
        """How many alerts were accepted and not said yet."""

    @property
    def oldest(self) -> float | None:
        """Since when the one waits that has waited longest; None when none does."""

    def holds(self, key: str) -> bool:
        """Whether something about this alert waits, or is said again and again."""

    def put(self, alert: Alert, now: float = 0.0) -> Alert | None:
        """Accept one; returns the older one that had to be dropped for it, if one had to."""

    def take(self) -> Sequence[Alert]:
        """What to say next; empty when there is nothing."""

    def said(self, alerts: Sequence[Alert]) -> None:
        """These were taken, or refused for good."""

    def later(self, alerts: Sequence[Alert]) -> None:
        """These were not taken this time."""

    def expire(self, before: float) -> Sequence[Entry]:
        """Drop what ended before that time and was never announced; returns it."""

    def restore(self, entries: Iterable[Entry]) -> None:
        """Go on with what an earlier process kept; the box is empty until now."""

    def changes(self) -> Mapping[str, Entry | None]:
        """What is otherwise than at the last call, by key; None where there is nothing left."""


class _Entries:
    """Entries by key in their order, and which of them changed."""

    def __init__(self, capacity: int) -> None:
        self.by_key: dict[str, Entry] = {}
        self._capacity = capacity
        self._changed: set[str] = set()

    def set(self, entry: Entry) -> Alert | None:
        """Put it in its place, or at the end; returns the oldest where that had to go."""
        key, oldest = entry.alert.key, None
        if key not in self.by_key and len(self.by_key) >= self._capacity:
            oldest = next(iter(self.by_key.values())).alert
            self.pop(oldest.key)
        self.by_key[key] = entry
        self._changed.add(key)
        return oldest

    def pop(self, key: str) -> None:
        """Forget one."""
        if self.by_key.pop(key, None) is not None:
            self._changed.add(key)

    def holds(self, key: str) -> bool:
        """Whether there is one of this key."""
        return key in self.by_key

    def alone(self, alert: Alert) -> Entry | None:
        """The entry of exactly this word; None when a newer one has taken its place, or it left."""
        entry = self.by_key.get(alert.key)
        return entry if entry is not None and entry.alert is alert else None

    def restore(self, entries: Iterable[Entry]) -> None:
        """In the order of their time."""
        self.by_key.update((entry.alert.key, entry) for entry in sorted(entries, key=lambda entry: entry.since))

    def changes(self) -> dict[str, Entry | None]:
        """And begin to note anew."""
        changed, self._changed = self._changed, set()
        return {key: self.by_key.get(key) for key in changed}


class Queue:
    """For receivers that want each change once. The newest word on an alert replaces what was not said yet.

    So an alert that ended before it could be announced is said once: resolved, with when it began and ended.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries = _Entries(capacity)
        self.holds, self.restore = self._entries.holds, self._entries.restore
        self.changes = self._entries.changes

    @property
    def waiting(self) -> int:
        """How many alerts were accepted and not said yet."""
        return len(self._entries.by_key)

    @property
    def oldest(self) -> float | None:
        """Since when the one waits that has waited longest; None when none does."""
        return min((entry.since for entry in self._entries.by_key.values()), default=None)

    def put(self, alert: Alert, now: float = 0.0) -> Alert | None:
        """Accept one; returns the oldest where that had to be dropped for it."""
        waits = self._entries.by_key.get(alert.key)
        # An end with nothing waiting is the end of what was announced.
        entry = replace(waits, alert=alert) if waits else Entry(alert, now, heard=not alert.firing)
        return self._entries.set(entry)

    def take(self) -> Sequence[Alert]:
        """The oldest one."""
        return tuple(entry.alert for entry in islice(self._entries.by_key.values(), 1))

    def said(self, alerts: Sequence[Alert]) -> None:
        """Forget them; what has been put in their place meanwhile stays, and knows what the receiver has heard."""
        for alert in alerts:
            if self._entries.alone(alert):
                self._entries.pop(alert.key)
            elif newer := self._entries.by_key.get(alert.key):
                self._entries.set(replace(newer, heard=alert.firing))

    def later(self, alerts: Sequence[Alert]) -> None:
        """Let the others go first: one that is never taken must not hold them up."""
        for alert in alerts:
            current = self._entries.by_key.pop(alert.key, None)
            if current is not None:
                self._entries.by_key[alert.key] = current

    def expire(self, before: float) -> Sequence[Entry]:
        """What fires is still true, and what was announced must end: only what is over and was never heard of goes."""
        old = [
            entry
            for entry in self._entries.by_key.values()
            if not entry.heard and entry.alert.resolved_at is not None and entry.alert.resolved_at < before
        ]
        for entry in old:
            self._entries.pop(entry.alert.key)
        return old


class Leases:
    """For receivers that want everything that fires, again and again, and take silence as the end."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries = _Entries(capacity)
        self.holds, self.restore = self._entries.holds, self._entries.restore
        self.changes = self._entries.changes

    @property
    def waiting(self) -> int:
        """How many alerts fire and were never said."""
        return sum(not entry.said for entry in self._entries.by_key.values())

    @property
    def oldest(self) -> float | None:
        """Since when the one fires unsaid that has waited longest; None when all were said."""
        return min((entry.since for entry in self._entries.by_key.values() if not entry.said), default=None)

    def put(self, alert: Alert, now: float = 0.0) -> Alert | None:
        """Begin or end one lease; returns the oldest where that had to be dropped for it."""
        if not alert.firing:
            self._entries.pop(alert.key)
            return None
        return self._entries.set(Entry(alert, now))

    def take(self) -> Sequence[Alert]:
        """Everything that fires."""
        return tuple(entry.alert for entry in self._entries.by_key.values())

    def said(self, alerts: Sequence[Alert]) -> None:
        """They were said at least once; they stay."""
        for alert in alerts:
            entry = self._entries.alone(alert)
            if entry and not entry.said:
                self._entries.set(replace(entry, said=True))

    def later(self, alerts: Sequence[Alert]) -> None:
        """Nothing to do: everything is said at every turn."""

    def expire(self, before: float) -> Sequence[Entry]:
        """What ended is not there any more."""
        del before
        return ()
