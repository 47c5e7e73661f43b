"""From counters, as Prometheus scraped them, to attempts. Pure.

Between two scrapes a counter grew by the attempts that ended in between. None of these started before the earlier
scrape less the probe's timeout, and that is when all of them are taken to have started: rather early than late.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from agent.peers.wire import ATTEMPTS
from agent.readiness.fleet import Attempted

PASSED = frozenset({"pass", "warn"})
FAILED = frozenset({"fail"})

Points = Sequence[tuple[float, float]]  # (when it was scraped, value), oldest first


def grown(points: Points, scrapes: Sequence[float]) -> Iterable[tuple[float, int]]:
    """Pairs (the scrape before, by how much one counter grew since), oldest first.

    `scrapes`: when its target was scraped at all, in order. A counter that a scrape lacks had not counted yet: it grew
    from 0. One that fell began anew, at 0.
    """
    for place, (at, value) in enumerate(points):
        earlier = bisect_left(scrapes, at) - 1
        if earlier < 0:
            continue  # the first scrape that we see: what was counted before is not told
        before = points[place - 1][1] if place and points[place - 1][0] == scrapes[earlier] else 0.0
        growth = value - before if value >= before else value
        if growth >= 1:
            yield scrapes[earlier], min(int(growth), ATTEMPTS)


def attempts(counters: Iterable[tuple[str, Points]], scrapes: Sequence[float], timeout: float) -> tuple[Attempted, ...]:
    """The newest attempts of one probe of one replica, on the clock of the scrapes, oldest first.

    `counters`: each with the `outcome` that it counts. Among those of one interval the failures come last, so that they
    are the ones kept: what cannot be told apart counts against "it works for the others".
    """
    found: list[Attempted] = []
    for outcome, points in counters:
        if outcome in PASSED or outcome in FAILED:
            newest: deque[Attempted] = deque(maxlen=ATTEMPTS)
            for since, count in grown(points, scrapes):
                newest.extend([Attempted(since - timeout, outcome in PASSED)] * count)
            found += newest
    found.sort(key=lambda attempt: (attempt.started, not attempt.passed))
    return tuple(found[-ATTEMPTS:])


def wanted(points: Mapping[float, float] | Points) -> bool:
    """Whether the newest value of a gauge is 1."""
    newest = max(dict(points).items(), default=(0.0, 0.0))
    return newest[1] >= 1
