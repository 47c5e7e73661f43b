"""Probes that pass, warn and fail in simulated time, and who is called for it."""

from agent.alerting.engine import AlertEngine
from agent.alerting.plain.conditions import Plain
from agent.alerting.plain.holds import Seen
from agent.events import Observation, Outcome
from agent.health.board import Board, Member
from agent.health.roots import explanation
from agent.slo.engine import SloEngine
from config.sections.alerts import PlainAlerts, Route
from probes.base import Measurement
from probes.reason import Reason
from tests.agent.slo.stream import BASE

TO_ALL = (Route(to=("oncall",)),)
OUTCOMES = {".": Outcome.PASS, "w": Outcome.WARN, "F": Outcome.FAIL, "?": Outcome.INCONCLUSIVE}


class World:
    """One attempt of each probe and one judgement every ten seconds. `seen` is what else there is to judge."""

    def __init__(self, *members, objectives=(), settings=None):
        self.board, self.now, self.seen, self.planned = Board(), 0, {}, set()
        for member in members or (Member("db", "postgres"),):
            self.board.enter(member, 0.0)
        self.objectives, self.settings = objectives, settings or PlainAlerts()
        self.born()

    def born(self):
        """A new process: it knows the file, and nothing else."""
        self.slos, self.plain = SloEngine(self.objectives), Plain()
        self.plain.configure("shop", self.settings, {each.probe for each in self.objectives})
        self.alerts = AlertEngine(
            self.slos,
            TO_ALL,
            {"team": "payments"},
            state_of=lambda name: self.views[name].state.value,
            explained_by=lambda name: explanation(name, self.views),
            plain=lambda now: self.plain.conditions(Seen(self.views, **self.seen), now),
        )

    @property
    def views(self):
        return self.board.view(float(self.now), lambda name: "planned" if name in self.planned else "")

    def go(self, results, *, detail="", reason=Reason.CONNECT_REFUSED, readings=(), **others):
        """One step for each letter of `results`, of `db` or by name; returns [(t, alert)] of what is told."""
        told = []
        for number in range(len(results)):
            for name, letters in ({"db": results} | others).items():
                self._ask(name, letters[number], reason, detail, readings)
            told += [(self.now, notice.alert) for notice in self.alerts.tick(BASE + self.now)]
            self.now += 10
        return told

    def told(self, results, **others):
        """The same, as (t, what, about, fires)."""
        return [
            (t, each.name.removeprefix("Outrider"), about(each), each.firing) for t, each in self.go(results, **others)
        ]

    def shown(self):
        return {(row["name"].removeprefix("Outrider"), row["about"]): row["state"] for row in self.alerts.view()}

    def _ask(self, name, letter, reason, detail, readings):
        if letter == " " or self.board.member(name) is None:
            return
        at, outcome = float(self.now), OUTCOMES[letter]
        why = Reason.OK if letter == "." else reason
        phase = "connect" if letter == "F" else ""
        read = Measurement(tuple(readings))
        seen = Observation(
            name, "tcp", 1, at, at, BASE + at, outcome, why, phase=phase, detail=detail, measurement=read
        )
        self.board.record(seen)
        self.slos.observe(seen)


def about(alert):
    """What an alert is about."""
    return next((alert.labels[key] for key in ("slo", "probe", "destination") if key in alert.labels), "")
