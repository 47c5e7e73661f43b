"""What one replica remembers to judge itself: its attempts on shared things, the peers' evidence, the way back. Pure.

The app tells it every attempt (`observe`) and every change of what it knows (`weigh`); everyone else only reads. Times
are monotonic seconds.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.events import Observation, Outcome
from agent.health.board import View
from agent.health.roots import ancestors
from agent.health.state import State
from agent.readiness.brake import lets_out
from agent.readiness.delay import ReadyDelay
from agent.readiness.evidence import RECENT_INTERVALS, RECENT_SECONDS, Doubt, tally
from agent.readiness.fleet import Attempted, Fleet, PeerView
from agent.readiness.override import Override
from agent.readiness.policy import Policy, Verdict, decide
from agent.readiness.rank import before
from agent.readiness.rules import Blame, Effect, Situation

HEARD_AFTER = 2  #: refreshes until the others know what this replica wants
TOLD = 8  #: attempts of each shared probe that the peers are told

_MOVES = frozenset({Outcome.PASS, Outcome.WARN, Outcome.FAIL})


@dataclass(slots=True)
class _Shared:
    """What is remembered of one shared probe."""

    attempts: deque[Attempted] = field(default_factory=lambda: deque(maxlen=TOLD))
    last_failure: float | None = None  # when the last failed attempt started
    doubt: Doubt = field(default_factory=Doubt)


class Readiness:
    """One replica's judgement of itself. `fleet` is who else there is."""

    def __init__(self, fleet: Fleet, policy: Policy | None = None) -> None:
        self.fleet = fleet
        self.policy = Policy()
        self._shared: dict[str, _Shared] = {}
        self._delay = ReadyDelay()
        self.served = False  #: it was ready once: agent.readiness.rules.Situation
        self.wants_out = False  #: it would leave for a shared reason, if the brake let it
        self._wants_since: float | None = None
        self._let_out = False
        self._elsewhere: Mapping[str, str] = {}
        self.configure(policy or self.policy)

    def configure(self, policy: Policy) -> None:
        """Put another policy in force; what was seen stays."""
        self.policy = policy
        self._delay.most = policy.ready_delay

    def observe(self, seen: Observation, *, shared: bool) -> None:
        """Take one attempt in."""
        if not shared:
            self._shared.pop(seen.probe, None)
            return
        if seen.outcome not in _MOVES:
            return
        known = self._shared.setdefault(seen.probe, _Shared())
        failed = seen.outcome is Outcome.FAIL
        known.attempts.append(Attempted(seen.started, not failed))
        if failed:
            known.last_failure = max(seen.started, known.last_failure or seen.started)

    def forget(self, name: str) -> None:
        """A probe is gone from the file."""
        self._shared.pop(name, None)

    def weigh(self, views: Mapping[str, View], now: float, *, chance: float) -> list[str]:
        """Judge anew. Returns the probes of which one more attempt is due at once. `chance` is uniform in [0, 1)."""
        fresh = self.fleet.fresh(now)
        due = []
        for name, known in self._shared.items():
            view = views.get(name)
            if view is None or view.state is not State.DOWN:
                known.doubt = Doubt()
                continue
            if known.doubt.weigh(tally(fresh, name, _began(view), _recent(view, now)), now):
                due.append(name)
        self.wants_out = any(self._blamed(name) and _matters(name, views, self._counting()) for name in self._shared)
        self._wants_since = (self._wants_since or now) if self.wants_out else None
        self._let_out = self.wants_out and self._released(fresh, now)
        self._elsewhere = dict(self._suffering_elsewhere(views, fresh, now))
        self._settle(views, now, chance)
        return due

    def _suffering_elsewhere(
        self, views: Mapping[str, View], fresh: Sequence[PeerView], now: float
    ) -> Iterator[tuple[str, str]]:
        """Private probes that are down here, each with something it depends on that fails for the others since.

        In a brown-out it may well pass here each time it is asked.
        """
        for name, view in views.items():
            if view.state is not State.DOWN or view.member.shared or not view.member.depends_on:
                continue
            for parent in ancestors(name, views):
                upstream = parent.member
                said = tally(fresh, upstream.name, _began(view), _recent(parent, now))
                if upstream.shared and said.fails_elsewhere:
                    yield name, upstream.name

    def _released(self, fresh: Sequence[PeerView], now: float) -> bool:
        """Whether the brake lets this replica out. Where others are known and none is heard, nobody could hold it.

        Where all may want out at once, the others must have heard of it first: else two would leave for each other.
        """
        if not fresh and self.fleet.size(now) > 1:
            return False
        since, refresh = self._wants_since, self.fleet.refresh
        if self.policy.shared == "unready" and refresh and since is not None and now - since < HEARD_AFTER * refresh:
            return False
        return lets_out(self.fleet.identity, fresh, self.fleet.members(now), out=self._let_out)

    def _settle(self, views: Mapping[str, View], now: float, chance: float) -> None:
        verdict = decide(views, self.policy, draining=False, situation=self.situation(views, now))
        strict = self.policy.fail_on_degraded
        out = any(
            (each.effect is Effect.UNREADIES and each.reason == "down")
            or (strict and each.effect is Effect.DEGRADES and not each.held)
            for each in verdict.members
        )
        # Where another replica wants out it may leave as soon as it hears that we do not: then one of us must be back.
        hurry = verdict.held_open or any(view.wants_out for view in self.fleet.fresh(now))
        self._delay.settle(now, out=out, hurry=hurry, chance=chance)

    def verdict(
        self,
        views: Mapping[str, View],
        now: float,
        *,
        draining: bool,
        exclude: frozenset[str] = frozenset(),
        override: Override | None = None,
    ) -> Verdict:
        """May this replica get traffic, now."""
        situation = self.situation(views, now, override)
        return decide(views, self.policy, draining=draining, exclude=exclude, situation=situation)

    def told(self) -> Mapping[str, Sequence[Attempted]]:
        """What the peers are told: the last attempts of every shared probe, oldest first."""
        return {name: tuple(known.attempts) for name, known in self._shared.items()}

    def reads(self, name: str, now: float) -> bool:
        """Whether this replica is the one that reads what is a fact about the dependency itself.

        The first by rendezvous hash among those whose last attempt passed: one that is cut off can read nothing.
        """
        reaching = [
            view.identity
            for view in self.fleet.members(now)
            if (attempts := view.attempts.get(name)) and attempts[-1].passed
        ]
        return before(self.fleet.identity, reaching, name) == 0

    def situation(self, views: Mapping[str, View], now: float, override: Override | None = None) -> Situation:
        """What the rules need to know beyond the probes."""
        down = [name for name in self._shared if name in views and views[name].state is State.DOWN]
        if not down:
            # The usual case on every request: nothing to ask the peers about.
            return Situation(
                elsewhere=self._elsewhere,
                isolated=self.fleet.isolated(now),
                returning=self._delay.left(now),
                override=override,
                served=self.served,
            )
        return Situation(
            {name: Blame(self._blamed(name), self._said(name, now)) for name in down},
            self._elsewhere,
            braked=self.wants_out and not self._let_out,
            isolated=self.fleet.isolated(now),
            returning=self._delay.left(now),
            override=override,
            served=self.served,
        )

    def _counting(self) -> frozenset[str]:
        """The `when_down` of members that can take the replica out when they are down."""
        return frozenset({"unready", "degraded"} if self.policy.fail_on_degraded else {"unready"})

    def _blamed(self, name: str) -> bool:
        """Whether the policy takes this replica out for a shared probe that is down, the brake aside."""
        known = self._shared[name]
        if self.policy.shared == "unready":
            return True
        return self.policy.shared == "auto" and known.doubt.convinced(known.last_failure)

    def _said(self, name: str, now: float) -> str:
        """Who saw what, for people."""
        if self.policy.shared == "unready":
            return "`readiness.shared: unready` takes this replica out"
        if self.policy.shared == "degrade":
            return "`readiness.shared: degrade` keeps this replica"
        if self.fleet.refresh is None:
            return "it is shared and no peer is asked, so this replica stays"
        said = self._shared[name].doubt.tally
        if not said.views:
            return "it is shared and no peer answers, so this replica stays"
        if not said.asked:
            return f"none of {said.views} peers has tried it since, so this replica stays"
        seen = f"{said.reached} of {said.views} peers reached it since"
        if not said.blames_us:
            doubt = f"{said.failed} of their {said.attempts} attempts failed" if said.failed else "most did not try"
            return f"{seen} and {doubt}, so this replica stays"
        return seen if self._blamed(name) else f"{seen}; one more attempt decides"


def _began(view: View) -> float:
    """When what is down began to fail."""
    return view.since if view.first_failure is None else view.first_failure


def _recent(view: View, now: float) -> float:
    """Attempts of the peers that started before this are too old to tell."""
    return now - max(RECENT_SECONDS, RECENT_INTERVALS * max(view.member.interval, view.stretch))


def _matters(name: str, views: Mapping[str, View], counting: frozenset[str]) -> bool:
    """Whether a shared probe that is down can take the replica out: itself, or through what depends on it."""
    view = views.get(name)
    if view is None or view.state is not State.DOWN or view.maintenance:
        return False
    if view.member.when_down in counting:
        return True
    return any(
        other.member.when_down in counting
        and other.state is State.DOWN
        and any(parent.member.name == name for parent in ancestors(other.member.name, views))
        for other in views.values()
        if other.member.depends_on
    )
