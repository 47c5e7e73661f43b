"""The record of one objective over events: requests into slots, slots into windows and the period."""

from collections.abc import Iterable, Mapping
from math import gcd, inf

from agent.events import Observation
from agent.slo.burn import Counts
from agent.slo.counters import Growth
from agent.slo.kept import days_of, put_back
from agent.slo.rings import COARSE_SECONDS, CountRing
from agent.slo.track import FINE_SECONDS, FINE_WINDOW, two_rings

#: Columns of a ring, nine bytes an entry: bad events, all events, slots watched. Four bytes are enough for 4.7 million
#: events a second over a quarter of an hour.
_COLUMNS = "IIB"
_ENTRIES = 8640  # of the period, where its length lets them be longer: 30 days in steps of five minutes


def entry_seconds(period: int, windows: Iterable[int]) -> int:
    """How long one entry of the period is: five minutes up to 30 days; ten or fifteen beyond, where they divide all."""
    lengths = [period, *(length for length in windows if length > FINE_WINDOW)]
    steps = [COARSE_SECONDS * times for times in (1, 2, 3) if gcd(*lengths) % (COARSE_SECONDS * times) == 0]
    return next((step for step in steps if period // step <= _ENTRIES), steps[-1])


class EventTrack:
    """Every event counts once, when it is told: exact, however many there are.

    97 KB for 30 days and for 90. A slot is watched when the agent was there to count, whether or not anything
    happened; where counters are read by a probe, as long as they were read not long ago. Times are those of a
    `Timeline`: they never go back.
    """

    unknown_events = 0  #: an event that was told is good or bad

    def __init__(
        self,
        windows: tuple[int, ...],
        period: int,
        slot: int = FINE_SECONDS,
        growth: Growth | None = None,
        stale_after: float = 0.0,
    ) -> None:
        """All in seconds, as for a `Track`. `growth`: of the counters that are read, where nobody tells the events."""
        fine, _ = two_rings(windows, slot)
        self.slot = slot
        self._step = entry_seconds(period, windows)
        # A window of one slot is judged with the one before: what has only just begun is no evidence.
        self._fine = CountRing(_COLUMNS, [max(2, size) for size in fine] or [2])
        long = [length for length in windows if length > FINE_WINDOW]
        self._coarse = CountRing(_COLUMNS, [length // self._step for length in (period, *long)])
        self._index: int | None = None  # of the open slot
        self.growth = growth
        self.stale_after = stale_after
        self._watched_until = inf if growth is None else -inf
        self.events = 0
        self.bad_events = 0

    def count(self, good: int, bad: int, at: float) -> None:
        """Take events that were told at `at`. Good ones below 0: so many of those before were bad after all."""
        self.advance(at)
        self._fine.add(bad, good + bad, 0)
        self._coarse.add(bad, good + bad, 0)
        self.events += good + bad
        self.bad_events += bad

    def take(self, seen: Observation, at: float) -> None:
        """Count what the counters that an attempt read grew by."""
        if self.growth and (grown := self.growth.take(seen)):
            self._watched_until = at + self.stale_after
            self.count(*grown, at)

    def advance(self, now: float) -> None:
        """Open the slot of `now`. Slots between it and the one before were not watched: nobody was there."""
        index = int(now // self.slot)
        if self._index is not None and index <= self._index:
            return
        self._move(index)
        watched = index * self.slot < self._watched_until
        self._fine.add(0, 0, watched)
        self._coarse.add(0, 0, watched)

    def window(self, seconds: int) -> Counts:
        """What the last `seconds` hold, the open slot with what was told in it so far."""
        if seconds > FINE_WINDOW:
            return self._long(seconds // self._step)
        slots = max(2, seconds // self.slot)
        bad, total, watched = self._fine.sums(slots)
        return _counts(bad, total, watched, slots)

    def period(self) -> Counts:
        """What the period holds, the open slot as in `window`."""
        return self._long(self._coarse.length)

    def _long(self, entries: int) -> Counts:
        bad, total, watched = self._coarse.sums(entries)
        return _counts(bad, total, watched, entries * self._step // self.slot)

    def dump(self, since: int) -> tuple[bytes, dict[int, bytes]]:
        """The alert windows, and the period's days from the day `since` on."""
        fine = self._fine
        return fine.read(fine.open - fine.length + 1, fine.length), days_of(self._coarse, since, self._step)

    def restore(self, at: float, recent: bytes, days: Mapping[int, bytes]) -> None:
        """Go on from what another track had at `at`. ValueError: the bytes are not of one."""
        self._move(int(at // self.slot))
        size = len(recent) // self._fine.entry_bytes
        if not size:
            raise ValueError("nothing is left of the alert windows")
        self._fine.write(self._fine.open - size + 1, recent)
        self._fine.recount()
        put_back(self._coarse, days, self._step)

    def _move(self, index: int) -> None:
        self._index = index
        self._fine.move(index)
        self._coarse.move(index * self.slot // self._step)


def _counts(bad: int, total: int, watched: int, whole: int) -> Counts:
    bad = min(bad, total)  # one that was found to be bad late may be of an event that has left the window
    return Counts(total, total, bad, bad, watched, whole)
