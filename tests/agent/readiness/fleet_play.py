"""A fleet in simulated time, played by the rooms that judge one replica: faults and silence in, verdicts out.

Each replica has its own board, its own picture of the others and its own judgement, as in agent/replica.py. Only what
lies between the replicas is imitated: attempts pass or fail as the faults say, and views travel without a socket.
"""

import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

from agent.events import Observation, Outcome
from agent.health.board import Board, Member
from agent.health.roots import ancestors
from agent.health.state import State
from agent.readiness.fleet import Attempted, Fleet, PeerView
from agent.readiness.policy import Policy, Verdict
from agent.readiness.room import Readiness
from agent.scheduler.timetable import Pace, first_delay, next_wait
from probes.reason import Reason

PASS_SECONDS, FAIL_SECONDS = 0.05, 2.0  #: how long an attempt takes; one that fails waits for its timeout
ASKED_PEERS = 12  #: agent.peers.way.SAMPLE
SPREAD = 0.1  #: of the time between two rounds: agent.peers.refresh
EXTRA_EVERY = 1.0  #: agent.scheduler.bell
MS = 0.001
TURN = MS  #: from the wish for an extra attempt to its start: a turn of the loop


class Asked(NamedTuple):
    """One probe, the same at every replica."""

    member: Member
    pace: Pace


def probe(name: str = "db", *, interval: float = 10.0, shared: bool = True, **member) -> Asked:
    """A probe with the file's defaults."""
    pace = Pace(interval, fast=min(2.0, interval), slow=max(30.0, interval))
    timeout = min(3.0, interval / 2)
    whole = Member(name, "tcp", shared=shared, interval=interval, slow_interval=pace.slow, timeout=timeout, **member)
    return Asked(whole, pace)


@dataclass(frozen=True)
class Fault:
    """From `start` to `end` each attempt of these probes by these replicas (None: all) fails with probability `p`."""

    start: float
    end: float = math.inf
    p: float = 1.0
    of: frozenset[int] | None = None
    probes: tuple[str, ...] = ("db",)

    def strikes(self, replica: int, name: str, now: float, random: Random) -> bool:
        """Whether the attempt that starts now fails."""
        return (
            self.start <= now < self.end
            and name in self.probes
            and (self.of is None or replica in self.of)
            and (self.p >= 1 or random.random() < self.p)
        )


class Change(NamedTuple):
    """A verdict that became another."""

    at: float
    replica: int
    ready: bool


@dataclass
class Asking:
    """One probe of one replica on the timetable. `turn` counts the starts: an older one in the queue is void."""

    asked: Asked
    due: float = 0.0
    turn: int = 0
    running: bool = False
    rung: bool = False
    free_at: float = 0.0


@dataclass
class Replica:
    """One of the fleet. `naive_left`: when one that leaves whatever is down would have left."""

    number: int
    identity: str
    policy: Policy
    refresh: float | None
    board: Board = field(default_factory=Board)
    asking: dict[str, Asking] = field(default_factory=dict)
    verdict: Verdict | None = None
    was_ready: bool = False
    naive_left: float | None = None
    gone: bool = False
    frozen_until: float = 0.0
    lost: float = 0.0
    lost_until: float = 0.0
    told: dict[str, tuple[Attempted, ...]] | None = None

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.identity, self.refresh)
        self.room = Readiness(self.fleet, self.policy)


class Play:
    """Runs the fleet. `faults`, `hears(asker, answerer)` and `maintained(probe)` may change between two `run`."""

    def __init__(
        self,
        size: int,
        *probes: Asked,
        seed: int = 0,
        policy: Policy = Policy(ready_delay=10.0),  # noqa: B008 - frozen
        refresh: float | None = 2.0,
        late: float = 0.0,
        faults: Iterable[Fault] = (),
    ) -> None:
        """`late`: a view is written and delivered up to so many seconds after it was asked for."""
        self.random, self.now, self.faults = Random(seed), 0.0, list(faults)
        self.hears: Callable[[int, int], bool] = lambda asker, answerer: True
        self.maintained: Callable[[str], str] = lambda name: ""
        self.changes: list[Change] = []
        self._probes, self._policy, self._refresh, self._late = probes or (probe(),), policy, refresh, late
        self._queue: list[tuple[float, int, Callable[..., None], Replica, tuple]] = []
        self._order = count()
        self.replicas: list[Replica] = []
        for number in range(size):
            self.replicas.append(self._born(number))

    # -- what a test does with it ------------------------------------------------------------------------------------

    def run(self, until: float) -> "Play":
        """Let time pass."""
        queue = self._queue
        while queue and queue[0][0] < until:
            at, order, act, replica, arguments = heapq.heappop(queue)
            self.now = at
            if replica.gone:
                continue
            if replica.frozen_until > at:
                heapq.heappush(queue, (replica.frozen_until, order, act, replica, arguments))
                continue
            act(replica, *arguments)
        self.now = until
        return self

    def restart(self, number: int) -> None:
        """A new process takes this replica's place."""
        self.replicas[number].gone = True
        self.replicas[number] = self._born(number)

    def freeze(self, number: int, seconds: float) -> None:
        """An agent that is not scheduled for so long, and for a minute knows it (agent.pulse)."""
        one = self.replicas[number]
        one.frozen_until, one.lost, one.lost_until = self.now + seconds, seconds, self.now + seconds + 60

    def ready(self) -> list[int]:
        """Who is ready now."""
        return [one.number for one in self.replicas if one.verdict is not None and one.verdict.ready]

    def left(self, since: float = 0.0) -> dict[int, float]:
        """Who was ready and then was not, and when first."""
        found: dict[int, float] = {}
        for change in self.changes:
            if not change.ready and change.at >= since:
                found.setdefault(change.replica, change.at)
        return found

    def naive_left(self) -> dict[int, float]:
        """Who would have left, had it left for whatever is down."""
        return {one.number: one.naive_left for one in self.replicas if one.naive_left is not None}

    # -- the life of one replica -------------------------------------------------------------------------------------

    def _born(self, number: int) -> Replica:
        replica = Replica(number, f"{self.random.getrandbits(64):016x}", self._policy, self._refresh)
        for asked in self._probes:
            replica.board.enter(asked.member, self.now)
            asking = replica.asking[asked.member.name] = Asking(asked)
            first = first_delay(asked.pace, self.random.random(), shared=asked.member.shared)
            self._start_at(replica, asking, self.now + first)
        if self._refresh is not None:
            self._push(self.now + self.random.random() * self._refresh, self._round, replica)
        return replica

    def _push(self, at: float, act: Callable[..., None], replica: Replica, *arguments: object) -> None:
        heapq.heappush(self._queue, (at, next(self._order), act, replica, arguments))

    def _start_at(self, replica: Replica, asking: Asking, at: float) -> None:
        asking.turn += 1
        asking.due = at
        self._push(at, self._start, replica, asking, asking.turn)

    def _poke(self, replica: Replica, name: str) -> None:
        asking = replica.asking[name]
        if asking.running:
            asking.rung = True
        elif (soon := max(self.now + TURN, asking.free_at)) < asking.due:
            self._start_at(replica, asking, soon)
            asking.free_at = asking.due + EXTRA_EVERY

    def _start(self, replica: Replica, asking: Asking, turn: int) -> None:
        if asking.turn != turn:
            return
        asking.running, asking.rung = True, False
        name = asking.asked.member.name
        failed = any(fault.strikes(replica.number, name, self.now, self.random) for fault in self.faults)
        ends = self.now + (FAIL_SECONDS if failed else PASS_SECONDS)
        self._push(ends, self._end, replica, asking, self.now, ends, failed)

    def _end(self, replica: Replica, asking: Asking, started: float, ends: float, failed: bool) -> None:
        # The deadline struck while the agent itself stood still: nobody knows whether an answer was there.
        inconclusive = failed and self.now > ends
        outcome = Outcome.INCONCLUSIVE if inconclusive else Outcome.FAIL if failed else Outcome.PASS
        reason = Reason.CONNECT_TIMEOUT if failed else Reason.OK
        name, pace = asking.asked.member.name, asking.asked.pace
        self._observe(replica, Observation(name, "tcp", 0, started, self.now, self.now, outcome, reason))
        machine = replica.board.machine(name)
        down_for = self.now - machine.since if machine.state is State.DOWN else 0.0
        wait = next_wait(
            pace, machine.state, changing=machine.changing(), down_for=down_for, chance=self.random.random()
        )
        asking.running = False
        self._start_at(replica, asking, max(self.now, started + wait))
        if asking.rung:
            self._poke(replica, name)

    def _observe(self, replica: Replica, seen: Observation) -> None:
        """As `Replica.observe` of agent/replica.py."""
        edge = replica.board.record(seen)
        machine, member = replica.board.machine(seen.probe), replica.asking[seen.probe].asked.member
        replica.room.observe(seen, shared=member.shared)
        replica.told = None
        if machine.state is State.DOWN and replica.naive_left is None and member.when_down == "unready":
            replica.naive_left = self.now
        if member.depends_on and seen.outcome is Outcome.FAIL and machine.failures == 1:
            for parent in ancestors(seen.probe, replica.board.view(self.now)):
                self._poke(replica, parent.member.name)
        if edge is not None or (member.shared and machine.state is State.DOWN):
            self._weigh(replica)

    def _weigh(self, replica: Replica) -> None:
        lost = replica.lost if self.now < replica.lost_until else 0.0
        views = replica.board.view(self.now - lost, self.maintained)
        for name in replica.room.weigh(views, self.now, chance=self.random.random()):
            self._poke(replica, name)
        replica.verdict = replica.room.verdict(views, self.now, draining=False)
        if replica.verdict.ready is not replica.was_ready:
            replica.was_ready = replica.verdict.ready
            self.changes.append(Change(self.now, replica.number, replica.was_ready))

    # -- what the replicas tell each other ---------------------------------------------------------------------------

    def _round(self, replica: Replica) -> None:
        others = len(self.replicas) - 1
        chosen = [at + (at >= replica.number) for at in self.random.sample(range(others), min(ASKED_PEERS, others))]
        done = self.now
        for other in chosen:
            answering = self.replicas[other]
            if answering.frozen_until > self.now or not self.hears(replica.number, other):
                continue
            if self._late:
                written = self.now + self.random.random() * self._late / 2
                arrives = written + self.random.random() * self._late / 2
                self._push(written, self._write, answering, replica, self.now, arrives)
                done = max(done, arrives)
            else:
                replica.fleet.hear(self._view(answering, self.now))
        replica.fleet.count(others, self.now)
        self._push(done, self._round_ends, replica, self.now) if self._late else self._round_ends(replica, self.now)

    def _round_ends(self, replica: Replica, began: float) -> None:
        self._weigh(replica)
        wait = self._refresh * (1 - SPREAD + 2 * SPREAD * self.random.random())
        self._push(max(self.now + self._refresh * SPREAD, began + wait), self._round, replica)

    def _write(self, answering: Replica, asker: Replica, asked_at: float, arrives: float) -> None:
        self._push(arrives, self._arrive, asker, self._view(answering, asked_at))

    def _arrive(self, asker: Replica, view: PeerView) -> None:
        asker.fleet.hear(view)

    def _view(self, answering: Replica, asked_at: float) -> PeerView:
        """Ages on the wire are whole milliseconds, rounded up, and count from when the view was asked for."""
        told, late = answering.told, self.now - asked_at
        if told is None or late:
            seen = answering.room.told()
            told = {name: tuple([Attempted(at - late - MS, passed) for at, passed in seen[name]]) for name in seen}
            answering.told = None if late else told
        return PeerView(answering.identity, asked_at, answering.room.wants_out, told)
