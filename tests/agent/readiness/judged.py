"""One replica's judgement, for tests: probes are tried, views are heard, and a verdict follows."""

from agent.events import Observation, Outcome
from agent.health.board import Board, Member
from agent.readiness.fleet import Attempted, Fleet, PeerView
from agent.readiness.policy import Policy
from agent.readiness.room import Readiness
from probes.reason import Reason

OUTCOMES = {"S": Outcome.PASS, "W": Outcome.WARN, "F": Outcome.FAIL, "I": Outcome.INCONCLUSIVE}


def shared(name="db", **member):
    """A shared probe."""
    return Member(name, "tcp", shared=True, **member)


def private(name, **member):
    """A probe of something that only this replica has."""
    return Member(name, "tcp", **member)


class Judged:
    """A replica with these probes, all up at `now`, and `refresh` None where it has no peers."""

    def __init__(self, *members, policy=Policy(), refresh=2.0, start="S"):  # noqa: B008 - frozen
        self.now = 1000.0
        self.board, self.fleet = Board(), Fleet("me", refresh)
        self.room = Readiness(self.fleet, policy)
        self.maintenance = set()
        self.due = []
        for member in members:
            self.board.enter(member, self.now)
            self.tries(member.name, start)

    def tries(self, name, letters, every=2.0):
        """These attempts, each of which takes a tenth of a second."""
        for letter in letters:
            self.now += every
            reason = Reason.CONNECT_REFUSED if letter == "F" else Reason.OK
            phase = "connect" if letter == "F" else ""
            seen = Observation(
                name, "tcp", 1, self.now - 0.1, self.now, self.now, OUTCOMES[letter], reason, phase=phase
            )
            self.board.record(seen)
            self.room.observe(seen, shared=self.board.member(name).shared)
            self.weigh()

    def hears(self, letters, *, name="db", peers=12, wants_out=False, who="peer"):
        """As many peers tell of these attempts, the last of them just now."""
        times = [self.now - 0.5 * (len(letters) - 1 - number) for number in range(len(letters))]
        attempts = tuple(Attempted(at, letter == "S") for at, letter in zip(times, letters, strict=True))
        for number in range(peers):
            self.fleet.hear(PeerView(f"{who} {number}", self.now, wants_out, {name: attempts} if letters else {}))
        self.fleet.count(max(peers, self.fleet.size(self.now) - 1), self.now)
        self.weigh()

    def weigh(self, chance=0.5):
        self.due = self.room.weigh(self.views, self.now, chance=chance)

    @property
    def views(self):
        return self.board.view(self.now, lambda name: "upgrade" if name in self.maintenance else "")

    def verdict(self, **options):
        return self.room.verdict(self.views, self.now, draining=False, **options)

    @property
    def reason(self):
        """The first reason of the verdict."""
        return self.verdict().reasons[0]
