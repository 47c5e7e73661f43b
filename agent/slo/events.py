"""The record of one objective over events: requests into slots, slots into windows and the period."""

from collections.abc import Mapping

from agent.slo.burn import Counts
from agent.slo.kept import days_of, put_back
from agent.slo.rings import COARSE_SECONDS, CountRing
from agent.slo.track import FINE_SECONDS

#: Columns of a ring, nine bytes an entry: bad events, all events, slots watched. Four bytes are enough for 14 million
#: events a second over five minutes.
_COLUMNS = "IIB"


class EventTrack:
    """Every event counts once, when it is told: exact, however many there are.

    82 KB for 30 days, 237 KB for 90. A slot is watched when the agent was there to count, whether or not anything
    happened. Times are those of a `Timeline`: they never go back.
    """

    unknown_events = 0  #: an event that was told is good or bad

    def __init__(self, windows: tuple[int, ...], period: int) -> None:
        """In seconds; five minutes divide all of them."""
        self._fine = CountRing(_COLUMNS, [window // FINE_SECONDS for window in windows])
        self._coarse = CountRing(_COLUMNS, [period // COARSE_SECONDS])
        self._index: int | None = None  # of the open slot
        self.events = 0
        self.bad_events = 0

    def count(self, good: int, bad: int, at: float) -> None:
        """Take events that were told at `at`."""
        self.advance(at)
        self._fine.add(bad, good + bad, 0)
        self._coarse.add(bad, good + bad, 0)
        self.events += good + bad
        self.bad_events += bad

    def advance(self, now: float) -> None:
        """Open the slot of `now`. Slots between it and the one before were not watched: nobody was there."""
        index = int(now // FINE_SECONDS)
        if self._index is not None and index <= self._index:
            return
        self._move(index)
        self._fine.add(0, 0, 1)
        self._coarse.add(0, 0, 1)

    def window(self, seconds: int) -> Counts:
        """What the last `seconds` hold, the open slot with what was told in it so far."""
        slots = seconds // FINE_SECONDS
        bad, total, watched = self._fine.sums(slots)
        return Counts(total, total, bad, bad, watched, slots)

    def period(self) -> Counts:
        """What the period holds, the open slot as in `window`."""
        bad, total, watched = self._coarse.sums(self._coarse.length)
        return Counts(total, total, bad, bad, watched, self._coarse.length * COARSE_SECONDS // FINE_SECONDS)

    def dump(self, since: int) -> tuple[bytes, dict[int, bytes]]:
        """The alert windows, and the period's days from the day `since` on."""
        fine = self._fine
        return fine.read(fine.open - fine.length + 1, fine.length), days_of(self._coarse, since)

    def restore(self, at: float, recent: bytes, days: Mapping[int, bytes]) -> None:
        """Go on from what another track had at `at`. ValueError: the bytes are not of one."""
        self._move(int(at // FINE_SECONDS))
        size = len(recent) // self._fine.entry_bytes
        if not size:
            raise ValueError("nothing is left of the alert windows")
        self._fine.write(self._fine.open - size + 1, recent)
        self._fine.recount()
        put_back(self._coarse, days)

    def _move(self, index: int) -> None:
        self._index = index
        self._fine.move(index)
        self._coarse.move(index * FINE_SECONDS // COARSE_SECONDS)
