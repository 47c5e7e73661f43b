"""What was pushed for one probe: the last word of a job, and how long it took. Pure: moments are arguments."""

from dataclasses import dataclass, field
from enum import StrEnum


class Word(StrEnum):
    """What a job says of itself."""

    OK = "ok"  # it ended well
    FAIL = "fail"  # it failed
    START = "start"  # it began


@dataclass(slots=True)
class Beats:
    """The heartbeats of one probe. Moments are monotonic, in seconds.

    `since`: from when on one could have come. `last`: when the job last ended well; `seconds`: how long it took that
    time, where that is known. `failed`: its newest end was a failure, of which it said `said`.
    """

    since: float
    last: float | None = None
    seconds: float | None = None
    failed: bool = False
    said: str = ""
    counts: dict[Word, int] = field(default_factory=lambda: dict.fromkeys(Word, 0))
    _began: float | None = None

    def take(self, word: Word, at: float, *, seconds: float | None = None, said: str = "") -> None:
        """One heartbeat. `seconds`: how long the job took in its own words, else it is counted from its start."""
        self.counts[word] += 1
        if word is Word.START:
            self._began = at
            return
        if seconds is None and self._began is not None:
            seconds = at - self._began
        self._began, self.failed = None, word is Word.FAIL
        if self.failed:
            self.said = said
            return
        self.last, self.seconds, self.said = at, seconds, ""
