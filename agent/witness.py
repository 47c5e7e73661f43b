"""Who is asked for clues when an alert is announced: probes, peers, and the spans that pass."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agent.alerting.clues import Cause, Clues, last_deploy, own_fault, root_cause, seen_by
from agent.health.board import View
from agent.readiness.fleet import Fleet, PeerView, Word
from config.net.text import clean

if TYPE_CHECKING:
    from agent.red.red import Red

_BURNING = frozenset({Word.FIRING, Word.ANNOUNCED})


class Witness:
    """Gathers what is known. `red` is set by whoever sees spans."""

    def __init__(self, views: Callable[[], Mapping[str, View]], fleet: Fleet) -> None:
        self.red: Callable[[], Red | None] = lambda: None
        self._views, self._fleet = views, fleet
        self._name = clean(os.environ.get("K8S_POD_NAME") or socket.gethostname())

    def clues(self, objective: str, probe: str, key: str) -> Clues:
        """Of an alert with this key; `objective` and `probe` are "" where it is about none."""
        now, wall, red = time.monotonic(), time.time(), self.red()
        # What is of the agent itself, a brake or a blind eye, has no probe at its root.
        cause = root_cause(probe, self._views(), now) if objective or probe else Cause()
        release, thrown = (red.release(), red.thrown(objective, wall)) if red else (None, None)
        if thrown and not cause.probe:
            cause = own_fault(thrown.type, thrown.route, thrown.first_seen, wall)
        return Clues(
            cause,
            last_deploy(*release, now=wall) if release else "",
            tuple(red.traces(objective, wall)) if red else (),
            self._seen_by(key, probe or cause.probe, now),
            self._name,
        )

    def _seen_by(self, key: str, probe: str, now: float) -> str:
        others = sum(_sees(view, key, probe) for view in self._fleet.fresh(now))
        return seen_by(others, self._fleet.size(now))


def _sees(view: PeerView, key: str, probe: str) -> bool:
    """Its alert fires, or its newest attempt of the probe failed: a fault is seen before a budget burns."""
    told, attempts = view.alerts.get(key), view.attempts.get(probe)
    return bool(told and told.word in _BURNING) or bool(attempts and not attempts[-1].passed)
