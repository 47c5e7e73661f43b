"""Alerts that depend on another, by the life-cycle vectors."""

import pytest

from agent.alerting.engine import AlertEngine
from agent.events import Observation, Outcome
from agent.slo.engine import SloEngine
from config.sections.alerts import Route
from tests.agent.slo.stream import BASE, H, page_only

TO_ALL = (Route(to=("oncall",)),)


class World:
    """`api` depends on `pg`; both asked and judged each 30 s. What explains is the vector's word."""

    def __init__(self, explains):
        self.slos = SloEngine([page_only(name=name, probe=name, slot_seconds=30) for name in ("pg", "api")])
        self.now = 0
        self.alerts = AlertEngine(
            self.slos,
            TO_ALL,
            state_of=lambda _: "down",
            explained_by=lambda name: "pg" if name == "api" and explains(self.now) else "",
        )

    def go(self, start, end, pg=lambda t: False, api=lambda t: False):
        """[(t, objective, fires, started at)] of what is told."""
        told = []
        for self.now in range(start, end, 30):
            for name, fails in (("pg", pg), ("api", api)):
                outcome = Outcome.FAIL if fails(self.now) else Outcome.PASS
                at = float(self.now)
                self.slos.observe(Observation(name, "tcp", 1, at, at, BASE + at, outcome))
            alerts = [one.alert for one in self.alerts.tick(BASE + self.now)]
            told += [(self.now, one.labels["slo"], one.firing, one.started_at - BASE) for one in alerts]
        return told


@pytest.mark.case("L09")
def test_what_its_cause_explains_is_told_once_that_is_over_for_five_minutes():
    """`api` fires at 60 behind `pg`: suppressed; 300 s after `pg` is over it speaks, as having begun at 60."""
    world = World(lambda t: t <= 870)
    world.go(-H, 0)
    told = world.go(0, 900, lambda t: t < 600, lambda t: t >= 30)
    assert told == [(30, "pg", True, 30)]
    (row,) = [row for row in world.alerts.view() if row["slo"] == "api"]
    assert (row["state"], row["suppressed_by"], row["since"]) == ("suppressed", "pg", BASE + 60)
    told = world.go(900, 1500, api=lambda t: t >= 30)
    assert (1170, "api", True, 60) in told
    assert [each for each in told if each[1] == "api"] == [(1170, "api", True, 60)]


@pytest.mark.case("L10")
def test_the_end_of_what_was_told_is_told_though_its_cause_fires():
    """`api` was told before `pg` fired: its end is never suppressed."""
    world = World(lambda t: t >= 600)
    world.go(-H, 0)
    told = world.go(0, 2400, lambda t: t >= 600, lambda t: t < 300)
    assert told == [(30, "api", True, 30), (630, "pg", True, 630), (870, "api", False, 30)]
