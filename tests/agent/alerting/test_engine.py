"""From failing attempts to notices: who is told what, once per episode."""

import json

import pytest

from agent.alerting.engine import AlertEngine
from agent.slo.engine import SloEngine
from config.sections.alerts import Route
from exporters.base import Severity
from exporters.contract import METRICS
from tests.agent.slo.stream import BASE, attempt, page_only

TO_ALL = (Route(to=("fleet", "hook")),)


class World:
    """An alert engine that is fed attempts of the probe `db`."""

    def __init__(self, *objectives, routes=TO_ALL, state="down"):
        self.slos = SloEngine(objectives or [page_only()])
        self.alerts = AlertEngine(self.slos, routes, {"team": "payments"}, lambda probe: state)
        self.now = 0

    def go(self, seconds, what="good", *, shift=0):
        """Let time pass with one attempt and one judgement each 10 s; returns [(t, notice)]."""
        notices = []
        for _ in range(0, seconds, 10):
            if what is not None:
                self.slos.observe(attempt(self.now + shift, what))
            notices += [(self.now, notice) for notice in self.alerts.tick(BASE + self.now + shift)]
            self.now += 10
        return notices

    def state(self):
        """The value of outrider_alert_state."""
        ((name, samples),) = self.alerts.samples()
        assert all(len(sample.labels) == len(METRICS[name].labels) for sample in samples)
        return [sample.value for sample in samples]


def test_one_outage_is_one_firing_and_one_resolved():
    """Told at the sixth failure and once after keep_firing_for; identity and receivers are the same at both."""
    world = World()
    assert world.go(3600) == []
    (at, firing), (end, resolved) = [*world.go(600, "bad"), *world.go(3600)]
    assert (at, end) == (3600 + 50, 3600 + 600 + 290 + 300)
    assert (firing.alert.started_at, firing.alert.firing) == (BASE + at, True)
    assert (resolved.alert.started_at, resolved.alert.resolved_at) == (BASE + at, BASE + end)
    assert firing.alert.severity is Severity.PAGE
    assert firing.alert.labels == {
        "alertname": "OutriderSLOBurn",
        "service": "shop",
        "severity": "page",
        "slo": "db",
        "team": "payments",
    }
    assert firing.receivers == resolved.receivers == ("fleet", "hook")
    assert firing.alert.key == resolved.alert.key


def test_the_message_tells_what_a_person_needs():
    """What burns, how fast, what is left, what the probe says and where to read on; not the attempt's detail."""
    world = World(page_only(runbook_url="https://runbooks.example/db", description="Orders need it."))
    world.go(3600)
    ((_, notice),) = world.go(100, "bad")
    said = notice.alert.annotations
    assert said["summary"] == "shop db: error budget burns 200 times as fast as it may"
    assert said["description"] == (
        "Probe db failed 20.0% of the last 5 minutes and 1.7% of the last hour; the objective is 99.9% over 30d. "
        "Burn rate 200 over 5m and 16.7 over 1h; above 14.4 somebody is called. "
        "Error budget left: 97.7% (42.2 of 43.2 minutes), which lasts 42 hours at the last hour's rate. "
        "db is down; its last attempt: fail, connect_refused in connect. Orders need it."
    )
    assert said["runbook_url"] == "https://runbooks.example/db"
    assert said["budget_left"] == "97.7% (42.2 of 43.2 minutes)"


def test_the_end_is_told_as_an_end():
    """A resolved alert says that it no longer burns, for how long it did and what that cost, and how things are now."""
    world = World(state="up")
    world.go(3600)
    *_, (_, notice) = [*world.go(300, "bad"), *world.go(1200)]
    assert notice.alert.annotations["summary"] == "shop db: error budget no longer burns too fast"
    assert notice.alert.annotations["description"].startswith(
        "It lasted 14 min; when it was announced, 97.7% (42.2 of 43.2 minutes) of the error budget was left. Probe db "
    )
    assert "Error budget left: 88.4% (38.2 of 43.2 minutes)" in notice.alert.annotations["description"]
    assert "db is up; its last attempt passed." in notice.alert.annotations["description"]


def test_an_overspent_budget_is_told_as_such():
    """Below zero, and without a time that the rest would last."""
    world = World(page_only("99.99", window_seconds=86400))
    world.go(3600)
    ((_, notice),) = world.go(600, "bad")
    assert "Error budget left: -" in notice.alert.annotations["description"]
    assert "which lasts" not in notice.alert.annotations["description"]
    assert notice.alert.annotations["summary"] == "shop db: error budget burns 333 times as fast as it may"


def test_large_burn_rates_are_written_out():
    """A person reads 10,000 and not 1e+04."""
    world = World(page_only("99.99", for_seconds=300))
    world.go(3600)
    ((_, notice),) = world.go(600, "bad")
    assert notice.alert.annotations["summary"] == "shop db: error budget burns 10,000 times as fast as it may"


def test_a_receiver_that_comes_while_it_fires_hears_of_it():
    """Other routes name one more: it alone is told, once, with the same start; the end goes to both."""
    world = World(routes=(Route(to=("hook",)),))
    world.go(3600)
    ((_, first),) = world.go(300, "bad")
    world.alerts.configure((Route(to=("hook", "chat")),), {"team": "payments"})
    ((_, late),) = world.go(300, "bad")
    assert (late.receivers, late.alert) == (("chat",), first.alert)
    ((_, end),) = world.go(3600)
    assert (end.receivers, end.alert.firing) == (("hook", "chat"), False)


def test_states_are_seen_in_metric_and_view():
    """Inactive 0, pending 1, firing 2, stale 4; the view shows all but the inactive ones, as plain JSON."""
    world = World(page_only(for_seconds=30))
    world.go(3600)
    assert (world.state(), world.alerts.view()) == ([0], [])
    world.go(60, "bad")
    assert world.state() == [1]
    assert (world.alerts.view()[0]["state"], world.alerts.view()[0]["started_at"]) == ("pending", None)
    world.go(60, "bad")
    assert world.state() == [2]
    shown = json.loads(json.dumps(world.alerts.view()))[0]
    assert (shown["state"], shown["since"], shown["started_at"]) == ("firing", BASE + 3650, BASE + 3680)
    assert shown["receivers"] == ["fleet", "hook"]
    assert world.go(1500, "unknown") == []
    assert world.state() == [4]


def test_an_objective_that_leaves_the_file_ends_its_alert():
    """Nobody is left with an alert that can never be resolved."""
    world = World()
    world.go(3600)
    world.go(300, "bad")
    world.slos.configure([])
    ((_, notice),) = world.go(10, None)
    assert not notice.alert.firing
    assert notice.alert.annotations == {"summary": "db: the objective was removed while its alert was firing"}
    assert world.go(600, None) == []
    assert world.state() == []


def test_an_objective_that_leaves_in_peace_is_not_told():
    """Only what was announced is taken back."""
    world = World()
    world.go(600)
    world.slos.configure([])
    assert world.go(60, None) == []


def test_an_alert_ends_under_the_labels_and_routes_it_began_with():
    """A reload in the middle must not leave the first receivers with an open alert."""
    world = World()
    world.go(3600)
    ((_, firing),) = world.go(300, "bad")
    world.alerts.configure([Route(to=("other",))], {"team": "search"})
    *_, (_, resolved) = world.go(1200)
    assert set(firing.receivers) < set(resolved.receivers)
    assert (resolved.alert.labels, resolved.alert.key) == (firing.alert.labels, firing.alert.key)


def test_an_alert_never_ends_before_it_began():
    """The clock goes back by two hours while it fires."""
    world = World()
    world.go(3600)
    ((_, firing),) = world.go(300, "bad")
    ((_, resolved),) = world.go(1200, shift=-7200)
    assert resolved.alert.resolved_at == firing.alert.started_at


@pytest.mark.case("V10")
def test_two_objectives_are_two_alerts():
    """Each has its own identity and its own life."""
    world = World(page_only(), page_only("99", name="loose"))
    world.go(3600)
    notices = [notice for _, notice in world.go(600, "bad")]
    assert [notice.alert.labels["slo"] for notice in notices] == ["db", "loose"]
    assert len({notice.alert.key for notice in notices}) == 2
