"""Asking other replicas at their real public listeners, and at servers that are none."""

import asyncio
import contextlib
import gzip
import json
import random
import time
import tracemalloc

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.demo.process import free_port
from agent.peers.http import Asker, HttpWay, timeout
from agent.peers.tokens import Tokens
from agent.peers.urls import Listed
from agent.peers.wire import LIMIT
from config.types import Secret, Url
from tests.agent.peers.replicas import Replica, counts, heard, hearing, listening, secret
from tests.probes.stubs import flood, silence, stub


@contextlib.asynccontextmanager
async def way(*urls, tokens=None, seconds=2.0, identity="me", clock=time.monotonic):
    """The way `urls` of the replica `identity`; nothing is left open."""
    asker = Asker(tokens or Tokens(), seconds, clock)
    found = HttpWay(identity, Listed([Url.parse(url) for url in urls]), asker, clock=clock, chance=random.Random(1))
    try:
        yield found
    finally:
        await found.aclose()
        await found.aclose()


@contextlib.asynccontextmanager
async def answering(status=200, body=b"", **headers):
    """A server that gives one answer to everything; gives its URL."""

    async def answer(request):
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


async def outcome(url, **options):
    """What becomes of one look at this URL, and what is said of it."""
    hear = hearing()
    async with way(url, **options) as asking:
        await asking.look(hear)
    return counts(hear), hear.trouble


async def test_the_views_of_real_replicas_are_heard():
    """Identity, wish and attempts arrive; ages are laid on our clock, rather early than late."""
    hear = hearing()
    async with listening(Replica("a", wants_out=True)) as a, listening(Replica("b")) as b, way(a.url, b.url) as asking:
        await asking.look(hear)
    assert heard(hear) == ["a", "b"]
    view = next(view for view in hear.fleet.fresh(time.monotonic()) if view.identity == "a")
    (attempt,) = view.attempts["db"]
    assert (view.wants_out, attempt.passed) == (True, True)
    assert a.attempts[0].started - 3.0 < attempt.started <= a.attempts[0].started
    assert counts(hear) == {"ok": 2}
    assert hear.fleet.size(time.monotonic()) == 3


async def test_the_own_listener_is_recognised_and_left_alone():
    """It may stand in the list: its identity tells, and the next rounds go to the others alone."""
    hear = hearing("b")
    async with listening(Replica("a")) as a, listening(Replica("b")) as b, way(a.url, b.url, identity="b") as asking:
        for _ in range(5):
            await asking.look(hear)
    assert (a.asked, b.asked) == (5, 1)
    assert heard(hear) == ["a"]
    assert hear.fleet.size(time.monotonic()) == 2


async def test_a_replica_alone_asks_nobody():
    """The list names us alone: no others, no isolation, no request after the first."""
    hear = hearing(refresh=0.01)
    async with listening(Replica("me")) as me, way(me.url) as asking:
        for _ in range(3):
            await asking.look(hear)
    assert me.asked == 1
    assert hear.fleet.size(time.monotonic()) == 1
    assert not hear.fleet.isolated(time.monotonic() + 9)


async def test_a_path_in_front_and_a_slash_at_the_end_are_kept():
    """`/peerz` is looked for below the URL as it was written."""
    paths = []

    async def answer(request):
        paths.append(request.path)
        return web.json_response({"version": 1, "identity": "a"})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        for url in (server.make_url("/"), server.make_url("/outrider/"), server.make_url("/x")):
            await outcome(str(url))
    assert paths == ["/peerz", "/outrider/peerz", "/x/peerz"]


async def test_attempts_of_what_we_do_not_share_are_not_kept():
    """A stranger decides neither what we remember nor how much."""
    told = {
        "version": 1,
        "identity": "a",
        "probes": {"db": [[1, True]], **{f"x{n}": [[1, True]] * 8 for n in range(199)}},
    }
    hear = hearing()
    async with answering(body=json.dumps(told).encode()) as url, way(url) as asking:
        await asking.look(hear)
    (view,) = hear.fleet.fresh(time.monotonic())
    assert list(view.attempts) == ["db"]


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "said"),
    [
        pytest.param(200, b"<html>", {}, "malformed", "something else than a view", id="a page"),
        pytest.param(200, b"{}", {}, "malformed", "something else than a view", id="another document"),
        pytest.param(200, b" " * (LIMIT + 1), {}, "malformed", "more than 65536 bytes", id="too long"),
        pytest.param(
            200, gzip.compress(b" " * 10**8), {"Content-Encoding": "gzip"}, "malformed", "more than 65536", id="a bomb"
        ),
        pytest.param(200, b"{}", {"Content-Encoding": "br"}, "malformed", "not known", id="unknown encoding"),
        pytest.param(200, b"junk", {"Content-Encoding": "gzip"}, "malformed", "not valid gzip", id="not gzip"),
        pytest.param(404, b"", {}, "failed", "answers /peerz with 404", id="no peers configured there"),
        pytest.param(500, b"", {}, "failed", "answers /peerz with 500", id="a fault there"),
        pytest.param(401, b"", {}, "refused", "refuses `readiness.peers.token` (401)", id="no token"),
        pytest.param(403, b"", {}, "refused", "refuses `readiness.peers.token` (403)", id="wrong token"),
    ],
)
async def test_every_other_answer_is_counted_as_what_it_is(status, body, headers, kind, said):
    """No view, no exception, one count, and a sentence with the place."""
    async with answering(status, body, **headers) as url:
        counted, trouble = await outcome(url)
    assert counted == {kind: 1}
    assert said in trouble
    assert trouble.startswith(url.removeprefix("http://"))


async def test_redirects_are_not_followed():
    """Whoever answers in a replica's place sends our token nowhere else."""
    async with listening(Replica("a", tokens=secret("t"))) as a, answering(302, Location=f"{a.url}/peerz") as url:
        counted, _ = await outcome(url, tokens=secret("t"))
    assert (counted, a.asked) == ({"failed": 1}, 0)


async def test_nobody_there():
    """A closed port is one failed look."""
    counted, trouble = await outcome(f"http://127.0.0.1:{free_port()}")
    assert counted == {"failed": 1}
    assert "connection refused" in trouble


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        pytest.param(lambda reader, writer: silence(reader), "failed", id="takes the request and says nothing"),
        pytest.param(lambda reader, writer: _say(writer, b"HTTP/1.1 200 OK\r\n\r\n", 0.05), "failed", id="drips"),
        pytest.param(lambda reader, writer: _say(writer, b"SSH-2.0-x\r\n" * 9), "malformed", id="is no HTTP server"),
        pytest.param(lambda reader, writer: reader.read(9), "failed", id="closes"),
        pytest.param(
            lambda reader, writer: _say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
            "malformed",
            id="breaks off",
        ),
    ],
)
async def test_servers_that_are_no_replica(play, kind):
    """Each costs no more than its time, and counts as one."""
    async with stub(play) as port:
        began = time.monotonic()
        counted, _ = await outcome(f"http://127.0.0.1:{port}", seconds=0.4)
    assert counted == {kind: 1}
    assert time.monotonic() - began < 5


async def _say(writer, text, pause=0.0):
    for byte in text if pause else [text]:
        writer.write(bytes([byte]) if pause else byte)
        await asyncio.sleep(pause)


async def test_an_endless_answer_costs_no_memory():
    """A body without an end is read no further than the limit."""

    async def play(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n")
        await flood(writer)

    tracemalloc.start()
    try:
        async with stub(play) as port:
            counted, _ = await outcome(f"http://127.0.0.1:{port}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counted == {"malformed": 1}
    assert peak < 8 << 20


async def test_one_that_hangs_does_not_hold_up_the_others():
    """All are asked at once; a view is known when it comes, not when the slowest gave up."""
    hear = hearing()
    async with (
        stub(lambda reader, writer: silence(reader)) as port,
        listening(Replica("a")) as a,
        way(f"http://127.0.0.1:{port}", a.url, seconds=30.0) as asking,
    ):
        look = asyncio.create_task(asking.look(hear))
        async with asyncio.timeout(10):
            while not heard(hear):
                await asyncio.sleep(0.005)
        assert not look.done()
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
    assert heard(hear) == ["a"]


async def test_a_slow_answer_does_not_make_its_attempts_younger():
    """Whatever time the answer takes, an attempt is placed as if it had been written when we asked."""
    clock = iter([100.0, 100.0, 163.0, 163.0, 163.0, 163.0])  # the process was frozen for a minute while it waited
    hear = hearing()
    told = json.dumps({"version": 1, "identity": "a", "probes": {"db": [[2.0, True]]}}).encode()
    async with answering(body=told) as url, way(url, clock=lambda: next(clock)) as asking:
        await asking.look(hear)
    (view,) = hear.fleet.fresh(100.0)
    assert (view.heard, view.attempts["db"][0].started) == (100.0, 98.0)


async def test_the_token_is_asked_for():
    """With the right one the view is told, with another one or none it is not."""
    async with listening(Replica("a", tokens=secret("right"))) as a:
        assert (await outcome(a.url, tokens=secret("right")))[0] == {"ok": 1}
        assert (await outcome(a.url, tokens=secret("wrong")))[0] == {"refused": 1}
        assert (await outcome(a.url))[0] == {"refused": 1}
    assert a.asked == 1


async def test_a_rotation_shuts_nobody_out():
    """Whoever has the new token first, asks or is asked: every look succeeds, until all have it."""
    asking_tokens, asked_tokens = secret("old"), secret("old")
    async with listening(Replica("a", tokens=asked_tokens)) as a, way(a.url, tokens=asking_tokens) as asking:
        hear = hearing()
        for rotate in (
            lambda: None,
            lambda: asking_tokens.rotate(Secret("new")),
            lambda: asked_tokens.rotate(Secret("new")),
        ):
            rotate()
            await asking.look(hear)
        assert counts(hear) == {"ok": 3}
        other = secret("old")
        third = Replica("b", tokens=other)
        async with listening(third), way(third.url, tokens=secret("old")) as late:
            other.rotate(Secret("new"))
            await late.look(hear)
    assert counts(hear) == {"ok": 4}


async def test_connections_are_kept_between_looks():
    """In a small fleet the next look costs no handshake."""
    connections = 0

    async def play(reader, writer):
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{"version":1,   "identity":"a"}')

    async with stub(play) as port:
        hear = hearing()
        async with way(f"http://127.0.0.1:{port}") as asking:
            for _ in range(4):
                await asking.look(hear)
    assert (counts(hear), connections) == ({"ok": 4}, 1)


async def test_at_most_twelve_are_asked_at_once():
    """Forty replicas, one listener: a round is twelve requests, not forty."""
    hear = hearing()
    async with listening(Replica("a")) as a:
        urls = [f"{a.url}/?{number}" for number in range(40)]
        async with way(*urls) as asking:
            await asking.look(hear)
    assert a.asked == 12
    assert counts(hear) == {"ok": 12}


@pytest.mark.parametrize(("refresh", "seconds"), [(0.5, 0.5), (2.0, 2.0), (60.0, 2.0)])
def test_a_look_takes_no_longer_than_the_time_between_two(refresh, seconds):
    """At most two seconds, and never so long that looks pile up."""
    assert timeout(refresh) == seconds
