"""The changes of state of the last hour: what a deploy gate looks back on. Pure."""

from collections import deque
from dataclasses import replace

from agent.health.state import Edge
from probes.base import Measurement

KEPT_SECONDS = 3600.0
MOST = 1000  #: kept at once; more in an hour is a fault that fewer tell as well


class Edges:
    """Newest last. `add` is a listener of what `Board.record` returns; times are monotonic seconds."""

    def __init__(self) -> None:
        self._edges: deque[Edge] = deque(maxlen=MOST)

    def add(self, edge: Edge) -> None:
        """Take one in, without the readings of its attempt."""
        self._edges.append(replace(edge, observation=replace(edge.observation, measurement=Measurement())))

    def recent(self, now: float) -> tuple[Edge, ...]:
        """Those of the last hour."""
        while self._edges and now - self._edges[0].observation.ended > KEPT_SECONDS:
            self._edges.popleft()
        return tuple(self._edges)
