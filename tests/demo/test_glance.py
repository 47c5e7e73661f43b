"""What the demo takes from the admin API."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.demo.glance import AlertGlance, LedgerGlance, ProbeGlance, ReplicaGlance, SloGlance, glance, look
from agent.demo.rate import Requests
from tests.demo.looks import broken, healthy, held_up


def test_a_healthy_replica():
    """Every part of the answers finds its place, readings in words."""
    seen = glance(healthy())
    assert (seen.replicas, seen.uptime) == ((ReplicaGlance("ready"),), 64.2)
    assert seen.probes[1] == ProbeGlance(
        "orders-db", "postgres", "up", "", 0.0021, ("connections used 18 %", "query 0.21 ms")
    )
    assert seen.probes[2].readings == ("used 56 %", "limit 128 MiB")
    assert seen.slos == (SloGlance("orders-db", 0.9995, 0.87, 23.1),)
    assert seen.ledger == LedgerGlance(1204, 1190, 11, 3, "", 700, "on disk")
    assert seen.requests == Requests(500, 20)


def test_a_broken_replica():
    """Reason and phase of what is down, the alert that fires."""
    seen = glance(broken())
    assert seen.replicas == (ReplicaGlance("unready", ("orders-db is down: connect_refused in connect",)),)
    assert seen.probes[1].reason == "connect_refused (connect)"
    assert seen.probes[2].reason == "threshold"
    assert seen.alerts == (AlertGlance("orders-db", "firing", "page"),)


@pytest.mark.parametrize(
    ("change", "where"),
    [({}, "on disk"), ({"durability": "memory"}, "in memory"), ({"storage_degraded": True}, "in memory")],
)
def test_what_waits_is_where_it_is(change, where):
    """On disk where it is kept, in memory where it is not or the disk fails; and why it waits."""
    found = held_up(healthy())
    found["pipeline"] |= change
    ledger = glance(found).ledger
    assert (ledger.trouble, ledger.bytes, ledger.where) == ("connect: connection refused", 61440, where)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"status": "degraded"}, "degraded"), ({"unjudged": True}, "unjudged"), ({"ready": False}, "unready")],
)
def test_the_verdict_is_one_word(change, word):
    """Ready, degraded, unready or unjudged."""
    found = healthy()
    found["status"]["verdict"] |= change
    assert glance(found).replicas[0].verdict == word


def test_what_cannot_be_said_is_left_out():
    """Before the first attempt, and where a reading could not be taken, nothing is shown."""
    found = healthy()
    found["probes"]["probes"][0] |= {"last": None, "state": "unknown"}
    found["probes"]["probes"][0]["readings"][0]["value"] = None
    app = glance(found).probes[0]
    assert (app.seconds, app.reason, app.readings) == (None, "", ())


def _admin(answers):
    async def answer(request):
        return web.json_response(answers[request.match_info["name"]])

    async def metrics(_):
        return web.Response(text=answers["metrics"])

    app = web.Application()
    app.router.add_get("/api/v1/{name}", answer)
    app.router.add_get("/metrics", metrics)
    return TestServer(app)


def _url(server):
    return str(server.make_url("")).rstrip("/")


async def test_a_look_asks_every_replica_once(unused_tcp_port):
    """Everything of the first, the verdict of the others; one that is away is silent, and hides nobody."""
    async with _admin(healthy()) as first, _admin(broken()) as second, aiohttp.ClientSession() as session:
        seen = await look(session, [_url(first), _url(second), f"http://127.0.0.1:{unused_tcp_port}"])
    others = [ReplicaGlance("unready", ("orders-db is down: connect_refused in connect",)), ReplicaGlance("silent")]
    assert seen == glance(healthy(), others)


async def test_no_answer_is_no_look(unused_tcp_port):
    """While the first Outrider is away there is nothing to show, and no traceback."""
    async with _admin(healthy()) as other, aiohttp.ClientSession() as session:
        assert await look(session, [f"http://127.0.0.1:{unused_tcp_port}", _url(other)]) is None
