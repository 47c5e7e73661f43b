"""The record of one objective over events: requests into slots, slots into windows and the period."""

from collections.abc import Mapping

from agent.slo.burn import Counts
from agent.slo.kept import days_of, put_back
from agent.slo.rings import COARSE_SECONDS, CountRing
from agent.slo.track import FINE_SECONDS, FINE_WINDOW, two_rings

#: Columns of a ring, nine bytes an entry: bad events, all events, slots watched. Four bytes are enough for 14 million
#: events a second over five minutes.
_COLUMNS = "IIB"


class EventTrack:
    """Every event counts once, when it is told: exact, however many there are.

    97 KB for 30 days, 253 KB for 90. A slot is watched when the agent was there to count, whether or not anything
    happened. Times are those of a `Timeline`: they never go back.
    """

    unknown_events = 0  #: an event that was told is good or bad

    def __init__(self, windows: tuple[int, ...], period: int, slot: int = FINE_SECONDS) -> None:
        """All in seconds, as for a `Track`."""
        fine, coarse = two_rings(windows, slot)
        self.slot = slot
        # A window of one slot is judged with the one before: what has only just begun is no evidence.
        self._fine = CountRing(_COLUMNS, [max(2, size) for size in fine] or [2])
        self._coarse = CountRing(_COLUMNS, [period // COARSE_SECONDS, *coarse])
        self._index: int | None = None  # of the open slot
        self.events = 0
        self.bad_events = 0

    def count(self, good: int, bad: int, at: float) -> None:
        """Take events that were told at `at`. Good ones below 0: so many of those before were bad after all."""
        self.advance(at)
        self._fine.add(bad, good + bad, 0)
        self._coarse.add(bad, good + bad, 0)
        self.events += good + bad
        self.bad_events += bad

    def advance(self, now: float) -> None:
        """Open the slot of `now`. Slots between it and the one before were not watched: nobody was there."""
        index = int(now // self.slot)
        if self._index is not None and index <= self._index:
            return
        self._move(index)
        self._fine.add(0, 0, 1)
        self._coarse.add(0, 0, 1)

    def window(self, seconds: int) -> Counts:
        """What the last `seconds` hold, the open slot with what was told in it so far."""
        if seconds > FINE_WINDOW:
            return self._long(seconds // COARSE_SECONDS)
        slots = max(2, seconds // self.slot)
        bad, total, watched = self._fine.sums(slots)
        return _counts(bad, total, watched, slots)

    def period(self) -> Counts:
        """What the period holds, the open slot as in `window`."""
        return self._long(self._coarse.length)

    def _long(self, entries: int) -> Counts:
        bad, total, watched = self._coarse.sums(entries)
        return _counts(bad, total, watched, entries * COARSE_SECONDS // self.slot)

    def dump(self, since: int) -> tuple[bytes, dict[int, bytes]]:
        """The alert windows, and the period's days from the day `since` on."""
        fine = self._fine
        return fine.read(fine.open - fine.length + 1, fine.length), days_of(self._coarse, since)

    def restore(self, at: float, recent: bytes, days: Mapping[int, bytes]) -> None:
        """Go on from what another track had at `at`. ValueError: the bytes are not of one."""
        self._move(int(at // self.slot))
        size = len(recent) // self._fine.entry_bytes
        if not size:
            raise ValueError("nothing is left of the alert windows")
        self._fine.write(self._fine.open - size + 1, recent)
        self._fine.recount()
        put_back(self._coarse, days)

    def _move(self, index: int) -> None:
        self._index = index
        self._fine.move(index)
        self._coarse.move(index * self.slot // COARSE_SECONDS)


def _counts(bad: int, total: int, watched: int, whole: int) -> Counts:
    bad = min(bad, total)  # one that was found to be bad late may be of an event that has left the window
    return Counts(total, total, bad, bad, watched, whole)
