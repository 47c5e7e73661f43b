"""Good and bad events of objectives, out of the durations of one body."""

from collections.abc import Iterable, Iterator, Mapping

from agent.red.objective import SpanObjective
from agent.red.rows import Durations, RequestKey
from agent.red.timings import nanoseconds


def offers(
    objectives: Iterable[SpanObjective], found: Mapping[RequestKey, Durations]
) -> Iterator[tuple[str, int, int]]:
    """Each objective that has events, with its good and its bad ones.

    Exact, as each threshold is the bound of a bucket. Late requests are no events: what is replayed today went wrong
    long ago. Neither are those whose times cannot be.
    """
    for objective in objectives:
        good = total = 0
        for (_, kind, route), durations in found.items():
            if objective.kind == kind and objective.route in {None, route}:
                counts = durations.on_time()
                total += sum(counts) - counts[durations.untold] - counts[-1]
                good += sum(counts[: _good_buckets(objective, durations)])
        if total:
            yield objective.name, good, total - good


def _good_buckets(objective: SpanObjective, durations: Durations) -> int:
    if objective.within is None:
        return durations.untold
    return durations.bounds.index(nanoseconds(objective.within)) + 1
