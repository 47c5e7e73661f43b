"""Probe a spool: a directory whose files someone must fetch in time."""

import asyncio
import time
from pathlib import Path

from outrider import Attempt, Duration, Measurement, Options, Probe, ProbeFailed, ReadingSpec, Reason


class SpoolOptions(Options):
    path: str
    oldest: Duration = Duration(3600)


class Spool(Probe[SpoolOptions]):
    """Files waiting in a directory, and the age of the oldest."""

    options_type = SpoolOptions
    readings = {
        "files": ReadingSpec("Files waiting."),
        "oldest_age": ReadingSpec("Age of the oldest file.", unit="seconds"),
    }

    async def check(self, attempt: Attempt) -> Measurement:
        times = await asyncio.to_thread(self._times)
        age = time.time() - min(times) if times else 0.0
        found = Measurement((self.reading("files", len(times)), self.reading("oldest_age", age)))
        if age > self.options.oldest:
            raise ProbeFailed(Reason.THRESHOLD, f"the oldest file waits for {age:.0f} s", measurement=found)
        return found

    def _times(self) -> list[float]:
        return [entry.stat().st_mtime for entry in Path(self.options.path).iterdir() if entry.is_file()]
