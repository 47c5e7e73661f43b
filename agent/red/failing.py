"""Traces of requests that were bad, by objective: where a person who was called looks first."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from agent.red.rows import Mark

KEPT = 8  #: of each objective, the newest
RECENT = 300.0  #: seconds; what is older says little of what burns now

Delivered = Callable[[], bool]


class _Trace(NamedTuple):
    at: float  # Unix time of its arrival
    delivered: Delivered


class FailingTraces:
    """All of them are sampled; whether an upstream has them is asked when they are told."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, _Trace]] = {}  # by objective and id; the newest last

    def keep(self, objectives: Iterable[str]) -> None:
        """Forget those of other objectives."""
        names = set(objectives)
        self._found = {name: traces for name, traces in self._found.items() if name in names}

    def add(self, objective: str, marks: Iterable[Mark], now: float, delivered: Delivered) -> None:
        """Bad requests of one body that arrived at `now`; `delivered` says later whether an upstream has it."""
        traces = self._found.setdefault(objective, {})
        for mark in sorted(marks, key=lambda mark: mark.end)[-KEPT:]:
            trace = mark.trace_id.hex()
            traces.pop(trace, None)
            traces[trace] = _Trace(now, delivered)
        while len(traces) > KEPT:
            del traces[next(iter(traces))]

    def best(self, objective: str, now: float) -> list[str]:
        """Ids of the recent ones: those that were delivered first, and of each kind the newest first."""
        traces = reversed(self._found.get(objective, {}).items())
        recent = [(trace, one) for trace, one in traces if now - one.at <= RECENT]
        return [trace for trace, one in sorted(recent, key=lambda each: not each[1].delivered())]
