"""Is the upstream of a lane well, and when is it tried again? Its edges are told, not every failure."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from agent.relay.ledger import ITEMS, Account, count
from agent.relay.store import LaneKey
from config.net.retry import MAX_RETRY_AFTER, Backoff

#: Failures before the request was on its way: trying again costs the upstream little, and finds it soon.
NOT_CONNECTED = frozenset({"connect", "dns"})

_QUICK = Backoff(base=0.1, cap=1.0)
_PATIENT = Backoff(base=0.5, cap=30.0)
_LOG_EVERY = 60.0  # seconds between two lines of the same kind

_logger = logging.getLogger(__name__)


class Breaker:
    """Open from the first failed attempt until an upstream answers: one request at a time finds out, and the rest wait.

    `clock` is in seconds and `chance` in [0, 1).
    """

    def __init__(self, key: LaneKey, account: Account, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self.failures = 0  #: attempts in a row that did not settle anything
        self.trouble = ""  #: what the last of them said; "" while all is well
        self.hurried = asyncio.Event()
        self.next_at: float | None = None  #: of the next attempt, by `clock`, while one is waited for
        self._name = f"{key.signal} to {key.dest}"
        self._items = ITEMS[key.signal]
        self._account = account
        self._clock = clock
        self._chance = chance
        self._failing_since = 0.0
        self._quiet_until: dict[str, float] = {}

    async def failed(self, reason: str, trouble: str, after: float | None) -> None:
        """Wait between two attempts: what the upstream asked for, clamped, and a random share so that no two align."""
        if not self.failures:
            self._failing_since = self._clock()
            left = self._account.queue.items
            _logger.warning("%s: %s; keeping %d %s and trying again", self._name, trouble, left, self._items)
        self.failures, self.trouble = self.failures + 1, trouble
        count(self._account.retries, reason, 1)
        backoff = _QUICK if reason in NOT_CONNECTED or self.hurried.is_set() else _PATIENT
        seconds = backoff.wait(self.failures, self._chance)
        if not self.hurried.is_set():
            seconds += min(max(0.0, after or 0.0), MAX_RETRY_AFTER)
        self.next_at = self._clock() + seconds
        try:
            await self._rest(seconds)
        finally:
            self.next_at = None

    def answered(self) -> None:
        """The upstream took or refused something: it is there."""
        if self.failures:
            seconds = self._clock() - self._failing_since
            _logger.info("%s: the upstream answers again, after %.0f s", self._name, seconds)
        self.failures, self.trouble = 0, ""

    def warn(self, kind: str, text: str) -> None:
        """A line about items that were lost upstream; at most one of a kind each minute, the ledger has them all."""
        now = self._clock()
        if now >= self._quiet_until.get(kind, now):
            self._quiet_until[kind] = now + _LOG_EVERY
            _logger.warning("%s: %s", self._name, text)

    async def _rest(self, seconds: float) -> None:
        if self.hurried.is_set():
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.hurried.wait()
