"""Who reads the facts about a dependency itself: each replica, one for the whole fleet, or none."""

from collections.abc import Iterable
from typing import Any

from agent.events import Outcome
from agent.health.judge import Bound
from probes.base import Probe


def who_reads(
    wanted: str, cls: type[Probe[Any]], bounds: Iterable[Bound], *, fleet: bool, fail_on_degraded: bool
) -> str:
    """What `readings` of the file comes to: `auto` (one replica for all), `always` (this one too) or `never`.

    `fleet`: the probe is shared and peers are known. Where a reading may take a replica out, each one must see it for
    itself: else the one that reads would leave alone, for what is true for all. So `auto` is `always` where being
    beyond a threshold on such a reading is a failure, and where being degraded makes unready; also where the time an
    attempt takes may fail it, for reading takes time.
    """
    if wanted != "auto":
        return wanted
    failing = [bound for bound in bounds if bound.outcome is Outcome.FAIL]
    alone = any(of_target(cls, bound.reading) or _takes_time(bound.reading) for bound in failing)
    return "always" if not fleet or fail_on_degraded or alone else "auto"


def of_target(cls: type[Probe[Any]], reading: str) -> bool:
    """Whether a reading is a fact about the target itself, the same whoever asks."""
    spec = cls.readings.get(reading)
    return spec is not None and spec.of_target


def _takes_time(reading: str) -> bool:
    return reading == "duration" or reading.startswith("phase.")
