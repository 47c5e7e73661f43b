"""Probes that keep one connection between attempts."""

import asyncio
import random
import time
from abc import abstractmethod
from typing import Generic, Protocol, TypeVar

from probes.base import Attempt, Measurement, O, Probe, ProbeFailed
from probes.classify import classify
from probes.stopwatch import Stopwatch

#: A kept connection lives 10 min, give or take 20 %: it follows a name that moved, and a fleet does not renew at once.
LIFETIME_SECONDS = 600.0
_SPREAD = 0.2
# Our own deadline strikes before the framework's: time to let go of the connection, and to say in which phase it was.
_EARLY_SECONDS = 0.12
_EARLY_SHARE = 0.25


class Link(Protocol):
    """A connection that can be kept."""

    @property
    def closed(self) -> bool:
        """Whether it is known to be gone."""

    def stale(self, error: Exception) -> bool:
        """Whether this error, met at the first use after a pause, says that the server had closed it meanwhile."""

    async def aclose(self) -> None:
        """Close it in good order within 0.1 s; safe twice. Raises nothing but cancellation."""

    async def discard(self) -> None:
        """Drop it in whatever state it is, and take back what the server still does for it. Otherwise as aclose."""


L = TypeVar("L", bound=Link)


class SteadyProbe(Probe[O], Generic[O, L]):
    """Keeps one connection; holds two only while a fresh attempt lasts.

    A fresh attempt makes its own connection, and leaves it as the kept one where there is none or that has had its
    time. A kept connection that the server closed meanwhile is replaced within the attempt, once: that is no failure.
    """

    steady = True
    _kept: L | None = None
    _until = 0.0  # by time.monotonic: when the kept one has had its time

    @abstractmethod
    async def connect(self, watch: Stopwatch) -> L:
        """Make a connection that is logged in, entering its phases. Leave nothing open on failure."""

    @abstractmethod
    async def look(self, link: L, watch: Stopwatch, attempt: Attempt) -> Measurement:
        """Measure over this connection. ProbeFailed says that the connection itself is fine, and may be kept."""

    async def check(self, attempt: Attempt) -> Measurement:
        """Look over the connection that this attempt is due."""
        watch = Stopwatch(time.monotonic)
        left = attempt.seconds_left
        try:
            async with asyncio.timeout(left - min(_EARLY_SECONDS, left * _EARLY_SHARE)):
                return await self._take_turn(attempt, watch)
        except ProbeFailed as failed:
            failed.phase = failed.phase or watch.phase
            raise
        except self.expected as error:
            watch.stop()
            reason, detail = self.classify(error) or classify(error, watch.phase)
            seen = Measurement(phases=watch.seconds)
            raise ProbeFailed(reason, detail, phase=watch.phase, measurement=seen) from error

    async def _take_turn(self, attempt: Attempt, watch: Stopwatch) -> Measurement:
        now = time.monotonic()
        if self._kept is not None and (self._kept.closed or now >= self._until):
            await self.aclose()
        if self._kept is not None and not attempt.fresh:
            kept = self._kept
            try:
                return await self._look_over(kept, watch, attempt)
            except self.expected as error:
                if not kept.stale(error):
                    raise
        link = await self.connect(watch)
        if self._kept is None:
            self._kept = link
            self._until = now + LIFETIME_SECONDS * random.uniform(1 - _SPREAD, 1 + _SPREAD)
            return await self._look_over(link, watch, attempt)
        try:
            return await self._look_over(link, watch, attempt)
        finally:
            await link.aclose()

    async def _look_over(self, link: L, watch: Stopwatch, attempt: Attempt) -> Measurement:
        sound = False
        try:
            found = await self.look(link, watch, attempt)
            sound = True
        except ProbeFailed:
            sound = True
            raise
        finally:
            watch.stop()
            if not sound:
                if self._kept is link:
                    self._kept = None
                await link.discard()
        return found

    async def aclose(self) -> None:
        """Close the kept connection. Safe twice, safe without open."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.aclose()
