"""What destinations of telemetry refuse, or lose on the way: from counters that only grow to "it goes on now". Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

QUIET_SECONDS = 120.0  #: without another loss, after which it is over


class Loss(NamedTuple):
    """One destination. `lost`: by reason, since it began; empty while all is well."""

    destination: str
    lost: Mapping[str, int]


@dataclass(slots=True)
class _Told:
    counted: Mapping[str, int]
    lost: Counter[str] = field(default_factory=Counter)
    grew_at: float | None = None


class Losses:
    """Watches the counters of every destination."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def step(self, counts: Mapping[str, Mapping[str, int]], now: float) -> Iterator[Loss]:
        """Take the counters in, by destination and reason. What they have at first is of another day."""
        self._told = {name: self._told.get(name) or _Told(dict(each)) for name, each in counts.items()}
        for name, told in self._told.items():
            grown = Counter(counts[name]) - Counter(told.counted)
            told.counted = dict(counts[name])
            if grown:
                told.lost, told.grew_at = told.lost + grown, now
            elif told.grew_at is not None and now - told.grew_at >= QUIET_SECONDS:
                told.lost, told.grew_at = Counter(), None
            yield Loss(name, told.lost)
