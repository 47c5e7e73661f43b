"""What a way to the other replicas is, and what it tells while it looks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from agent.readiness.fleet import Fleet, PeerView
from config.net.text import clean

SAMPLE = 12  #: others asked in a round: enough to tell, and the same load on each in a fleet of any size
LONGEST = 2.0  #: seconds that a look at one other replica may take


class Outcome(StrEnum):
    """What became of one request."""

    OK = "ok"
    FAILED = "failed"  # no answer, or none that says anything
    REFUSED = "refused"  # not for us: the token, the password, the permission
    MALFORMED = "malformed"  # an answer that is not what a replica says


class Missed(Exception):  # noqa: N818 - named for what happened
    """Nothing was learnt from one request. `why` is for people, and names the place."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome


@dataclass(slots=True)
class Hearing:
    """What is told goes to the fleet, and is counted. `shared`: the shared probes, with their timeouts in seconds."""

    fleet: Fleet
    shared: Callable[[], Mapping[str, float]]
    clock: Callable[[], float]
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    trouble: str = ""  #: of the newest request that failed

    def hear(self, view: PeerView) -> None:
        """One replica told its view. Only probes that we share are kept: a stranger cannot fill our memory."""
        self.counts[Outcome.OK] += 1
        ours = self.shared()
        kept = {name: seen for name, seen in view.attempts.items() if name in ours}
        self.fleet.hear(replace(view, attempts=kept))

    def leave(self, identity: str) -> None:
        """Another replica answers in its place."""
        self.fleet.leave(identity)

    def miss(self, missed: Missed) -> None:
        """One request came to nothing."""
        self.counts[missed.outcome] += 1
        self.trouble = clean(str(missed))

    def count(self, others: int) -> None:
        """So many other replicas are known."""
        self.fleet.count(others, self.clock())


class Way(Protocol):
    """One of the four. `look` ends within some seconds, and never raises for what anybody else does."""

    async def look(self, hearing: Hearing) -> None:
        """Ask some of the others once."""

    async def aclose(self) -> None:
        """Take back what was left for others, close what was opened. Safe twice, safe without a look."""
