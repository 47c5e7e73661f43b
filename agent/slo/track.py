"""The record of one objective: verdicts into slots, slots into windows and the period."""

from collections.abc import Iterable, Mapping
from math import gcd

from agent.slo.burn import Counts
from agent.slo.kept import days_of, put_back
from agent.slo.rings import COARSE_SECONDS, CountRing, SlotRing
from agent.slo.sli import Verdict
from config.types import Duration

FINE_SECONDS = 10  #: the shortest slot, where the windows do not ask for a shorter one
FINEST_SECONDS = 5  #: the shortest slot of all
FINE_WINDOW = 6 * 3600  #: windows up to this are counted slot by slot, longer ones in steps of five minutes
_NOTHING = 255  # in what is kept: nothing was seen in the open slot yet


def slot_seconds(interval: float, windows: Iterable[int]) -> int:
    """The slot for a probe asked each `interval` seconds: the shortest that has an attempt and divides all windows.

    It divides five minutes, and has ten seconds at least unless a window asks for five. Raises ValueError where none
    does: then the shortest window would hold no attempt most of the time.
    """
    fits = [slot for slot in range(FINEST_SECONDS, COARSE_SECONDS + 1) if gcd(COARSE_SECONDS, *windows) % slot == 0]
    slots = [slot for slot in fits if slot >= interval]
    if slots:
        return next((slot for slot in slots if slot >= FINE_SECONDS), slots[0])
    longest, shortest = max(fits, default=COARSE_SECONDS), min(windows)
    raise ValueError(
        f"an interval of {Duration(interval)} is too long for an alert that looks at the last {Duration(shortest)} in "
        f"slots of {Duration(longest)}; use an interval of at most {Duration(longest)}, or longer windows"
    )


def two_rings(windows: Iterable[int], slot: int) -> tuple[list[int], list[int]]:
    """The windows in slots that are counted one by one, and those in steps of five minutes."""
    fine = [length // slot for length in windows if length <= FINE_WINDOW]
    return fine, [length // COARSE_SECONDS for length in windows if length > FINE_WINDOW]


class Track:
    """Every slot [k*N, (k+1)*N) gets exactly one verdict, however often or seldom attempts are made.

    That is the worst verdict that fell into it. A slot without one holds the last verdict for `stale_after` seconds
    after the attempt that gave it, and is unknown from then on. So fast and slow intervals never change a denominator.
    Times are those of a `Timeline`: they never go back.
    """

    def __init__(self, slot: int, windows: tuple[int, ...], period: int, stale_after: float) -> None:
        """All in seconds; `slot` divides five minutes and `windows`; five minutes divide long windows and `period`."""
        fine, coarse = two_rings(windows, slot)
        self.slot = slot
        self.stale_after = stale_after
        self._period_seconds = period
        self._fine = SlotRing(fine)
        #: Bad, known and seen slots by five minutes. A byte each is enough for at most 60: 26 KB for 30 days.
        self._coarse = CountRing("BBB", [period // COARSE_SECONDS, *coarse])
        self._index: int | None = None  # of the open slot
        self._worst: Verdict | None = None  # in the open slot
        self._last = Verdict.UNKNOWN
        self._last_at = float("-inf")
        self.events = 0  #: closed slots that were good or bad
        self.bad_events = 0
        self.unknown_events = 0

    def record(self, verdict: Verdict, at: float) -> None:
        """Take the verdict of one attempt that ended at `at`."""
        self.advance(at)
        self._worst = verdict if self._worst is None else max(self._worst, verdict)
        self._last, self._last_at = verdict, at

    def advance(self, now: float) -> None:
        """Close every slot that ended before `now`."""
        index, before = int(now // self.slot), self._index
        if before is None:
            self._move(index)
            return
        while before < index and (verdict := self._verdict(before)):
            before += 1
            self._close(verdict, before)
        if before < index:
            self._skip(index - before, index)

    def _verdict(self, index: int) -> Verdict:
        """The verdict of the open slot as it stands."""
        if self._worst is not None:
            return self._worst
        if index * self.slot - self._last_at >= self.stale_after:
            return Verdict.UNKNOWN
        return Verdict.HELD_BAD if self._last is Verdict.BAD else self._last

    def _close(self, verdict: Verdict, following: int) -> None:
        bad = verdict >= Verdict.HELD_BAD
        self._fine.push(verdict)
        self._coarse.add(bad, 1, verdict is Verdict.BAD)
        self.events += 1
        self.bad_events += bad
        self._move(following)

    def _skip(self, slots: int, following: int) -> None:
        self._fine.skip(slots)
        self.unknown_events += slots
        self._move(following)

    def _move(self, index: int) -> None:
        self._index, self._worst = index, None
        self._coarse.move(index * self.slot // COARSE_SECONDS)

    def window(self, seconds: int) -> Counts:
        """What the last `seconds` hold, the open slot with what was seen in it so far."""
        if seconds <= FINE_WINDOW:
            return self._fine.counts(seconds // self.slot, self._worst)
        return self._long(seconds)

    def period(self) -> Counts:
        """What the period holds, the open slot as in `window`."""
        return self._long(self._period_seconds)

    def _long(self, seconds: int) -> Counts:
        """Steps of five minutes: the oldest leaves at once, when a new one begins."""
        worst = self._worst or Verdict.UNKNOWN
        bad, known, seen = self._coarse.sums(seconds // COARSE_SECONDS)
        bad += worst >= Verdict.HELD_BAD
        return Counts(seconds // self.slot, known + bool(worst), bad, seen + (worst is Verdict.BAD))

    def dump(self, since: int) -> tuple[bytes, dict[int, bytes]]:
        """The alert windows, and the period's days from the day `since` on."""
        open_slot = bytes([_NOTHING if self._worst is None else self._worst])
        return open_slot + self._fine.codes(), days_of(self._coarse, since)

    def restore(self, at: float, recent: bytes, days: Mapping[int, bytes]) -> None:
        """Go on from what another track had at `at`. ValueError: the bytes are not of one.

        The last verdict speaks no longer: until the next attempt nothing is known.
        """
        self._move(int(at // self.slot))
        open_slot, *closed = recent
        self._fine.load(bytes(closed))
        self._worst = None if open_slot == _NOTHING else Verdict(open_slot)
        put_back(self._coarse, days)
