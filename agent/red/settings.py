"""What request metrics are told by the file and by the rest of the agent."""

from collections.abc import Callable
from dataclasses import dataclass

from agent.red.group import Group
from agent.red.objective import SpanObjective


def _nobody(*_: object) -> None:
    """Who listens where nobody does."""


def _later() -> Callable[[], bool]:
    return lambda: False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of it may change on a reload."""

    service: str = ""  #: the file's: objectives' series are there with 0 under this name before the first span
    kinds: tuple[str, ...] = ("server", "consumer")  #: of spans that are requests; those of objectives are too
    routes: int = 50  #: with series of their own; those that objectives name come on top
    late: float = 300.0  #: seconds; spans that ended longer ago are counted, and burn no error budget
    objectives: tuple[SpanObjective, ...] = ()
    #: Whether a trace (its id, its tracestate) is sampled; None: all are.
    kept: Callable[[bytes, str], bool] | None = None
    #: Good and bad events of an objective at a Unix time: (name, good, bad, now), once a body.
    offer: Callable[[str, int, int, float], None] = _nobody
    clean: Callable[[str], str] = str  #: takes secrets out of an exception's message
    exceptions: Callable[[Group], None] = _nobody  #: a group that just grew
    #: Called when something bad arrived; what it returns says later whether an upstream has all that came until then.
    delivery: Callable[[], Callable[[], bool]] = _later
    tell: Callable[[str], None] = _nobody  #: a sentence for the log
