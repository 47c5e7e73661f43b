"""What a real Prometheus knows of replicas that it scrapes, and what servers say that are none."""

import contextlib
import dataclasses
import json
import os
import random
import time
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.peers.prometheus import LIMIT, PrometheusWay, Target, attempts_query, members_query
from agent.web import listeners
from config.types import ListenAddress, Url
from exporters.base import Sample
from tests.agent.peers.replicas import counts, heard, hearing
from tests.agent.peers.scraped import Prometheus, available
from tests.agent.web.conftest import World
from tests.ports import free_port
from tests.probes.stubs import eventually, silence, stub

SERVICE = 'we"ird\\ (shop|é)'
SHARED = {"db": 1.0, "a.b*": 2.0}


@dataclass
class Scraped:
    """One replica as its metrics page shows it."""

    identity: str
    service: str = SERVICE
    wants_out: bool = False
    attempts: dict = field(default_factory=dict)  # (probe, outcome, reason) -> count
    port: int = field(default_factory=free_port)

    def count(self, outcome="pass", reason="ok", probe="db"):
        """One more attempt, which ends now."""
        key = (probe, outcome, reason)
        self.attempts[key] = self.attempts.get(key, 0) + 1

    def samples(self):
        """The families that peers look at."""
        yield "outrider_peer_info", [Sample((self.service, self.identity), 1)]
        yield "outrider_peer_wants_out", [Sample((), float(self.wants_out))]
        yield (
            "outrider_probe_attempts_total",
            [
                Sample((probe, "postgres", "fresh", "", outcome, reason), count)
                for (probe, outcome, reason), count in self.attempts.items()
            ],
        )


@contextlib.asynccontextmanager
async def paged(*replicas):
    """Their real metrics pages."""
    async with contextlib.AsyncExitStack() as stack:
        for each in replicas:
            desk = dataclasses.replace(World().desk(), sources=lambda each=each: (each,))
            await stack.enter_async_context(listeners.public(desk, ListenAddress("127.0.0.1", each.port)))
        yield


@contextlib.asynccontextmanager
async def way(url, identity="me", service=SERVICE, seconds=2.0):
    """The way `prometheus` of this replica; nothing is left open."""
    found = PrometheusWay(Url.parse(url), service, identity, lambda: SHARED, timeout=seconds, chance=random.Random(1))
    try:
        yield found
    finally:
        await found.aclose()
        await found.aclose()


@contextlib.contextmanager
def scraping(jobs):
    """A real Prometheus for these jobs; a machine without one skips, except in CI."""
    if not available():
        message = "Prometheus is not installed; on Debian: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with Prometheus(jobs) as server:
        yield server


def view(hear, identity):
    """What was last heard of this replica."""
    return next((each for each in hear.fleet.fresh(time.monotonic()) if each.identity == identity), None)


async def test_a_fleet_as_a_real_prometheus_knows_it():
    """Who there is, what they saw and want; every attempt placed before it began; restarts, silence, strangers."""
    me, a, b, other = (Scraped(name) for name in ("me", "a", "b", "x"))
    other.service = "another"
    for each in (me, a, b, other):
        each.attempts = {("db", "pass", "ok"): 100, ("db", "fail", "read_timeout"): 0}
    hear = hearing(refresh=5.0, shared=SHARED)
    # b and the stranger are scraped with a label `service` of the target's own, as the operator sets it.
    jobs = {"plain (1|2)": ([me.port, a.port], {}), "k8s": ([b.port, other.port], {"service": "svc-name"})}
    with scraping(jobs) as server:
        async with paged(me, a, b, other), way(server.url) as asking:

            async def look(done):
                await asking.look(hear)
                return done()

            await eventually(lambda: look(lambda: heard(hear) == ["a", "b"]))
            assert hear.fleet.size(time.monotonic()) == 3
            assert not view(hear, "a").wants_out
            before = time.monotonic()
            a.count()
            a.count("fail", "connect_refused")  # a series that was never there before
            a.count("warn", "threshold", probe="a.b*")
            a.wants_out = True
            b.attempts = {("db", "fail", "read_timeout"): 1}  # it started anew
            after = time.monotonic()
            await eventually(lambda: look(lambda: view(hear, "a").wants_out and len(view(hear, "a").attempts) == 2))
            await eventually(lambda: look(lambda: "db" in view(hear, "b").attempts))
            seen = view(hear, "a").attempts
            assert [attempt.passed for attempt in seen["db"]] == [True, False]
            assert [attempt.passed for attempt in seen["a.b*"]] == [True]
            assert [attempt.passed for attempt in view(hear, "b").attempts["db"]] == [False]
            for name, timeout in SHARED.items():
                assert all(before - timeout - 30.0 < attempt.started < after - timeout for attempt in seen[name])
            assert set(counts(hear)) == {"ok"}
            server.kill()
            await asking.look(hear)
            assert counts(hear)["failed"] == 1
            assert server.url in hear.trouble
            assert hear.fleet.isolated(time.monotonic() + 16)


async def test_a_replica_that_is_gone_is_not_heard():
    """When a scrape fails, Prometheus forgets at once; we stop hearing, and count one less."""
    a, b = Scraped("a"), Scraped("b")
    hear = hearing(refresh=0.5)
    with scraping({"j": ([a.port, b.port], {})}) as server:
        async with way(server.url) as asking, paged(a):

            async def look(who, others):
                await asking.look(hear)
                return heard(hear) == who and hear.fleet._others == others

            async with paged(b):
                await eventually(lambda: look(["a", "b"], 2))
            await eventually(lambda: look(["a"], 1))


@contextlib.asynccontextmanager
async def answering(*answers):
    """A server that gives these answers in turn, each a status and a body; gives its URL and what it was asked."""
    left, asked = list(answers), []

    async def answer(request):
        asked.append((request.method, request.path, (await request.post()).get("query")))
        status, body = left.pop(0)
        return web.Response(status=status, body=body if isinstance(body, bytes) else json.dumps(body).encode())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")), asked


def result(*series):
    """An answer of Prometheus."""
    return {"status": "success", "data": {"resultType": "vector", "result": list(series)}}


def member(number, at=1_000_000.0):
    """One replica in the first answer."""
    labels = {"__name__": "outrider_peer_info", "job": "j", "instance": f"h{number}:1", "service": SERVICE}
    return {"metric": {**labels, "identity": f"p{number}"}, "value": [at, "1"]}


async def test_twelve_of_many_are_asked_for():
    """The second query names twelve; all are counted."""
    async with (
        answering((200, result(*map(member, range(40)))), (200, result())) as (url, asked),
        way(url + "prom/") as asking,
    ):
        hear = hearing(shared=SHARED)
        await asking.look(hear)
    assert hear.fleet._others == 40
    assert [(method, path) for method, path, _ in asked] == [("POST", "/prom/api/v1/query")] * 2
    assert sum(f"h{number}:1" in asked[1][2].replace("\\\\", "") for number in range(40)) == 12


async def test_where_answers_are_too_large_fewer_are_asked_for():
    """Many probes that are scraped often fill an answer: the next look asks for half as many replicas."""
    fleet = (200, result(*map(member, range(40))))
    async with answering(fleet, (200, b" " * (LIMIT + 1)), fleet, (200, result())) as (url, asked), way(url) as asking:
        hear = hearing(shared=SHARED)
        await asking.look(hear)
        await asking.look(hear)
    assert counts(hear) == {"malformed": 1}
    assert sum(f"h{number}:1" in asked[3][2].replace("\\\\", "") for number in range(40)) == 6


async def test_alone_there_is_no_second_query():
    """Only we are scraped: nothing to ask, nothing to hear."""
    own = member(0)
    own["metric"]["identity"] = "me"
    async with answering((200, result(own))) as (url, asked), way(url) as asking:
        hear = hearing()
        await asking.look(hear)
    assert (len(asked), counts(hear), hear.fleet._others) == (1, {}, 0)


async def test_a_clock_of_prometheus_in_another_year_changes_nothing():
    """Only differences of its own times are used."""
    series = [
        {"metric": {"__name__": "outrider_probe_attempts_total", "job": "j", "instance": "h1:1", "probe": "db",
                    "outcome": outcome}, "values": [[1e9 - 30, "4"], [1e9 - 15, value]]}
        for outcome, value in (("pass", "6"), ("fail", "NaN"), ("skipped", "9"))
    ]  # fmt: skip
    async with answering((200, result(member(1, 1e9))), (200, result(*series))) as (url, _), way(url) as asking:
        hear = hearing(shared=SHARED)
        began = time.monotonic()
        await asking.look(hear)
    found = view(hear, "p1")
    assert [attempt.passed for attempt in found.attempts["db"]] == [True, True]
    assert all(-1 < attempt.started - (began - 30 - 1.0) < 30 for attempt in found.attempts["db"])
    assert began <= found.heard < began + 30


async def test_a_replica_without_a_recent_sample_is_not_heard():
    """Prometheus shows the last value for five minutes; we believe no longer than the window."""
    async with answering((200, result(member(1))), (200, result())) as (url, _), way(url) as asking:
        hear = hearing()
        await asking.look(hear)
    assert (heard(hear), hear.fleet._others) == ([], 1)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        pytest.param(200, b"<html>", "malformed", "cannot be used", id="a page"),
        pytest.param(
            200, {"data": {"result": [{"metric": {"job": 5}}]}}, "malformed", "cannot be used", id="other types"
        ),
        pytest.param(200, {"status": "success"}, "malformed", "cannot be used", id="no result"),
        pytest.param(200, b'{"z":' + b"[" * 30000, "malformed", "cannot be used", id="nested deeply"),
        pytest.param(200, b" " * (LIMIT + 1), "malformed", "more than 524288 bytes", id="too long"),
        pytest.param(400, b"", "refused", "it answers 400", id="does not understand"),
        pytest.param(401, b"", "refused", "it answers 401", id="wants a password"),
        pytest.param(302, b"", "failed", "it answers 302", id="sends us elsewhere"),
        pytest.param(503, b"", "failed", "it answers 503", id="starting"),
    ],
)
async def test_other_answers_are_counted_as_what_they_are(status, body, kind, said):
    """No exception, one count, a sentence with the place and without the password."""
    async with answering((status, body)) as (url, _), way(url.replace("//", "//me:hunter2@")) as asking:
        hear = hearing()
        await asking.look(hear)
    assert counts(hear) == {kind: 1}
    assert said in hear.trouble
    assert "hunter2" not in hear.trouble


async def test_a_prometheus_that_hangs_is_given_up():
    """After the time of one query."""
    async with (
        stub(lambda reader, writer: silence(reader)) as port,
        way(f"http://127.0.0.1:{port}", seconds=0.2) as asking,
    ):
        hear = hearing()
        await asking.look(hear)
    assert counts(hear) == {"failed": 1}
    assert "no answer within 0.2 s" in hear.trouble


def test_names_are_quoted_for_both_languages():
    """A regular expression inside a string: neither a quote nor a dot nor a bar gets out of either."""
    query = attempts_query([Target('j"|x', "10.0.0.1:9740")], ["a.b"])
    assert '__name__=~"outrider_peer_wants_out|outrider_probe_attempts_total"' in query
    assert r'job=~"j\"\\|x"' in query
    assert r'instance=~"10\\.0\\.0\\.1:9740"' in query
    assert r'probe=~"|a\\.b"' in query
    assert members_query('a"b').startswith(r'outrider_peer_info{service="a\"b"} or ')
