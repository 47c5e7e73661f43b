"""How large a share of the traffic this replica should get. Pure.

A balancer that takes weights spares a replica whose own resources run short before it must leave, and lets one that
just came back warm up. What replicas share never counts: it would fall for all of them alike.
"""

from collections.abc import Mapping

from agent.events import Outcome
from agent.health.board import View
from agent.health.judge import Bound
from agent.readiness.policy import Verdict

FULL = 100  #: percent: an equal share
LEAST = 10  #: percent at the limit, and at the first moment after a return
SLOW_START = 30.0  #: seconds from a return, or the start, to the full share

_CEILING = 1.0  # of a ratio that has no limit of its own for down


def weight(views: Mapping[str, View], verdict: Verdict, now: float, ready_since: float | None) -> int:
    """The share in percent, 1 to 100, of what the replica would get as one of equals.

    `now` and `ready_since` are monotonic seconds; `ready_since` is when it last became ready, None while it is not.
    """
    if verdict.unjudged:
        return FULL
    if ready_since is None:
        return LEAST
    spared = min((_spared(view) for view in views.values()), default=1.0)
    return max(1, round(FULL * spared * _fallen(1 - (now - ready_since) / SLOW_START)))


def _spared(view: View) -> float:
    """The share that one member leaves, from 1 down to that of LEAST: the lowest of its readings counts."""
    member = view.member
    if member.shared or member.when_down == "ignore" or view.stale or view.maintenance:
        return 1.0
    return min((_left(view, bound) for bound in member.bounds if _spares(bound)), default=1.0)


def _spares(bound: Bound) -> bool:
    """Whether a reading beyond this limit is a resource that runs short: a ratio with an upper limit for degraded."""
    return bound.outcome is Outcome.WARN and bound.above and bound.unit == "ratio" and not bound.per_second


def _left(view: View, bound: Bound) -> float:
    """The share that the readings of one limit leave: it falls from there to the limit of down, or to 100 %."""
    ends = [b.limit for b in view.member.bounds if b.reading == bound.reading and b.above and b.outcome is Outcome.FAIL]
    span = min([_CEILING, *ends]) - bound.limit
    values = [r.value for r in view.readings if r.name == bound.reading and r.value is not None]
    crossed = [value - bound.limit for value in values if bound.crossed(value)]
    if not crossed:
        return 1.0
    return _fallen(max(crossed) / span if span > 0 else 1.0)


def _fallen(way: float) -> float:
    """From 1 down to the share of LEAST, linearly, as `way` goes from 0 to 1."""
    return 1 - (1 - LEAST / FULL) * min(1.0, max(0.0, way))
