"""What the web room is given to answer from: callables, so that a reload may swap what stands behind them."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.alerting.silences import Here, Keeper, Silences
from agent.health.board import View
from agent.health.maintenance import Maintenance
from agent.health.state import Edge
from agent.heartbeats import Heartbeats
from agent.lifecycle import Lifecycle
from agent.outbox.dead import DeadLetter
from agent.readiness.fleet import Company
from agent.readiness.groups import GroupVerdict
from agent.readiness.override import Overrides
from agent.readiness.policy import Verdict
from agent.red.group import Group
from agent.web.counted import Counted
from exporters.base import SampleSource


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What became of a request to read the file again.

    `problems`: why the new file was refused, one line each; then the old one stays in force. `changes`: what was
    started, restarted or stopped, one sentence each; empty when the file says what was in force already.
    """

    problems: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def _nothing() -> list[Mapping[str, Any]]:
    return []


def _empty() -> Mapping[str, Any]:
    return {}


def _no_group(name: str) -> GroupVerdict | None:
    return None


def _none_since(moment: float) -> Sequence[Group]:
    return ()


async def _unchanged() -> ReloadResult:
    return ReloadResult()


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a request may be answered from. No callable may block; only `reload` and `keeper` may await.

    `verdict` takes the names of members to leave out. `live` is true while the agent's own loop turns. `pipeline`,
    `slos` and `alerts` are ready for JSON; `config` is the file in force, its secrets masked by their own types.
    `weight`: this replica's share of the traffic, in percent. `company`: the other replicas, in numbers. `peerz`: what
    they are told, None without peers; then `peer_tokens` says who may read it. `edges`: the changes of state of the
    last hour. `undelivered`: what receivers will never hear. `exceptions`: those that spans told of; both have the
    newest first. `new_exceptions`: of types not seen before a moment in Unix time. `silences` are those that are known,
    `keeper` makes and ends them. `quiet`: Prometheus calls, and this agent does not.
    """

    service: Callable[[], str]
    version: str
    verdict: Callable[[frozenset[str]], Verdict]
    views: Callable[[], Mapping[str, View]]
    lifecycle: Lifecycle
    live: Callable[[], bool] = lambda: True
    sources: Callable[[], Sequence[SampleSource]] = tuple
    config: Callable[[], Mapping[str, Any]] = _empty
    reload: Callable[[], Awaitable[ReloadResult]] = _unchanged
    pipeline: Callable[[], Mapping[str, Any]] = _empty
    slos: Callable[[], Sequence[Mapping[str, Any]]] = _nothing
    alerts: Callable[[], Sequence[Mapping[str, Any]]] = _nothing
    undelivered: Callable[[], Sequence[DeadLetter]] = tuple
    blackbox_names: Callable[[], bool] = lambda: False
    group: Callable[[str], GroupVerdict | None] = _no_group
    groups: Callable[[], Mapping[str, GroupVerdict]] = dict
    weight: Callable[[], int] = lambda: 100
    company: Callable[[], Company | None] = lambda: None
    peerz: Callable[[], Mapping[str, Any] | None] = lambda: None
    peer_tokens: Callable[[], Any] = lambda: None
    edges: Callable[[], Sequence[Edge]] = tuple
    exceptions: Callable[[], Sequence[Group]] = tuple
    new_exceptions: Callable[[float], Sequence[Group]] = _none_since
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    counted: Counted = field(default_factory=Counted)
    override: Overrides = field(default_factory=Overrides)
    maintenance: Maintenance = field(default_factory=Maintenance)
    silences: Silences = field(default_factory=Silences)
    keeper: Keeper = field(default_factory=Here)
    quiet: Callable[[], bool] = lambda: False
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time

    def moment(self, monotonic: float) -> float:
        """The wall clock at a monotonic moment, for people."""
        return self.wall() - (self.now() - monotonic)
