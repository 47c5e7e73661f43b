"""Good and bad events of objectives, out of the durations of one body."""

from collections.abc import Iterable, Iterator, Mapping

from agent.red.objective import SpanObjective
from agent.red.rows import Durations, Mark, RequestKey
from agent.red.timings import nanoseconds


def offers(
    objectives: Iterable[SpanObjective], found: Mapping[RequestKey, Durations]
) -> Iterator[tuple[SpanObjective, int, int]]:
    """Each objective that has events, with its good and its bad ones.

    Exact, as each threshold is the bound of a bucket. Late requests are no events: what is replayed today went wrong
    long ago. Neither are those whose times cannot be.
    """
    for objective in objectives:
        good = total = 0
        for durations in _of(objective, found):
            counts = durations.on_time()
            total += sum(counts) - counts[durations.untold] - counts[-1]
            good += sum(counts[: _good_buckets(objective, durations)])
        if total:
            yield objective, good, total - good


def failing(objective: SpanObjective, found: Mapping[RequestKey, Durations], late: float) -> Iterator[Mark]:
    """Sampled bad requests of an objective, one for each bucket: the newest. `late`: nanoseconds, as in the walk."""
    for durations in _of(objective, found):
        good, untold, last = _good_buckets(objective, durations), durations.untold, len(durations.counts) - 1
        for place, mark in durations.marks.items():
            if place >= good and place not in {untold, last} and mark.end >= late and any(mark.trace_id):
                yield mark


def _of(objective: SpanObjective, found: Mapping[RequestKey, Durations]) -> Iterator[Durations]:
    for (_, kind, route), durations in found.items():
        if objective.kind == kind and objective.route in {None, route}:
            yield durations


def _good_buckets(objective: SpanObjective, durations: Durations) -> int:
    if objective.within is None:
        return durations.untold
    return durations.bounds.index(nanoseconds(objective.within)) + 1
