"""One fault calls once: what its cause calls for is not told a second time."""

import pytest

from agent.alerting.engine import AlertEngine
from agent.alerting.lifecycle import AlertState
from agent.events import Observation, Outcome
from agent.health.board import Board, Member
from agent.health.roots import explanation
from agent.slo.engine import SloEngine
from config.sections.alerts import Route
from tests.agent.slo.stream import BASE, page_only

TO_ALL = (Route(to=("oncall",)),)


class World:
    """A database and an app that depends on it, each with an objective; asked every ten seconds, judged every five."""

    def __init__(self, *, objectives=("app", "db")):
        self.board, self.now, self.failing, self.notices = Board(), 0, set(), []
        self.board.enter(Member("db", "tcp"), 0.0)
        self.board.enter(Member("app", "tcp", depends_on=("db",)), 0.0)
        self.slos = SloEngine([page_only(name=name, probe=name) for name in objectives])
        self.alerts = AlertEngine(
            self.slos,
            TO_ALL,
            state_of=lambda name: self.views[name].state.value,
            explained_by=lambda name: explanation(name, self.views),
        )

    @property
    def views(self):
        return self.board.view(float(self.now))

    def go(self, seconds, *failing):
        """Let time pass while these fail; returns what was told: (probe, fires)."""
        told = []
        for _ in range(0, seconds, 5):
            if self.now % 10 == 0:
                self._ask("db", "db" in failing)
            if self.now % 10 == 5:
                self._ask("app", "app" in failing)
            told += [(one.alert.labels["slo"], one.alert.firing) for one in self.alerts.tick(BASE + self.now)]
            self.now += 5
        return told

    def _ask(self, name, failed):
        at, outcome = float(self.now), Outcome.FAIL if failed else Outcome.PASS
        seen = Observation(name, "tcp", 1, at, at, BASE + at, outcome)
        self.board.record(seen)
        self.slos.observe(seen)

    def shown(self):
        return {row["slo"]: (row["state"], row["suppressed_by"]) for row in self.alerts.view()}


@pytest.mark.case("R23")
def test_parent_and_child_down_is_one_notification():
    """The parent's; the child is listed as suppressed by it, and the metric says 3."""
    world = World()
    world.go(3600)
    assert world.go(600, "db", "app") == [("db", True)]
    assert world.shown() == {"db": ("firing", None), "app": ("suppressed", "db")}
    (_, samples), *_ = world.alerts.samples()
    assert {sample.labels[1]: sample.value for sample in samples} == {"app": AlertState.SUPPRESSED, "db": 2}


@pytest.mark.case("R23")
def test_both_recover_and_nobody_is_called_for_the_child():
    """Its numbers burn on for a while after both are up again: one end is told, that of what was told."""
    world = World()
    world.go(3600)
    world.go(600, "db", "app")
    assert world.go(3600) == [("db", False)]
    assert world.shown() == {}


@pytest.mark.case("R23")
def test_the_child_recovers_later():
    """The parent is up for some seconds while the child is not yet: still nobody is called for it."""
    world = World()
    world.go(3600)
    world.go(600, "db", "app")
    assert world.go(40, "app") == []
    assert world.go(3600) == [("db", False)]


@pytest.mark.case("R23")
def test_a_child_that_stays_down_alone_calls_for_itself():
    """The parent is back for good and the child is not: five minutes on it has its own notice, and its own end."""
    world = World()
    world.go(3600)
    world.go(600, "db", "app")
    assert world.go(300, "app") == []
    assert world.go(100, "app") == [("app", True)]
    assert world.shown()["app"] == ("firing", None)
    assert sorted(world.go(3600)) == [("app", False), ("db", False)]


@pytest.mark.case("R23")
def test_a_child_that_fails_alone_another_day():
    """What was suppressed once is not suppressed for ever."""
    world = World()
    world.go(3600)
    world.go(600, "db", "app")
    world.go(7200)
    assert world.go(600, "app") == [("app", True)]


def test_a_cause_that_calls_nobody_suppresses_nothing():
    """The parent has no objective: the child's notice is the only one there can be."""
    world = World(objectives=("app",))
    world.go(3600)
    assert world.go(600, "db", "app") == [("app", True)]
