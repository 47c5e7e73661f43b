"""This replica: what it believes of its probes, what it knows of its peers, and what follows.

The rooms behind it are pure; here they meet the real time. The app hands in what happens, the web room reads.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from agent.assemble import Plan
from agent.events import Observation, Outcome
from agent.health.board import Board, View
from agent.health.maintenance import Maintenance
from agent.health.roots import ancestors
from agent.health.state import Edge, State
from agent.heartbeats import Heartbeats
from agent.lifecycle import Lifecycle
from agent.pulse import Pulse
from agent.readiness.fleet import Company, Fleet, Told
from agent.readiness.groups import Group, GroupVerdict, decide_group
from agent.readiness.override import Overrides
from agent.readiness.policy import Verdict, starting, unjudged
from agent.readiness.room import Readiness
from agent.readiness.weight import weight
from agent.scheduler.tasks import Planned
from exporters.base import Sample
from probes.base import Probe

log = logging.getLogger(__name__)


class Replica:
    """The judgement of one replica. `poke` asks a probe once more, at once."""

    def __init__(self, board: Board, lifecycle: Lifecycle, pulse: Pulse, poke: Callable[[str], None]) -> None:
        self.board, self.maintenance, self.overrides = board, Maintenance(), Overrides()
        self.heartbeats = Heartbeats(poke)
        self.fleet = Fleet(secrets.token_hex(8))
        self.says: Callable[[float], Mapping[str, Told]] = lambda _: {}  # of alerts, at a monotonic time
        self._room = Readiness(self.fleet)
        self._lifecycle, self._pulse, self._poke = lifecycle, pulse, poke
        self._groups: Mapping[str, Group] = {}
        self._rate = 0.0  # attempts a second of the whole fleet on one shared target; 0: as many as they like
        self._judged = False
        self._ready_since: float | None = None
        self._changes = 0  # of the verdict that was told

    def configure(self, plan: Plan, *, judged: bool) -> None:
        """Put a plan in force. `judged` False: there is no valid file, and nothing is judged."""
        peers = plan.file.readiness.peers
        self._rate = float(peers.rate) if peers else 0.0
        self._room.configure(plan.policy)
        self.maintenance.configure(plan.windows)
        self._groups, self._judged = plan.groups, judged
        tokens = {name: each.cls.heartbeat_token(each.options) for name, each in plan.probes.items()}
        self.heartbeats.configure({name: token for name, token in tokens.items() if token is not None})
        self.weigh()

    # -- what happens ----------------------------------------------------------------------------------------------

    def observe(self, seen: Observation) -> Edge | None:
        """Take one attempt in; returns the change of state it made."""
        edge = self.board.record(seen)
        member = self.board.member(seen.probe)
        if member is None:
            return None
        machine = self.board.machine(seen.probe)
        self._room.observe(seen, shared=member.shared)
        if member.depends_on and seen.outcome is Outcome.FAIL and machine.failures == 1:
            for parent in ancestors(seen.probe, self.views()):
                self._poke(parent.member.name)
        if edge is not None or (member.shared and machine.state is State.DOWN):
            self.weigh()
        return edge

    def weigh(self) -> None:
        """Judge anew: something was seen or heard, or time went by."""
        views, now = self.views(), time.monotonic()
        for name in self._room.weigh(views, now, chance=random.random()):
            self._poke(name)
        self.verdict()

    def maker(self, planned: Planned) -> Callable[[], Probe[Any]]:
        """Makes the instances of a probe: each is told what was pushed for it, also to those before it."""
        pushed = planned.cls.heartbeat_token(planned.options) is not None
        return partial(planned.make, self.heartbeats.of(planned.member.name)) if pushed else planned.make

    def forget(self, name: str) -> None:
        """A probe is gone from the file."""
        self._room.forget(name)

    # -- what follows ----------------------------------------------------------------------------------------------

    def views(self) -> Mapping[str, View]:
        """Every probe as it is believed to be now."""
        wall = time.time()
        return self.board.view(time.monotonic() - self._pulse.lost(), lambda name: self.maintenance.why(wall, name))

    def maintained(self, probe: str) -> bool:
        """Whether a probe is in maintenance now."""
        return bool(self.maintenance.why(time.time(), probe))

    def verdict(self, exclude: frozenset[str] = frozenset()) -> Verdict:
        """May this replica get traffic, now."""
        now, draining = time.monotonic(), self._lifecycle.draining
        override = self.overrides.current(now)
        if not self._lifecycle.configured:
            return starting()
        if not self._judged:
            found = unjudged(draining=draining, override=override)
        else:
            found = self._room.verdict(self.views(), now, draining=draining, exclude=exclude, override=override)
        if not exclude:
            self._keep(found, now)
        return found

    def group(self, name: str) -> GroupVerdict | None:
        """The verdict over one group; None when there is none of this name. One that drains is ready for nothing."""
        group = self._groups.get(name)
        return None if group is None else self._decided({name: group})[name]

    def groups(self) -> Mapping[str, GroupVerdict]:
        """The verdicts over all groups."""
        return self._decided(self._groups)

    def weight(self) -> int:
        """This replica's share of the traffic, in percent of an equal one."""
        return weight(self.views(), self.verdict(), time.monotonic(), self._ready_since)

    def peerz(self) -> Mapping[str, Any] | None:
        """What the peers are told; None when there are none to tell."""
        return None if self.fleet.refresh is None else self.told()

    def told(self) -> Mapping[str, Any]:
        """What the peers are told: the document of `/peerz`."""
        from agent.peers.wire import document  # noqa: PLC0415 - only where there are peers

        now = time.monotonic()
        return document(self.fleet.identity, self._room.wants_out, self._room.told(), now, self.says(now))

    def shared(self) -> Mapping[str, float]:
        """The shared probes with their timeouts, in seconds."""
        return {each.name: each.timeout for each in self.board.members() if each.shared}

    def company(self) -> Company | None:
        """The other replicas, in numbers; None where nobody is asked."""
        return self.fleet.company(time.monotonic())

    def wants_out(self) -> bool:
        """Whether it would leave for a shared reason, if the brake let it."""
        return self._room.wants_out

    def reads(self, probe: str) -> bool:
        """Whether this replica is the one that reads for all what is a fact about the dependency itself."""
        return self._room.reads(probe, time.monotonic())

    def stretch(self, probe: str) -> float:
        """Seconds between two attempts of this replica at least, so that the whole fleet keeps its rate."""
        member = self.board.member(probe)
        if not self._rate or member is None or not member.shared:
            return 0.0
        return self.fleet.size(time.monotonic()) / self._rate

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """The verdict, for the metrics page."""
        verdict = self.verdict()
        yield from self.heartbeats.samples()
        yield "outrider_ready", [Sample((), float(verdict.ready))]
        yield "outrider_ready_changes_total", [Sample((), self._changes)]
        yield "outrider_readiness_weight_ratio", [Sample((), self.weight() / 100)]
        yield "outrider_readiness_brake_open", [Sample((), float(verdict.held_open))]
        yield "outrider_readiness_overridden", [Sample((), float(verdict.override is not None))]
        yield "outrider_unjudged", [Sample((), float(verdict.unjudged))]
        yield "outrider_draining", [Sample((), float(verdict.draining))]
        yield "outrider_group_ready", [Sample((name,), float(each.ready)) for name, each in self.groups().items()]

    def _keep(self, verdict: Verdict, now: float) -> None:
        """Remember since when it is ready, and tell each change once: no verdict that anybody got goes untold."""
        self._room.served |= verdict.ready and not verdict.override
        if verdict.ready is (self._ready_since is not None):
            return
        self._ready_since = now if verdict.ready else None
        self._changes += 1
        if verdict.ready:
            log.info("this replica is ready")
        else:
            log.warning("this replica is unready: %s", "; ".join(verdict.reasons))

    def _decided(self, groups: Mapping[str, Group]) -> Mapping[str, GroupVerdict]:
        """The verdicts over these, all of them from one picture."""
        if not groups:
            return {}
        views = self.views()
        situation = self._room.situation(views, time.monotonic())
        found = {name: decide_group(group, views, situation) for name, group in groups.items()}
        if self._lifecycle.draining:
            return {name: replace(each, ready=False) for name, each in found.items()}
        return found
