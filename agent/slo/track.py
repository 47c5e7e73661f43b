"""The record of one objective: verdicts into slots, slots into windows and the period."""

from collections.abc import Mapping

from agent.slo.burn import Counts
from agent.slo.kept import days_of, put_back
from agent.slo.rings import COARSE_SECONDS, CountRing, SlotRing
from agent.slo.sli import Verdict

FINE_SECONDS = 10  #: the shortest slot
_NOTHING = 255  # in what is kept: nothing was seen in the open slot yet


def slot_seconds(interval: float) -> int:
    """The slot for a probe asked each `interval` seconds: the shortest divisor of five minutes that has an attempt.

    Raises ValueError above five minutes: then the short window would hold no attempt most of the time.
    """
    for slot in range(FINE_SECONDS, COARSE_SECONDS + 1):
        if slot >= interval and COARSE_SECONDS % slot == 0:
            return slot
    raise ValueError(
        f"an interval of {interval:g} s is too long for an objective, whose alert looks at the last five minutes; "
        f"use at most {COARSE_SECONDS} s"
    )


class Track:
    """Every slot [k*N, (k+1)*N) gets exactly one verdict, however often or seldom attempts are made.

    That is the worst verdict that fell into it. A slot without one holds the last verdict for `stale_after` seconds
    after the attempt that gave it, and is unknown from then on. So fast and slow intervals never change a denominator.
    Times are those of a `Timeline`: they never go back.
    """

    def __init__(self, slot: int, windows: tuple[int, ...], period: int, stale_after: float) -> None:
        """All in seconds; `slot` divides five minutes, and five minutes divide `windows` and `period`."""
        self.slot = slot
        self.stale_after = stale_after
        self._period_slots = period // slot
        self._fine = SlotRing([window // slot for window in windows])
        #: Bad and known slots by five minutes. A byte each is enough, as these hold at most 30: 17 KB for 30 days.
        self._coarse = CountRing("BB", [period // COARSE_SECONDS])
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
        self._coarse.add(bad, 1)
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
        return self._fine.counts(seconds // self.slot, self._worst or Verdict.UNKNOWN)

    def period(self) -> Counts:
        """What the period holds, the open slot as in `window`; `seen` is not kept that long and equals `bad`."""
        worst = self._worst or Verdict.UNKNOWN
        bad, known = self._coarse.sums(self._coarse.length)
        bad += worst >= Verdict.HELD_BAD
        return Counts(self._period_slots, known + bool(worst), bad, bad)

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
        for code in closed:
            self._fine.push(Verdict(code))
        self._worst = None if open_slot == _NOTHING else Verdict(open_slot)
        put_back(self._coarse, days)
