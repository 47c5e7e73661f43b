"""What an objective asks of spans."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.slo.objective import Objective


@dataclass(frozen=True, slots=True)
class SpanObjective:
    """Requests of one kind (server, consumer), of one route or (None) of all.

    A request is good when it ended without an error and, where `within` is given, took that many seconds at most.
    """

    name: str
    kind: str
    route: str | None = None
    within: float | None = None


def span_objectives(objectives: Iterable[Objective]) -> tuple[SpanObjective, ...]:
    """Those of the file's objectives that count requests."""
    return tuple(
        SpanObjective(objective.name, asked.kind, asked.route, asked.within)
        for objective in objectives
        if (asked := objective.requests) is not None
    )
