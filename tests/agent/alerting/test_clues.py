"""Clues: one sentence each on cause, deploy, traces and who sees it; and a description that uses them."""

import pytest

from agent.alerting.clues import Cause, Clues, last_deploy, root_cause, seen_by
from agent.alerting.engine import AlertEngine
from agent.events import Observation, Outcome
from agent.health.board import Member, View
from agent.health.state import State
from agent.slo.engine import SloEngine
from config.sections.alerts import Route
from probes.reason import Reason
from tests.agent.slo.stream import BASE, attempt, page_only

NOW = 1000.0


def view(name, state="down", *, for_=40.0, type_="http", reason=Reason.READ_TIMEOUT, phase="first_byte", **more):
    """One probe that has been in a state for so many seconds, with the attempt that led there."""
    outcome = {"down": Outcome.FAIL, "degraded": Outcome.WARN}.get(state, Outcome.PASS)
    detail = "password=hunter2"
    last = Observation(name, type_, 1, NOW, NOW, BASE, outcome, reason, phase=phase, detail=detail)
    member = Member(name, type_, depends_on=more.pop("depends_on", ()))
    return View(member, State(state), NOW - for_, more.pop("last", last), **more)


def caused(probe, *views):
    """The likely cause among these."""
    return root_cause(probe, {each.member.name: each for each in views}, NOW)


DB = view("orders-db", type_="postgres", reason=Reason.CONNECT_REFUSED, phase="connect")


def test_the_deepest_probe_that_is_down_is_the_cause():
    """Along `depends_on`, with its type, since when, why and where; never the detail."""
    app = view("app", depends_on=("orders",), for_=50.0)
    said = caused("app", app, view("orders", depends_on=("orders-db",)), DB, view("cache", for_=900.0))
    assert said == ("orders-db", "postgres orders-db has been down for 40 s: connect_refused in connect")


def test_requests_blame_what_is_down_for_longest():
    """Of two roots the one that came first; the other is named, their consequences are not."""
    app = view("app", depends_on=("orders-db",), for_=300.0)
    found = caused("", app, DB, view("cache", type_="redis", for_=70.0))
    assert found.text == "postgres orders-db has been down for 40 s: connect_refused in connect; also down: cache"


def test_many_others_are_counted():
    """Three names are enough for a person who was just woken."""
    views = [view(f"p{number}", for_=900.0 - number) for number in range(6)]
    assert caused("", *views).text.endswith("; also down: p1, p2, p3 and 2 more")


def test_an_objective_whose_probe_is_well_looks_at_the_others():
    """A probe that failed and is up now: what is down beside it is the best guess there is."""
    assert caused("app", view("app", "up"), DB).probe == "orders-db"


def test_degraded_probes_are_second_best():
    """They are told only where none is down."""
    slow = view("cache", "degraded", type_="redis", for_=120.0, reason=Reason.THRESHOLD, phase="")
    assert caused("", slow, view("app", "up")).text == "redis cache has been degraded for 2 min: threshold"
    assert caused("", slow, DB).text.endswith("connect_refused in connect")


def test_a_probe_that_begins_to_pass_has_no_reason():
    """The last attempt passed, so its reason says nothing of the outage."""
    passed = view("app", "up").last
    assert caused("", view("app", last=passed)).text == "http app has been down for 40 s"


def test_maintenance_is_nobodys_fault():
    """What is planned causes nothing; and where all is well that is said."""
    well = Cause("", "unknown, as no probe sees a fault")
    assert caused("orders-db", view("orders-db", maintenance="nightly")) == well
    assert caused("", view("app", "up"), view("new", "unknown")) == well


def test_without_probes_there_is_nothing_to_say():
    """An agent that only counts requests has no opinion."""
    assert caused("") == Cause()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("1.4.1", "1.4.2 since 2026-01-01T00:00:00Z, 3 min before this alert; was 1.4.1"),
        ("", "1.4.2 at least since 2026-01-01T00:00:00Z, 3 min before this alert"),
    ],
)
def test_a_deploy_is_told_with_its_time(before, said):
    """In UTC, and how long before; the first version that was seen may be older."""
    assert last_deploy("1.4.2", BASE, before, BASE + 180) == said


def test_this_replica_counts_among_those_that_see_it():
    """One other of three is two of three; who is alone says nothing of it."""
    assert seen_by(0, 1) == ""
    assert seen_by(1, 3) == "2 of 3 replicas so far"


def test_each_clue_is_an_annotation():
    """Under names of their own; three traces at most; what is not known is not there."""
    clues = Clues(Cause("db", "db fell"), "1.4.2", ("a" * 32, "b" * 32, "c" * 32, "d" * 32), "2 of 3 replicas", "pod-1")
    assert clues.annotations() == {
        "root_cause": "db fell",
        "last_deploy": "1.4.2",
        "trace_ids": " ".join(("a" * 32, "b" * 32, "c" * 32)),
        "seen_by": "2 of 3 replicas",
        "replica": "pod-1",
    }
    assert Clues().annotations() == {}


def announced(clues):
    """The first notice of an engine that is given these clues; and what it asked for."""
    slos, asked = SloEngine([page_only()]), []

    def known(*question):
        asked.append(question)
        return clues

    alerts = AlertEngine(slos, [Route(to=("hook",))], state_of=lambda _: "down", clues=known)
    for now in range(0, 4000, 10):
        slos.observe(attempt(now, "bad" if now >= 3600 else "good"))
        for notice in alerts.tick(BASE + now):
            return notice.alert, asked
    raise AssertionError("nobody was told")


def test_a_description_has_sentences_for_cause_and_deploy():
    """At its end; of the alert's own probe it says already that it is down."""
    own, asked = announced(Clues(Cause("db", "tcp db has been down for 50 s: timeout"), "1.4.2 since noon"))
    assert own.annotations["description"].endswith(
        "db is down; its last attempt: fail, connect_refused in connect. Last deploy: 1.4.2 since noon."
    )
    assert asked == [("db", "db", own.key)]
    assert own.annotations["root_cause"] == "tcp db has been down for 50 s: timeout"
    other, _ = announced(Clues(Cause("net", "the net fell")))
    assert other.annotations["description"].endswith(
        "db is down; its last attempt: fail, connect_refused in connect. Likely root cause: the net fell."
    )


def test_an_alert_without_a_description_gets_one():
    """Whatever it is about: what is known is said."""
    said = Clues(Cause("db", "the db fell")).added_to({"summary": "shop app is down"}, "app")
    assert said["description"] == "Likely root cause: the db fell."
    assert Clues().added_to({"summary": "x"}, "") == {"summary": "x"}


def test_clues_are_no_identity():
    """Two replicas that know different things raise one alert."""
    with_clues, _ = announced(Clues(Cause("db", "db fell"), replica="pod-1"))
    without, _ = announced(Clues())
    assert (with_clues.key, with_clues.labels) == (without.key, without.labels)
