"""What outlives a process: the counts of objectives, in bytes that mean the same to the next one."""

from collections.abc import Mapping
from typing import NamedTuple

from agent.slo.rings import COARSE_SECONDS, CountRing

_DAY = 86400


class Kept(NamedTuple):
    """The counts of one objective at one moment of the engine's timeline."""

    measure: str  # what was counted, and how; `Objective.measure`
    at: float  # seconds
    shift: float  # what the timeline adds to the wall clock
    recent: bytes  # the slots of the alert windows
    days: Mapping[int, bytes]  # the period's sums, entry by entry, by days since the epoch


def days_of(ring: CountRing, since: int, step: int = COARSE_SECONDS) -> dict[int, bytes]:
    """The period by days, from the day `since` on; days without anything are left out. `step`: seconds of an entry."""
    entries = _DAY // step
    first = max(since, (ring.open - ring.length + 1) // entries)
    found = {day: ring.read(day * entries, entries) for day in range(first, ring.open // entries + 1)}
    return {day: sums for day, sums in found.items() if any(sums)}


def put_back(ring: CountRing, days: Mapping[int, bytes], step: int = COARSE_SECONDS) -> None:
    """The other way round; days older than the period are passed over. ValueError: some of it does not fit."""
    entries = _DAY // step
    for day, sums in days.items():
        if ring.write(day * entries, sums) != entries:
            raise ValueError(f"{len(sums)} bytes are not the sums of a day")
    ring.recount()
