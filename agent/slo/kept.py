"""What outlives a process: the counts of objectives, in bytes that mean the same to the next one."""

from collections.abc import Mapping
from typing import NamedTuple

from agent.slo.rings import COARSE_SECONDS, CountRing

DAY = 86400 // COARSE_SECONDS  #: entries of the period in one day


class Kept(NamedTuple):
    """The counts of one objective at one moment of the engine's timeline."""

    measure: str  # what was counted, and how; `Objective.measure`
    at: float  # seconds
    shift: float  # what the timeline adds to the wall clock
    recent: bytes  # the slots of the alert windows
    days: Mapping[int, bytes]  # the period's five-minute sums, by days since the epoch


def days_of(ring: CountRing, since: int) -> dict[int, bytes]:
    """The period by days, from the day `since` on; days without anything are left out."""
    first = max(since, (ring.open - ring.length + 1) // DAY)
    found = {day: ring.read(day * DAY, DAY) for day in range(first, ring.open // DAY + 1)}
    return {day: sums for day, sums in found.items() if any(sums)}


def put_back(ring: CountRing, days: Mapping[int, bytes]) -> None:
    """The other way round; days older than the period are passed over. ValueError: some of it does not fit."""
    for day, sums in days.items():
        if ring.write(day * DAY, sums) != DAY:
            raise ValueError(f"{len(sums)} bytes are not the sums of a day")
    ring.recount()
