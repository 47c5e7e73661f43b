"""Alerts without an objective: who is told what, once per episode."""

import json
from dataclasses import replace

import msgspec
import pytest

from agent.alerting.kept import KeptAlert
from agent.events import Outcome
from agent.health.board import Member
from agent.health.judge import Bound
from agent.health.state import Rules
from config.sections.alerts import PlainAlert, PlainAlerts
from config.types import Duration
from exporters.base import Severity
from probes.base import Reading
from probes.reason import Reason
from tests.agent.alerting.plain.world import World
from tests.agent.slo.stream import BASE, page_only


def test_a_probe_that_is_down_is_told_once_and_ended_once():
    """Down at the third failure; over once it has been up for a minute; the same identity at both ends."""
    world = World()
    (at, firing), (end, resolved) = world.go("....FFFFFF" + "." * 20)
    assert (at, end) == (60, 110 + 60)
    assert (firing.name, firing.severity, firing.firing) == ("OutriderProbeDown", Severity.PAGE, True)
    assert firing.labels == {
        "alertname": "OutriderProbeDown",
        "service": "shop",
        "severity": "page",
        "probe": "db",
        "team": "payments",
    }
    assert (resolved.key, resolved.started_at, resolved.resolved_at) == (firing.key, BASE + at, BASE + end)
    assert resolved.annotations == {"summary": "shop db is no longer down"}


def test_what_is_said_of_a_probe_that_is_down():
    """Why, and when it last passed; the description and the runbook of the file; not the attempt's own words."""
    world = World(Member("db", "postgres", description="Orders need it.", runbook_url="https://runbooks.example/db"))
    ((_, alert),) = world.go("....FFF", detail="password=hunter2")
    assert alert.annotations == {
        "summary": "shop db is down: connect_refused in connect",
        "description": "Its last attempt: fail, connect_refused in connect. It last passed at 2026-01-01 00:00:30 UTC. "
        "Orders need it.",
        "runbook_url": "https://runbooks.example/db",
    }


def test_a_service_that_starts_is_waited_for():
    """Its agent began before it listens: nobody is woken by a deploy, but by one that has not come up after 5 min."""
    assert World().go("FFFFFFFF" + "." * 30) == []
    assert World().told("F" * 60) == [(20 + 300, "ProbeDown", "db", True)]


def test_a_replica_that_stops_calls_nobody():
    """What it rides beside stops first. What was told before is left to the next process."""
    world = World()
    world.seen = {"draining": True}
    assert world.go("..FFFFFF") == []
    world = World()
    assert [each[1:] for each in world.told(".FFF")] == [("ProbeDown", "db", True)]
    world.seen = {"draining": True}
    assert world.go("." * 60) == []


@pytest.mark.parametrize(("when_down", "severity"), [("unready", "page"), ("degraded", "ticket"), ("ignore", "ticket")])
def test_who_is_woken(when_down, severity):
    """Only what takes the replica out wakes somebody."""
    ((_, alert),) = World(Member("db", "postgres", when_down=when_down)).go(".FFF")
    assert alert.labels["severity"] == severity


def test_a_reading_beyond_its_bound_is_a_ticket_after_five_minutes():
    """It says which reading and which bound; a minute of it would be nobody's business."""
    world = World(Member("db", "postgres", bounds=(Bound("used", 0.8, True, Outcome.WARN, unit="ratio"),)))
    crossed = {"reason": Reason.THRESHOLD, "detail": "used 91 %", "readings": [Reading("used", 0.91)]}
    assert world.go("..." + "w" * 10 + "." * 10, **crossed) == []
    ((at, alert),) = world.go("w" * 40, **crossed)
    assert (at, alert.name, alert.severity) == (230 + 20 + 300, "OutriderProbeDegraded", Severity.TICKET)
    assert alert.annotations["summary"] == "shop db is degraded: used 91 % is above 80 %"
    assert world.told("." * 10) == [(630 + 10 + 60, "ProbeDegraded", "db", False)]


@pytest.mark.parametrize(
    ("reason", "detail", "readings", "says"),
    [
        (Reason.THRESHOLD, "used 91 % is above 80 %", [Reading("used", 0.91)], "used 91 % is above 80 %"),
        (Reason.THRESHOLD, "deadlocks 7/min is above 5/min", [], "deadlocks is above 5/min"),
        (Reason.UNREADABLE, "no right to see hunter2", [Reading("lag", None)], "lag cannot be read"),
        (Reason.WRITES_REFUSED, "hunter2", [], "writes_refused"),
    ],
)
def test_why_it_is_degraded_is_said_in_our_own_words(reason, detail, readings, says):
    """From readings and bounds; what the server said of it stays here."""
    bounds = (
        Bound("used", 0.8, True, Outcome.WARN, unit="ratio"),
        Bound("deadlocks", 5 / 60, True, Outcome.WARN, per_second=True),
    )
    world = World(Member("db", "postgres", bounds=bounds))
    ((_, alert),) = world.go("w" * 40, reason=reason, detail=detail, readings=readings)
    assert alert.annotations["summary"] == f"shop db is degraded: {says}"
    assert "hunter2" not in str(alert.annotations)


def test_down_says_nothing_of_degraded():
    """A degraded probe that goes down: its first alert is neither ended nor said again meanwhile."""
    world = World()
    assert world.told("." + "w" * 40, reason=Reason.UNREADABLE) == [(330, "ProbeDegraded", "db", True)]
    assert world.told("F" * 60) == [(430, "ProbeDown", "db", True)]
    assert [each[1:] for each in world.told("." * 20)] == [
        ("ProbeDown", "db", False),
        ("ProbeDegraded", "db", False),
    ]


def test_a_certificate_has_an_alert_of_its_own():
    """Told at once, as time that is left; the probe being degraded by it alone is not told a second time."""
    world = World(Member("db", "http", bounds=(Bound("certificate_expiry", 14 * 86400, False, Outcome.WARN),)))
    warned = {"reason": Reason.THRESHOLD, "detail": "certificate_expiry 3 d is below 14 d"}
    left = [Reading("certificate_expiry", 3 * 86400.0, "seconds")]
    ((at, alert),) = world.go("w" * 60, readings=left, **warned)
    assert (at, alert.name, alert.severity) == (0, "OutriderCertificateExpires", Severity.TICKET)
    assert alert.annotations["summary"] == "shop db: the certificate expires in 3 d"
    renewed = world.told("." * 40, readings=[replace(left[0], value=80 * 86400.0)])
    assert renewed == [(600 + 300, "CertificateExpires", "db", False)]


def test_another_reading_beyond_its_bound_is_told_beside_the_certificate():
    """What is degraded for two reasons has two alerts."""
    bounds = (
        Bound("certificate_expiry", 14 * 86400, False, Outcome.WARN),
        Bound("size", 100, True, Outcome.WARN),
    )
    world = World(Member("db", "http", bounds=bounds))
    warned = {"reason": Reason.THRESHOLD, "detail": "certificate_expiry 3 d is below 14 d"}
    readings = [Reading("certificate_expiry", 3 * 86400.0, "seconds"), Reading("size", 200.0)]
    told = world.told("w" * 60, readings=readings, **warned)
    assert [each[1] for each in told] == ["CertificateExpires", "ProbeDegraded"]


def test_a_certificate_without_a_bound_is_nobodys_business():
    """Some live for a day: only the file knows what is soon."""
    assert World().go("." * 60, readings=[Reading("certificate_expiry", 60.0, "seconds")]) == []


def test_results_that_come_and_go_are_one_notice():
    """Never three failures in a row, so never down: one ticket, and one end."""
    told = World().told("." * 30 + "F." * 60 + "." * 60)
    assert [each[1:] for each in told] == [("ProbeFlapping", "db", True), ("ProbeFlapping", "db", False)]


@pytest.mark.parametrize("when_down", ["unready", "degraded"])
def test_a_probe_that_is_down_again_and_again_is_one_notice(when_down):
    """Down and up each twenty seconds, ten times a quarter of an hour: told when it is down, and when it is over."""
    world = World(Member("db", "postgres", when_down=when_down, rules=Rules(2, 2)))
    told = world.told("." * 30 + "FF.." * 60 + "." * 60)
    assert [each[1:] for each in told] == [("ProbeDown", "db", True), ("ProbeDown", "db", False)]


def test_whoever_is_to_be_woken_is_woken_although_it_flaps():
    """First the ticket that it flaps, then it stays down: the page is told at once."""
    world = World()
    assert [each[1] for each in world.told("F." * 30)] == ["ProbeFlapping"]
    assert world.told("FFF") == [(620, "ProbeDown", "db", True)]


def test_a_ticket_waits_while_it_flaps():
    """The same for what wakes nobody: the one notice is enough, until it flaps no longer and is still down."""
    world = World(Member("db", "postgres", when_down="degraded"))
    assert [each[1] for each in world.told("F." * 30)] == ["ProbeFlapping"]
    assert world.told("FFFF") == []
    assert world.shown() == {("ProbeFlapping", "db"): "firing", ("ProbeDown", "db"): "suppressed"}
    told = world.told("F" * 80)
    assert [each[1:] for each in told] == [("ProbeFlapping", "db", False), ("ProbeDown", "db", True)]


def test_a_probe_with_an_objective_does_not_call_twice():
    """The objective pages after 50 s; the plain ticket is due after five minutes, and waits while that is out."""
    world = World(objectives=[page_only()])
    world.go("." * 360)
    told = world.told("F" * 60)
    assert [each[1:] for each in told] == [("SLOBurn", "db", True)]
    assert world.shown() == {("SLOBurn", "db"): "firing", ("ProbeDown", "db"): "suppressed"}
    assert [each[1:] for each in world.told("." * 240)] == [("SLOBurn", "db", False)]


def test_a_budget_that_bears_an_outage_leaves_a_ticket():
    """The objective never pages; that the probe has been down for five minutes is told all the same."""
    world = World(objectives=[page_only("90")])
    told = world.told("..." + "F" * 60)
    assert told == [(50 + 300, "ProbeDown", "db", True)]


@pytest.mark.case("R23")
def test_what_its_cause_explains_is_not_told():
    """Database and app go down: one notice, of the database; the app is suppressed, and ends unheard."""
    world = World(Member("db", "postgres"), Member("app", "http", depends_on=("db",)))
    assert world.told("...FFFFFF", app="...FFFFFF") == [(50, "ProbeDown", "db", True)]
    assert world.shown()["ProbeDown", "app"] == "suppressed"
    assert world.told("." * 60, app="." * 60) == [(100 + 60, "ProbeDown", "db", False)]


def test_what_its_cause_explained_and_outlives_it_is_told():
    """The database is back, the app stays down: after five minutes it calls for itself."""
    world = World(Member("db", "postgres"), Member("app", "http", depends_on=("db",)))
    world.go("...FFFFFF", app="...FFFFFF")
    told = world.told("." * 60, app="F" * 60)
    assert [each[1:] for each in told] == [("ProbeDown", "db", False), ("ProbeDown", "app", True)]


@pytest.mark.case("L10")
def test_the_end_of_what_was_told_is_told_though_its_cause_is_down():
    """The app was told of first: its end is never suppressed."""
    world = World(Member("db", "postgres"), Member("app", "http", depends_on=("db",)))
    told = world.told("......FFFFFFFFFFFFFFFF", app="..FFFFFFFF............")
    assert [each[1:] for each in told] == [
        ("ProbeDown", "app", True),
        ("ProbeDown", "db", True),
        ("ProbeDown", "app", False),
    ]


def test_a_page_waits_for_no_ticket():
    """What the database's ticket explains would wake somebody, so it does."""
    world = World(Member("db", "postgres", when_down="degraded"), Member("app", "http", depends_on=("db",)))
    told = world.told("...FFFFFF", app="...FFFFFF")
    assert [each[1:] for each in told] == [("ProbeDown", "db", True), ("ProbeDown", "app", True)]


def test_what_is_planned_calls_nobody():
    """In maintenance nothing begins; what goes well in it still ends."""
    world = World()
    world.planned = {"db"}
    assert world.go("...FFFFFF") == []
    world.planned = set()
    assert world.told("F") == [(90, "ProbeDown", "db", True)]
    world.planned = {"db"}
    assert world.told("F" * 60 + "." * 10) == [(710 + 60, "ProbeDown", "db", False)]


def test_an_agent_that_cannot_tell_says_so_and_holds_the_rest():
    """Inconclusive attempts: nothing begins or ends, and after a while one ticket names the probes."""
    world = World(Member("db", "postgres"), Member("cache", "redis"))
    assert [each[1:] for each in world.told("...FFF", cache="." * 6)] == [("ProbeDown", "db", True)]
    ((at, alert),) = world.go("?" * 40, cache="?" * 40)
    assert (at, alert.name) == (60 + 40 + 30, "OutriderBlind")
    assert alert.annotations["summary"] == "shop: Outrider cannot tell how db and cache are"
    told = world.told("." * 40, cache="." * 40)
    assert [each[1:] for each in told] == [("ProbeDown", "db", False), ("Blind", "", False)]


@pytest.mark.parametrize(
    ("seen", "name", "says"),
    [
        ({"held_open": True}, "BrakeOpen", "shop: a replica serves although it should not"),
        ({"isolated": True, "others": 2}, "Isolated", "shop: a replica hears none of 2 others"),
    ],
)
def test_the_fleet_has_tickets(seen, name, says):
    """After a minute, and over after five."""
    world = World()
    world.seen = seen
    ((at, alert),) = world.go("." * 10)
    assert (at, alert.severity, alert.annotations["summary"]) == (60, Severity.TICKET, says)
    assert "probe" not in alert.labels
    world.seen = {}
    assert world.told("." * 40) == [(100 + 300, name, "", False)]


def test_a_destination_that_loses_spans_has_a_ticket():
    """Not for one batch on one day; what goes on for three minutes is told with its reasons, and it ends."""
    world = World()
    lost = {"auth": 5, "queue_full": 0}

    def go(steps, grows):
        told = []
        for _ in range(steps):
            lost["queue_full"] += grows
            world.seen = {"losses": {"gateway": dict(lost)}}
            told += world.go(".")
        return told

    assert go(10, 0) == []
    assert go(1, 100) == []
    assert go(60, 0) == []
    ((at, alert),) = go(30, 1000)
    assert (at, alert.name, alert.labels["destination"]) == (710 + 180, "OutriderUpstreamRefused", "gateway")
    assert alert.annotations["summary"] == "shop: gateway refuses telemetry, or it is lost (queue_full)"
    assert "Since it began: queue_full 19,000." in alert.annotations["description"]
    ((over, end),) = go(100, 0)
    assert (over, end.firing) == (1000 + 120 + 600, False)


@pytest.mark.parametrize("settings", [PlainAlerts(off=True), PlainAlerts(probe_down=PlainAlert(off=True))])
def test_what_the_file_turns_off_is_not_there(settings):
    """Neither told nor shown."""
    world = World(settings=settings)
    assert (world.go("..FFFFFF"), world.shown()) == ([], {})


def test_the_file_has_the_last_word():
    """Severity and `for` of its own, also for a probe with an objective."""
    settings = PlainAlerts(probe_down=PlainAlert(severity="page", for_=Duration(20)))
    ((at, alert),) = World(settings=settings, objectives=[page_only("90")]).go("..FFFFFFFF")
    assert (at, alert.severity) == (40 + 20, Severity.PAGE)


def test_a_probe_that_leaves_the_file_ends_its_alert():
    """Nobody is left with an alert that can never be resolved."""
    world = World()
    world.go(".FFF")
    world.board.leave("db")
    ((_, alert),) = world.go(".")
    assert alert.annotations == {"summary": "OutriderProbeDown:db left the file while its alert was firing"}


@pytest.mark.parametrize("cut", [30, 50, 70, 100, 130, 200])
def test_a_restart_changes_nothing(cut):
    """Cut anywhere: told once, ended once, under one identity; nothing is known for a while after the cut."""
    world = World()
    results = "..FFFFFF" + "." * 30
    whole = World().go(results)
    found = world.go(results[: cut // 10])
    kept = msgspec.json.decode(msgspec.json.encode(world.alerts.dump()), type=list[KeptAlert])
    world.born()
    world.alerts.restore(kept)
    found += world.go(results[cut // 10 :])
    assert found == whole


def test_what_an_older_version_kept_is_still_read():
    """It knew objectives only, and no alert's name."""
    old = b'{"objective": "db", "severity": "page", "state": "firing"}'
    kept = msgspec.json.decode(old, type=KeptAlert)
    assert (kept.alert, kept.subject) == ("OutriderSLOBurn", "db")


def test_the_metric_has_only_what_is_not_inactive():
    """A series for each alert of each probe would be many zeros; no objective can have such a name."""
    world = World()
    assert [each for _, samples in world.alerts.samples() for each in samples] == []
    world.go(".FFF")
    ((_, samples),) = world.alerts.samples()
    assert samples == [(("shop", "OutriderProbeDown:db", "page"), 2)]
    assert json.loads(json.dumps(world.alerts.view()))[0]["slo"] is None
