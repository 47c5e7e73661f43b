"""One receiver and what it has yet to hear: attempt, wait, attempt again."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from agent.outbox.store import Box, Leases, Queue
from config.net.retry import MAX_RETRY_AFTER, Backoff
from config.net.text import clean
from exporters.base import Alert, Notifier, Permanent, Retryable

ATTEMPT_SECONDS = 60.0  #: after which a notifier that keeps no deadline of its own is cancelled

_log = logging.getLogger(__name__)


class Sent(StrEnum):
    """How an attempt ended; the label `outcome` of `outrider_notifications_total`. DROPPED never was attempted."""

    SENT = "sent"
    RETRIED = "retried"
    REFUSED = "refused"
    DROPPED = "dropped"


class Channel:
    """Tells one receiver. `put` never blocks; `run` is a task that never ends by itself."""

    def __init__(
        self,
        name: str,
        notifier: Notifier[Any],
        *,
        backoff: Backoff | None = None,
        chance: Callable[[], float] = random.random,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self.name = name
        self.notifier = notifier
        self.box: Box = Leases() if notifier.lease else Queue()
        self.counts: Counter[Sent] = Counter()
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._attempt_seconds = attempt_seconds
        self._failures = 0  # in a row
        self._last = Sent.SENT
        self._news = asyncio.Event()
        self._nothing_waits = asyncio.Event()
        self._nothing_waits.set()

    def adopt(self, before: "Channel") -> None:
        """Go on where the channel of the same name stood before a reload."""
        self.counts = before.counts
        if self.notifier.lease == before.notifier.lease:
            self.box, before.box = before.box, self.box
            self._look()

    def put(self, alert: Alert) -> None:
        """Accept one alert."""
        if not self.box.put(alert):
            self.counts[Sent.DROPPED] += 1
            _log.warning("receiver %s: too many alerts wait; the oldest was dropped", self.name)
        self._look()

    async def run(self) -> None:
        """Say what there is to say, for ever."""
        while True:
            self._news.clear()
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

    def _look(self) -> None:
        """Tell those who wait for news, or for the end of it."""
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
            self._settle(alerts, Sent.REFUSED)
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
        self._settle(alerts, Sent.SENT)
        return None

    def _settle(self, alerts: Sequence[Alert], outcome: Sent) -> None:
        self.counts[outcome] += 1
        self.box.said(alerts)
        self._failures, self._last = 0, outcome

    def _later(self, alerts: Sequence[Alert], why: str, after: float | None, broke: Exception | None = None) -> float:
        self.counts[Sent.RETRIED] += 1
        self._failures, self._last = self._failures + 1, Sent.RETRIED
        if self._failures == 1:
            _log.warning("receiver %s: %s; trying on", self.name, clean(why), exc_info=broke)
        self.box.later(alerts)
        if after is not None:
            return min(after, MAX_RETRY_AFTER)
        return self._backoff.wait(self._failures, self._chance)
