"""Fixed memory for what happened over time, with sums for each window that are kept running."""

from array import array
from collections.abc import Iterator, Sequence

from agent.slo.burn import Counts
from agent.slo.sli import Verdict

COARSE_SECONDS = 300  #: one entry of the period's ring; 30 days are 8,640 entries


class SlotRing:
    """The last slots, one byte each, with running sums for each window: a push costs the same for any window."""

    def __init__(self, windows: Sequence[int]) -> None:
        """`windows` are lengths in slots. The open slot is not in here."""
        self._codes = bytearray(max(windows, default=1))
        self._next = 0
        self._sums = {size: [size, 0, 0, 0] for size in windows}

    def push(self, verdict: Verdict) -> None:
        """Close one slot."""
        codes, length = self._codes, len(self._codes)
        for size, sums in self._sums.items():
            sums[codes[self._next - size]] -= 1
            sums[verdict] += 1
        codes[self._next] = verdict
        self._next = (self._next + 1) % length

    def skip(self, slots: int) -> None:
        """Close `slots` slots in which nothing is known; bounded work however many."""
        self.load(self.codes()[slots:] + bytes(min(slots, len(self._codes))))

    def load(self, codes: bytes) -> None:
        """Start anew with these closed slots, the oldest first. ValueError: one of them is no verdict."""
        if codes and max(codes) > Verdict.BAD:
            raise ValueError(f"{max(codes)} is no verdict")
        length = len(self._codes)
        self._codes = bytearray(codes[-length:].rjust(length, b"\0"))
        self._next = 0
        for size, sums in self._sums.items():
            sums[:] = map(self._codes[-size:].count, range(len(sums)))

    def counts(self, window: int, current: Verdict | None) -> Counts:
        """What the window holds: `current` (the open slot) and the `window - 1` slots before it.

        An open slot in which nothing was seen yet is no part of any window: it is the `window` slots before it.
        """
        sums = self._sums[window].copy()
        if current is not None:
            sums[self._codes[self._next - window]] -= 1
            sums[current] += 1
        seen = sums[Verdict.BAD]
        return Counts(window, window - sums[Verdict.UNKNOWN], seen + sums[Verdict.HELD_BAD], seen)

    def codes(self) -> bytes:
        """Every closed slot, the oldest first."""
        return bytes(self._codes[self._next :] + self._codes[: self._next])


class CountRing:
    """Columns of counts by numbered entries of time; the newest entry is open. Sums are integers: they never drift.

    Entries are numbered from the epoch, so what is kept of them means the same to another process.
    """

    def __init__(self, types: str, windows: Sequence[int]) -> None:
        """`types` has one `array` typecode a column; `windows` are lengths in entries, the open one included."""
        self.columns = tuple(array(code, [0]) * max(windows) for code in types)
        self.entry_bytes = sum(column.itemsize for column in self.columns)
        self.length = max(windows)
        self.open = 0
        self._sums = {size: [0] * len(types) for size in windows}

    def add(self, *counts: int) -> None:
        """Count into the open entry, one number a column."""
        place = self.open % self.length
        for number, count in enumerate(counts):
            if count:
                self.columns[number][place] += count
                for sums in self._sums.values():
                    sums[number] += count

    def move(self, entry: int) -> None:
        """Open a later entry; what falls out of a window leaves its sum. Takes no longer for a year than for a day."""
        entries = min(entry - self.open, self.length)
        if entries <= 0:
            return
        for size, sums in self._sums.items():
            leaving = list(self._spans(self.open - size + 1, min(entries, size)))
            for number, column in enumerate(self.columns):
                sums[number] -= sum(sum(column[span]) for span in leaving)
        for span in self._spans(self.open + 1, entries):
            for column in self.columns:
                column[span] = array(column.typecode, [0]) * (span.stop - span.start)
        self.open = entry

    def sums(self, window: int) -> Sequence[int]:
        """What the newest `window` entries hold, one number a column."""
        return self._sums[window]

    def read(self, first: int, count: int) -> bytes:
        """These entries, column after column; 0 for those that are not kept."""
        parts = [array(column.typecode, [0]) * count for column in self.columns]
        for place, span in self._kept(first, count):
            for part, column in zip(parts, self.columns, strict=True):
                part[place : place + span.stop - span.start] = column[span]
        return b"".join(part.tobytes() for part in parts)

    def write(self, first: int, kept: bytes) -> int:
        """Put back what `read` gave, as far as the ring reaches; returns the number of entries it was.

        ValueError: it was no whole number of them. Call `recount` once all of it is there.
        """
        count, odd = divmod(len(kept), self.entry_bytes)
        if odd:
            raise ValueError(f"{len(kept)} bytes are no whole number of entries")
        start = 0
        for column in self.columns:
            part = array(column.typecode, kept[start : start + count * column.itemsize])
            start += count * column.itemsize
            for place, span in self._kept(first, count):
                column[span] = part[place : place + span.stop - span.start]
        return count

    def recount(self) -> None:
        """Make every sum anew from the entries."""
        for size, sums in self._sums.items():
            spans = list(self._spans(self.open - size + 1, size))
            for number, column in enumerate(self.columns):
                sums[number] = sum(sum(column[span]) for span in spans)

    def _kept(self, first: int, count: int) -> Iterator[tuple[int, slice]]:
        """Those of the entries from `first` on that the ring holds: where they start among these, where they stand."""
        low, high = max(first, self.open - self.length + 1), min(first + count, self.open + 1)
        for span in self._spans(low, max(0, high - low)):
            yield low - first, span
            low += span.stop - span.start

    def _spans(self, first: int, count: int) -> Iterator[slice]:
        """Where these entries stand: one slice, or two around the end."""
        start = first % self.length
        yield slice(start, min(start + count, self.length))
        if start + count > self.length:
            yield slice(0, start + count - self.length)
