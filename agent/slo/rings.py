"""Fixed memory for verdicts over time: slots for the alert windows, five-minute sums for the period."""

from collections.abc import Sequence

from agent.slo.burn import Counts
from agent.slo.sli import Verdict

COARSE_SECONDS = 300  #: one entry of the period's ring; 30 days are 8,640 entries


class SlotRing:
    """The last slots, one byte each, with running sums for each window: a push costs the same for any window."""

    def __init__(self, windows: Sequence[int]) -> None:
        """`windows` are lengths in slots. The open slot is not in here: a window is it and the closed ones before."""
        self._codes = bytearray(max(1, *windows))
        self._next = 0
        self._sums = {size: [size - 1, 0, 0, 0] for size in windows}

    def push(self, verdict: Verdict) -> None:
        """Close one slot."""
        codes, length = self._codes, len(self._codes)
        for size, sums in self._sums.items():
            if size > 1:
                sums[codes[(self._next - size + 1) % length]] -= 1
                sums[verdict] += 1
        codes[self._next] = verdict
        self._next = (self._next + 1) % length

    def skip(self, slots: int) -> None:
        """Close `slots` slots in which nothing is known; bounded work however many."""
        for _ in range(min(slots, len(self._codes))):
            self.push(Verdict.UNKNOWN)

    def counts(self, window: int, current: Verdict) -> Counts:
        """What the window holds: `current` (the open slot) and the `window - 1` slots before it."""
        sums = self._sums[window].copy()
        sums[current] += 1
        seen = sums[Verdict.BAD]
        return Counts(window, window - sums[Verdict.UNKNOWN], seen + sums[Verdict.HELD_BAD], seen)


class PeriodRing:
    """Bad and known slots per five minutes over the whole period; sums kept running, no drift: integers.

    A byte each is enough, since five minutes hold at most 30 slots: 17 KB for 30 days.
    """

    def __init__(self, entries: int) -> None:
        self._bad = bytearray(entries)
        self._known = bytearray(entries)
        self._open = 0
        self.bad = 0
        self.known = 0

    def add(self, verdict: Verdict) -> None:
        """Count one closed slot, good or bad, into the open five minutes."""
        self._known[self._open] += 1
        self.known += 1
        if verdict >= Verdict.HELD_BAD:
            self._bad[self._open] += 1
            self.bad += 1

    def rotate(self, entries: int) -> None:
        """Open the five minutes `entries` later; what falls out of the period leaves the sums."""
        for _ in range(min(entries, len(self._bad))):
            self._open = (self._open + 1) % len(self._bad)
            self.bad -= self._bad[self._open]
            self.known -= self._known[self._open]
            self._bad[self._open] = self._known[self._open] = 0
