"""One receiver and what it has yet to hear: attempt, wait, attempt again."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent.outbox.dead import DeadLetter, DeadLetters
from agent.outbox.missed import missed
from agent.outbox.store import Box, Entry, Kind, Leases, Queue
from config.net.retry import MAX_RETRY_AFTER, Backoff
from config.net.text import clean
from exporters.base import Alert, Notifier, Permanent, Retryable

if TYPE_CHECKING:
    from agent.outbox.letters import Letters

ATTEMPT_SECONDS = 60.0  #: after which a notifier that keeps no deadline of its own is cancelled

_log = logging.getLogger(__name__)


class Sent(StrEnum):
    """How an attempt ended; the label `outcome` of `outrider_notifications_total`.

    DROPPED: one too many waited. EXPIRED: it was over for so long that it is no news any more.
    """

    SENT = "sent"
    RETRIED = "retried"
    REFUSED = "refused"
    DROPPED = "dropped"
    EXPIRED = "expired"


class Channel:
    """Tells one receiver. `put` never blocks; `run` is a task that never ends by itself."""

    def __init__(
        self,
        name: str,
        notifier: Notifier[Any],
        *,
        letters: "Letters | None" = None,
        standing: Callable[[str, str], None] = lambda _name, _reason: None,
        dead: DeadLetters | None = None,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        """`letters` keeps what waits over a restart; `clock` is Unix time.

        `standing` is told the reason of each refusal for good, and "" whenever something was taken. `dead` keeps what
        is given up.
        """
        self.name = name
        self.notifier = notifier
        self.box: Box = Leases() if notifier.lease else Queue()
        self.counts: Counter[Sent] = Counter()
        self.kind = Kind.LEASE if notifier.lease else Kind.QUEUE
        self._letters, self._standing = letters, standing
        self._backoff = backoff or Backoff()
        self._chance, self._clock = chance, clock
        self._attempt_seconds = attempt_seconds
        self._dead = DeadLetters() if dead is None else dead
        self._tries: Counter[str] = Counter()  # by the key of what waits to be said once
        self._failures = 0  # in a row
        self._last = Sent.SENT
        self._news = asyncio.Event()
        self._nothing_waits = asyncio.Event()
        self._nothing_waits.set()

    def restore(self, entries: Sequence[Entry]) -> None:
        """Go on where an earlier process stood."""
        self.box.restore(entries)
        if entries:
            log = _log.info if self.box.waiting else _log.debug
            log("receiver %s: %d alerts waited for it before the restart", self.name, self.box.waiting)
        self._look()

    def adopt(self, before: "Channel") -> None:
        """Go on where the channel of the same name stood before a reload."""
        self.counts = before.counts
        if self.notifier.lease == before.notifier.lease:
            self.box, before.box = before.box, self.box
            self._look()

    def put(self, alert: Alert) -> None:
        """Accept one alert."""
        if oldest := self.box.put(alert, self._clock()):
            self.counts[Sent.DROPPED] += 1
            self._lost(oldest, Sent.DROPPED, f"{self.box.waiting} newer ones waited too")
            _log.warning("receiver %s: too many alerts wait; the oldest was dropped", self.name)
        self._look()

    async def run(self) -> None:
        """Say what there is to say, for ever."""
        while True:
            if self._letters:
                await self._letters.settled()
            self._news.clear()
            self._expire()
            alerts = self.box.take()
            if not alerts:
                await self._news.wait()
                continue
            wait = await self._attempt(alerts)
            self._look()
            if wait is not None:
                await asyncio.sleep(wait)
            elif self.notifier.lease:
                await self._until_next_turn()

    async def idle(self) -> None:
        """Return once nothing waits to be said for the first time."""
        await self._nothing_waits.wait()

    @property
    def oldest(self) -> float:
        """Seconds that the alert has waited that has waited longest; 0 when none does."""
        since = self.box.oldest
        return 0.0 if since is None else max(0.0, self._clock() - since)

    def _expire(self) -> None:
        age = self.notifier.max_age
        if age is None or not (old := self.box.expire(self._clock() - age)):
            return
        for entry in old:
            if self.notifier.send_missed:
                self.box.put(missed(entry.alert), entry.since)  # an end with nothing waiting: it does not expire again
                continue
            self.counts[Sent.EXPIRED] += 1
            self._lost(entry.alert, Sent.EXPIRED, f"it was over for more than {age:g} s before it could be said")
        self._look()

    def _lost(self, alert: Alert, outcome: Sent, why: str, attempts: int = 0) -> None:
        attempts += self._tries.pop(alert.key, 0)
        self._dead.add(DeadLetter(self.name, alert, outcome.value, clean(why), attempts, self._clock()))

    def _look(self) -> None:
        """Keep what changed, and tell those who wait for news, or for the end of it."""
        changes = self.box.changes()
        if self._letters and changes:
            self._letters.note(self.name, self.kind, changes)
        if self.box.waiting:
            self._nothing_waits.clear()
            self._news.set()
        else:
            self._nothing_waits.set()

    async def _until_next_turn(self) -> None:
        try:
            async with asyncio.timeout(self.notifier.resend):
                await self._news.wait()
        except TimeoutError:
            return

    async def _attempt(self, alerts: Sequence[Alert]) -> float | None:
        """Once. Returns how long to wait before anything else is tried; None when it is settled."""
        try:
            async with asyncio.timeout(self._attempt_seconds):
                await self.notifier.notify(alerts)
        except Permanent as error:
            if self._last is not Sent.REFUSED or not self.notifier.lease:  # a lease is said again and again
                _log.warning("receiver %s refused an alert for good: %s", self.name, clean(str(error)))
            for alert in alerts:
                self._lost(alert, Sent.REFUSED, str(error), attempts=1)
            self._settle(alerts, Sent.REFUSED)
            self._standing(self.name, error.reason)
            return None
        except Retryable as error:
            return self._later(alerts, str(error), error.after)
        except TimeoutError:
            return self._later(alerts, f"no end within {self._attempt_seconds:g} s", None)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return self._later(alerts, "the notifier cancelled itself", None)
        except Exception as error:  # noqa: BLE001 - a plug-in's bug must not end the task; it is told, and tried again
            return self._later(alerts, f"the notifier broke: {type(error).__name__}: {error}", None, error)
        if self._last is not Sent.SENT:
            _log.info("receiver %s takes alerts again", self.name)
        self._dead.taken(self.name, alerts)
        self._settle(alerts, Sent.SENT)
        self._standing(self.name, "")
        return None

    def _settle(self, alerts: Sequence[Alert], outcome: Sent) -> None:
        self.counts[outcome] += 1
        self.box.said(alerts)
        for alert in alerts:
            self._tries.pop(alert.key, None)
        self._failures, self._last = 0, outcome

    def _later(self, alerts: Sequence[Alert], why: str, after: float | None, broke: Exception | None = None) -> float:
        self.counts[Sent.RETRIED] += 1
        if not self.notifier.lease:
            self._tries.update(alert.key for alert in alerts)
        self._failures, self._last = self._failures + 1, Sent.RETRIED
        if self._failures == 1:
            _log.warning("receiver %s: %s; trying on", self.name, clean(why), exc_info=broke)
        self.box.later(alerts)
        if after is not None:
            return min(after, MAX_RETRY_AFTER)
        return self._backoff.wait(self._failures, self._chance)
