"""Clues are gathered from those who know: probes, peers and spans."""

import time

from agent.alerting.clues import Cause
from agent.health.board import Board, Member
from agent.readiness.fleet import Attempted, Fleet, PeerView, Told, Word
from agent.red.group import Group
from agent.red.release import Release
from agent.witness import Witness
from tests.agent.slo.stream import attempt

KEY = "ab" * 32


def made(fleet=None):
    """A witness of the probe `db`, which is down."""
    board = Board()
    board.enter(Member("db", "postgres"), 0.0)
    for t in range(3):
        board.record(attempt(t, "bad"))
    return Witness(lambda: board.view(0.0), fleet or Fleet("me"))


class Spans:
    """What the spans of a service told: a deploy, and since then a mistake."""

    @staticmethod
    def release():
        return Release("1.4.2", time.time() - 200, "1.4.1")

    @staticmethod
    def thrown(objective, now):
        return Group("KeyError", "/orders", "shop", 7, now - 190, now - 1, "'secret'") if objective == "web" else None

    @staticmethod
    def traces(objective, _):
        return {"web": ["a" * 32]}[objective]


def test_what_nobody_knows_is_empty():
    """An agent without spans and peers still has its probes, and a name."""
    found = made().clues("web", "", KEY)
    assert found.cause.probe == "db"
    assert (found.last_deploy, found.trace_ids, found.seen_by) == ("", (), "")
    assert found.replica


def test_the_name_is_the_pods(monkeypatch):
    """As the chart tells it; on one line."""
    monkeypatch.setenv("K8S_POD_NAME", "checkout-7f9c\n")
    assert made().clues("web", "", KEY).replica == "checkout-7f9c"


def test_spans_are_asked_by_objective():
    """For its traces; the deploy is the service's."""
    one = made()
    one.red = lambda: Spans
    found = one.clues("web", "", KEY)
    assert found.cause.probe == "db"
    assert found.trace_ids == ("a" * 32,)
    assert found.last_deploy.startswith("1.4.2 since 2")
    assert found.last_deploy.endswith(", 3 min before this alert; was 1.4.1")


def test_who_sees_it_too_is_counted():
    """Those for whom it fires and those whose newest attempt of the probe failed; not who is well, or silent."""
    now, fleet = time.monotonic(), Fleet("me", 60.0)
    attempts = {"failed": (Attempted(90.0, True), Attempted(95.0, False)), "passed": (Attempted(95.0, True),)}
    for name, word in (("firing", Word.FIRING), ("over", Word.RESOLVED)):
        fleet.hear(PeerView(name, now, alerts={KEY: Told(word, 1.0)}))
    for name, seen in attempts.items():
        fleet.hear(PeerView(name, now, attempts={"db": seen}))
    fleet.hear(PeerView("silent", now - 600, alerts={KEY: Told(Word.FIRING, 1.0)}))
    fleet.count(5, now)
    one = made(fleet)
    assert one.clues("promise", "db", KEY).seen_by == "3 of 6 replicas so far"
    assert one.clues("promise", "other", KEY).seen_by == "2 of 6 replicas so far"
    assert one.clues("web", "", KEY).seen_by == "3 of 6 replicas so far", "by the probe that is its cause"


def test_where_no_probe_sees_a_fault_the_service_is_the_cause():
    """By the type of what it throws and since when; the message may hold a secret."""
    board = Board()
    board.enter(Member("db", "postgres"), 0.0)
    board.record(attempt(0, "good"))
    one = Witness(lambda: board.view(0.0), Fleet("me"))
    one.red = lambda: Spans
    cause = "the service itself, as no probe sees a fault: it throws KeyError in /orders"
    assert one.clues("web", "", KEY).cause == Cause("", f"{cause}, first seen 3 min before this alert")


def test_an_agent_without_probes_has_no_cause():
    """It only counts requests."""
    assert Witness(dict, Fleet("me")).clues("web", "", KEY).cause == Cause()
