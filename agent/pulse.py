"""Is the agent itself the sick one: loop lag, CPU throttling, clock steps."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from exporters.base import Sample

BEAT = 0.1  #: seconds between two beats
KEPT = 60.0  #: seconds of beats that are remembered; no attempt is longer
LAG_FLOOR = 0.25  #: a lag below this is no excuse for any timeout
MOST_STALLS = 240  #: stalls that fit into `KEPT`
THROTTLED_SHARE = 0.5  #: share of a window without CPU that is an excuse
CLOCK_STEP = 1.0  #: seconds the wall clock may move against the monotonic one between two beats
DEAD_AFTER = 10.0  #: seconds without a beat after which the agent is not live
THROTTLE_FILES = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpu/cpu.stat"))


@dataclass(slots=True)
class Pulse:
    """Beats every 100 ms on the loop it judges. Times are monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    throttled: Callable[[], float] = lambda: 0.0  #: CPU seconds withheld from us so far
    _beats: deque[tuple[float, float, float, bool]] = field(default_factory=deque)  # at, lag, throttled, stepped
    _stalls: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_STALLS))  # at, lag
    _offset: float | None = None

    async def run(self) -> None:
        """Beat until cancelled."""
        due = self.clock()
        while True:
            self.beat(due)
            due = self.clock() + BEAT
            await asyncio.sleep(BEAT)

    def beat(self, due: float) -> None:
        """One beat that should have happened at `due`."""
        now = self.clock()
        offset = self.wall() - now
        stepped = self._offset is not None and abs(offset - self._offset) > CLOCK_STEP
        self._offset = offset
        lag = max(0.0, now - due)
        self._beats.append((now, lag, self.throttled(), stepped))
        if lag > LAG_FLOOR:
            self._stalls.append((now, lag))
        while self._beats and self._beats[0][0] < now - KEPT:
            self._beats.popleft()

    def stalled(self, started: float, ended: float, timeout: float) -> bool:
        """Whether a timeout between `started` and `ended` may be our own fault."""
        if self._overdue(ended) > max(LAG_FLOOR, timeout / 4):
            return True
        window = [beat for beat in self._beats if started <= beat[0] <= ended + BEAT]
        if not window:
            return False
        withheld = window[-1][2] - window[0][2]
        lagged = any(lag > max(LAG_FLOOR, timeout / 4) for _, lag, _, _ in window)
        stepped = any(step for _, _, _, step in window)
        return lagged or stepped or withheld > THROTTLED_SHARE * max(ended - started, BEAT)

    def lost(self) -> float:
        """Seconds of the last minute in which the agent did not run: nobody was asked in them, and nothing grew old."""
        now = self.clock()
        overdue = self._overdue(now)
        stalls = sum(lag for at, lag in self._stalls if at >= now - KEPT)
        return stalls + overdue if overdue > LAG_FLOOR else stalls

    def lag(self) -> float:
        """The worst lag of the last 10 s, in seconds."""
        now = self.clock()
        recent = [lag for at, lag, _, _ in self._beats if at >= now - DEAD_AFTER]
        return max([self._overdue(now), *recent])

    def live(self) -> bool:
        """Whether the loop turned within the last 10 s."""
        return bool(self._beats) and self._overdue(self.clock()) < DEAD_AFTER

    def _overdue(self, now: float) -> float:
        """How late the next beat is: a stall that just ended may be seen before its beat is."""
        return max(0.0, now - self._beats[-1][0] - BEAT) if self._beats else 0.0

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """For the metrics page."""
        yield "outrider_event_loop_lag_seconds", [Sample((), self.lag())]
        yield "outrider_live", [Sample((), float(self.live()))]


def cgroup_throttled(files: Iterable[Path] = THROTTLE_FILES) -> Callable[[], float]:
    """Reads how long this container went without CPU because of its limit (cgroup v2, then v1); 0 where none tells."""
    known = [path for path in files if path.is_file()]

    def read() -> float:
        for path in known:
            try:
                fields = dict(line.split() for line in path.read_text().splitlines())
            except (OSError, ValueError):
                continue
            if "throttled_usec" in fields:
                return int(fields["throttled_usec"]) / 1e6
            return int(fields.get("throttled_time", 0)) / 1e9
        return 0.0

    return read
