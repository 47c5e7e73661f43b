"""Client spans of databases: by system and peer, counted exactly."""

import pytest

from agent.red.databases import STEADY
from agent.red.red import Red
from agent.red.settings import Settings
from tests.agent.red.bodies import CLIENT, ERROR, MS, SERVER, body, histograms, measured, samples, send, span

REQUESTS = "outrider_span_database_requests_total"
DURATION = "outrider_span_database_duration_seconds"


def call(address="db.internal", port=5432, name="SELECT orders", took=3 * MS, status=0, **more):
    """A call of PostgreSQL."""
    where = {"db.system.name": "postgresql", "server.address": address}
    attributes = {**where, **({"server.port": port} if port else {}), **more}
    return span(name, CLIENT, took=took, status=status, attributes=attributes)


def peers(red):
    """Calls that went well, by peer."""
    return {labels[1]: n for labels, n in samples(red, REQUESTS).items() if labels[2] == "ok" and n}


def test_calls_are_counted_and_timed():
    """By system, peer and status, in buckets with an inclusive end."""
    red = measured(body(call(took=5 * MS), call(took=5 * MS + 1), call(status=ERROR)))
    assert samples(red, REQUESTS) == {
        ("postgresql", "db.internal:5432", "ok"): 2,
        ("postgresql", "db.internal:5432", "error"): 1,
    }
    (histogram,) = histograms(red, DURATION).values()
    assert histogram.labels == ("postgresql", "db.internal:5432")
    assert histogram.buckets == (0, 2, 3, 3, 3, 3, 3, 3)
    assert histogram.total == pytest.approx(0.013)


@pytest.mark.parametrize(
    ("attributes", "system", "peer"),
    [
        ({"db.system.name": "redis", "server.address": "cache", "server.port": 6379}, "redis", "cache:6379"),
        ({"db.system": "mysql", "net.peer.name": "old", "net.peer.port": 3306}, "mysql", "old:3306"),
        ({"db.system.name": "redis", "server.address": "/run/redis.sock"}, "redis", "/run/redis.sock"),
        ({"db.system.name": "redis", "server.address": "::1", "server.port": 6379}, "redis", "[::1]:6379"),
        ({"db.system.name": "sqlite"}, "sqlite", ""),
    ],
)
def test_old_and_new_conventions(attributes, system, peer):
    """Both names of each attribute; what is missing is left away."""
    red = measured(body(span("q", CLIENT, attributes=attributes)))
    assert samples(red, REQUESTS)[system, peer, "ok"] == 1


def test_other_clients_are_no_databases():
    """HTTP clients, and servers with a database's attribute, are not counted here."""
    http = span("GET", CLIENT, attributes={"server.address": "api", "http.request.method": "GET"})
    red = measured(body(http, span("q", SERVER, attributes={"db.system.name": "redis"})))
    assert samples(red, REQUESTS) == {}


def test_one_name_at_several_peers():
    """A primary and its replica, two ports of one host, a port that is left away: each has its own."""
    where = [("a", 1), ("b", 1), ("a", 2), ("a", None), ("a", 1)]
    red = measured(body(*(call(*one) for one in where)))
    assert peers(red) == {"a:1": 2, "b:1": 1, "a:2": 1, "a": 1}


def test_a_failover_is_seen_in_the_next_body():
    """However long there was only one peer: the first call of each body is looked at."""
    red = Red(Settings())
    for _ in range(STEADY // 50 + 2):
        send(red, body(*[call("a")] * 50))
    send(red, body(*[call("b")] * 50))
    assert peers(red)["b:5432"] == 50
    send(red, body(call("a"), call("b"), call("a")))
    assert peers(red)["a:5432"] == STEADY + 102
    assert peers(red)["b:5432"] == 51


def test_calls_whose_times_cannot_be():
    """They count, and have no duration."""
    red = measured(body(call(took=-1)))
    assert peers(red) == {"db.internal:5432": 1}
    assert histograms(red, DURATION)["postgresql", "db.internal:5432"].buckets[-1] == 0
    assert samples(red, "outrider_span_left_out_total")[("time_invalid",)] == 1


def test_old_calls_are_not_late():
    """Late is said of requests, which objectives ask for."""
    red = measured(body(call()), now=10**10)
    assert samples(red, "outrider_span_left_out_total")[("late",)] == 0
