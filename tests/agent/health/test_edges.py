"""What a deploy gate looks back on: an hour, a thousand changes, no readings."""

from agent.events import Observation, Outcome
from agent.health.edges import KEPT_SECONDS, MOST, Edges
from agent.health.state import Edge, State
from probes.base import Measurement, Reading


def edge(at, probe="db", after=State.DOWN):
    seen = Observation(probe, "postgres", 1, at - 0.1, at, 1e9 + at, Outcome.FAIL)
    return Edge(probe, State.UP, after, seen)


def test_an_hour_is_kept():
    """What is older than an hour is gone, what is not is there, oldest first."""
    edges = Edges()
    for at in (0.0, 10.0, 20.0):
        edges.add(edge(at))
    assert [each.observation.ended for each in edges.recent(KEPT_SECONDS + 10)] == [10.0, 20.0]


def test_memory_is_bounded():
    """However many come, the newest thousand stay, without what their attempts had read."""
    edges = Edges()
    heavy = edge(1.0)
    object.__setattr__(heavy.observation, "measurement", Measurement((Reading("lag", 1.0),)))
    for _ in range(MOST + 5):
        edges.add(heavy)
    kept = edges.recent(1.0)
    assert len(kept) == MOST
    assert kept[-1].observation.measurement == Measurement()
