"""One destination: what is queued for it leaves in order, until the upstream has taken or refused each request."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.relay import wire
from agent.relay.ledger import Account, count
from agent.relay.queue import Entry
from config.net.retry import MAX_RETRY_AFTER, Backoff
from exporters.base import Delivery, Permanent, Retryable, SpanSender

#: Refusals that blame the body: of a merged request, one part may be at fault, so it is halved until that one is alone.
BLAMES_BODY = frozenset({"invalid", "too_large"})
#: Refusals that blame the configuration. A person can mend that, so the spans are kept, though OTLP lets us drop them.
BLAMES_SETTING = frozenset({"auth"})
#: Failures before the request was on its way: trying again costs the upstream little, and finds it soon.
NOT_CONNECTED = frozenset({"connect", "dns"})

_QUICK = Backoff(base=0.1, cap=1.0)
_PATIENT = Backoff(base=0.5, cap=30.0)
_LOG_EVERY = 60.0  # seconds between two lines of the same kind

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a destination merges.

    `merge_bytes`: size of a merged request; below the 4 MiB at which gRPC receivers refuse for good. `linger`: seconds
    to wait for more to merge with; a request costs as much CPU as some hundred spans.
    """

    merge_bytes: int = 3_670_016  # 3.5 MiB
    linger: float = 0.1


class Destination:
    """The worker of one upstream: one request in flight, everything else waits in the queue.

    `run` is a task for the life of the relay. If it dies it may be started again: whatever was not settled is still
    queued. `clock` is in seconds and `chance` in [0, 1): tests bring their own.
    """

    def __init__(
        self,
        name: str,
        sender: SpanSender,
        account: Account,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.account = account
        self.failures = 0  #: attempts in a row that did not settle anything
        self.trouble = ""  #: what the last of them said; "" while all is well
        self.delivered_at: float | None = None  #: by `clock`
        self.closed = False
        self._sender = sender
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._hurry = asyncio.Event()
        self._failing_since = 0.0
        self._quiet_until: dict[str, float] = {}

    async def run(self) -> None:
        """Deliver for ever. Ends only by cancellation, or by an error that no sender may raise."""
        queue, settings = self.account.queue, self._settings
        while True:
            await queue.reached(1)
            if not self._hurry.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(settings.linger):
                        await queue.reached(settings.merge_bytes)
            await self._deliver(queue.head(settings.merge_bytes))

    def hurry(self) -> None:
        """The process ends soon: merge what is there, and wait no longer than a second between two attempts."""
        self._hurry.set()

    def abandon(self, reason: str) -> int:
        """Give up what is left, when `run` has ended; returns how many spans that is."""
        left = self.account.queue.settle(len(self.account.queue))
        count(self.account.dropped, reason, left)
        return left

    async def aclose(self) -> None:
        """Close the sender. Safe twice."""
        self.closed = True
        await self._sender.aclose()

    def view(self) -> dict[str, object]:
        """For the API: where this destination stands, in words and numbers."""
        account = self.account
        return {
            "state": "failing" if self.failures else "delivering" if account.queue.spans else "idle",
            "trouble": self.trouble,
            "failures": self.failures,
            "accepted_spans": account.accepted,
            "delivered_spans": account.delivered,
            "rejected_upstream_spans": {reason: spans for reason, spans in account.rejected.items() if spans},
            "dropped_spans": {reason: spans for reason, spans in account.dropped.items() if spans},
            "queue_spans": account.queue.spans,
            "queue_bytes": account.queue.bytes,
            "queue_capacity_bytes": account.queue.capacity,
            "queue_oldest_seconds": round(account.queue.oldest_seconds(), 3),
            "last_delivery_seconds_ago": self.delivered_at and round(self._clock() - self.delivered_at, 3),
        }

    async def _deliver(self, batch: Sequence[Entry]) -> None:
        """See to it that each of these, the head of the queue, is settled."""
        while True:
            try:
                delivery = await self._attempt(batch)
            except Retryable as error:
                await self._wait(error.reason, str(error), error.after)
            except Permanent as error:
                if error.reason in BLAMES_SETTING:
                    await self._wait(error.reason, str(error), None)
                elif error.reason in BLAMES_BODY and len(batch) > 1:
                    half = len(batch) // 2
                    await self._deliver(batch[:half])
                    return await self._deliver(batch[half:])
                else:
                    return self._rejected(batch, error)
            else:
                return self._delivered(batch, delivery)

    async def _attempt(self, batch: Sequence[Entry]) -> Delivery:
        self.account.inflight = 1
        try:
            return await self._sender.send(wire.merge(entry.body for entry in batch))
        finally:
            self.account.inflight = 0

    def _delivered(self, batch: Sequence[Entry], delivery: Delivery) -> None:
        account, spans = self.account, self.account.queue.settle(len(batch))
        rejected = min(spans, max(0, delivery.rejected))  # an upstream that cannot count must not unbalance us
        account.delivered += spans - rejected
        count(account.rejected, "partial_success", rejected)
        if delivery.rejected or delivery.message:
            account.partial += 1
            self._warn("partial", f"the upstream took {spans - rejected} of {spans} spans: {delivery.message}")
        self.delivered_at = self._clock()
        self._recovered()

    def _rejected(self, batch: Sequence[Entry], error: Permanent) -> None:
        spans = self.account.queue.settle(len(batch))
        count(self.account.rejected, error.reason, spans)
        self._warn(error.reason, f"the upstream refused {spans} spans for good: {error}")
        self._recovered()

    def _recovered(self) -> None:
        if self.failures:
            seconds = self._clock() - self._failing_since
            _logger.info("traces to %s: the upstream answers again, after %.0f s", self.name, seconds)
        self.failures, self.trouble = 0, ""

    async def _wait(self, reason: str, trouble: str, after: float | None) -> None:
        """Between two attempts: what the upstream asked for, clamped, and a random share so that no two align."""
        if not self.failures:
            self._failing_since = self._clock()
            left = self.account.queue.spans
            _logger.warning("traces to %s: %s; keeping %d spans and trying again", self.name, trouble, left)
        self.failures, self.trouble = self.failures + 1, trouble
        count(self.account.retries, reason, 1)
        backoff = _QUICK if reason in NOT_CONNECTED or self._hurry.is_set() else _PATIENT
        seconds = backoff.wait(self.failures, self._chance)
        if self._hurry.is_set():
            await asyncio.sleep(seconds)
            return
        seconds += min(max(0.0, after or 0.0), MAX_RETRY_AFTER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    def _warn(self, kind: str, text: str) -> None:
        """A line about spans that were lost upstream; at most one of a kind each minute, the ledger has them all."""
        now = self._clock()
        if now >= self._quiet_until.get(kind, now):
            self._quiet_until[kind] = now + _LOG_EVERY
            _logger.warning("traces to %s: %s", self.name, text)
