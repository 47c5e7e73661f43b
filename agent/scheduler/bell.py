"""What wakes a probe's task before its time: one attempt more, at once."""

import asyncio
from collections.abc import Callable

EXTRA_EVERY = 1.0  #: seconds at least between the starts of two extra attempts of one probe


class Bell:
    """Rung by whoever needs an attempt that starts from now on; the task of the probe waits for it beside the clock.

    An attempt that is under way does not count: it started before. Rung twice before one starts, one answers both.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rung = asyncio.Event()
        self._free_at = float("-inf")  # when the next extra attempt may start

    def ring(self) -> None:
        """Ask for one more attempt."""
        self._rung.set()

    async def until(self, due: float) -> None:
        """Wait for the regular attempt, or for one that was asked for and may start; `due` is by the clock."""
        try:
            async with asyncio.timeout(due - self._clock()):
                await self._rung.wait()
                await asyncio.sleep(self._free_at - self._clock())
                self._free_at = self._clock() + EXTRA_EVERY
        except TimeoutError:
            return

    def answered(self) -> None:
        """An attempt starts now: it is what everyone asked for so far."""
        self._rung.clear()
