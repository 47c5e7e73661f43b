"""Alerts on requests: what burns in numbers of requests, and nothing of a probe."""

from agent.alerting.engine import AlertEngine
from agent.slo.engine import SloEngine
from agent.slo.objective import Requests
from config.sections.alerts import Route
from tests.agent.slo.stream import BASE, attempt, page_only


class World:
    """Ten requests each five seconds, judged each time; and a probe that fails with them where there is one."""

    def __init__(self, *others, requests=Requests(), **options):  # noqa: B008 - it is frozen
        web = page_only(name="web", probe="", requests=requests, min_bad=3, **options)
        self.slos, self.now, self.asked = SloEngine([web, *others]), 0, []
        self.alerts = AlertEngine(
            self.slos,
            [Route(to=("oncall",))],
            state_of=self.believed,
            explained_by=lambda probe: "db" if probe != "db" else "",
        )

    def believed(self, probe):
        """Called for probes only."""
        self.asked.append(probe)
        return "down"

    def go(self, seconds, bad=0):
        """Let time pass; returns [(t, notice)]."""
        notices = []
        for _ in range(0, seconds, 5):
            clock = BASE + self.now
            self.slos.count("web", 10 - bad, bad, clock)
            self.slos.observe(attempt(self.now, "bad" if bad else "good"))
            notices += [(self.now, notice) for notice in self.alerts.tick(clock)]
            self.now += 5
        return notices


def test_the_message_counts_requests():
    """How many of how many failed, over both windows; no sentence about a probe."""
    world = World(runbook_url="https://runbooks.example/web")
    assert world.go(3600) == []
    ((at, notice),) = world.go(120, 5)
    assert at == 3600 + 100
    assert notice.alert.annotations == {
        "summary": "shop web: error budget burns 178 times as fast as it may",
        "description": (
            "Server spans: 105 of 590 failed in the last 5 minutes, and 105 of 7,190 in the last hour; "
            "the objective is 99.9% over 30d. "
            "Burn rate 178 over 5m and 14.6 over 1h; above 14.4 somebody is called. "
            "Error budget left: 98.0% (about 5,072 of 5,177 requests), which lasts 2 days at the last hour's rate."
        ),
        "runbook_url": "https://runbooks.example/web",
        "budget_left": "98.0% (about 5,072 of 5,177 requests)",
    }
    assert world.asked == []


def test_a_limit_and_a_route_are_named():
    """Slow requests are told apart from nothing: they are bad, and the text says what bad is."""
    world = World(requests=Requests("consumer", "orders", 0.25))
    world.go(3600)
    ((_, notice),) = world.go(120, 10)
    assert notice.alert.annotations["description"].startswith(
        "Consumer spans of orders: 110 of 590 failed or took longer than 250ms in the last 5 minutes, and "
    )


def test_one_outage_is_one_firing_and_one_resolved():
    """Told once, and once when it is over and stayed so; the identity is that of any objective."""
    world = World()
    world.go(3600)
    (_, firing), (_, resolved) = [*world.go(300, 10), *world.go(1800)]
    assert (firing.alert.firing, resolved.alert.firing) == (True, False)
    assert firing.alert.key == resolved.alert.key
    assert firing.alert.labels["slo"] == "web"
    assert "0 of 590 failed in the last 5 minutes" in resolved.alert.annotations["description"]


def test_no_traffic_holds_the_alert():
    """Nobody sends any more while it fires: neither resolved nor told again, and stale after ten minutes."""
    world = World()
    world.go(3600)
    assert len(world.go(300, 10)) == 1
    told = []
    for _ in range(240):
        world.now += 5
        told += world.alerts.tick(BASE + world.now)
    assert told == []
    assert [row["state"] for row in world.alerts.view()] == ["stale"]


def test_requests_call_for_themselves():
    """A database that is down and calls does not silence what users see."""
    world = World(page_only(min_bad=3))
    world.go(3600)
    told = [notice.alert.labels["slo"] for _, notice in world.go(300, 10)]
    assert sorted(told) == ["db", "web"]
