"""Asking other replicas at their real public listeners."""

import asyncio
import json
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.peers.http import timeout
from config.types import Secret
from tests.agent.peers.asking import answering, outcome, way
from tests.agent.peers.replicas import Replica, counts, heard, hearing, listening, secret
from tests.probes.stubs import silence, stub


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


async def test_one_that_hangs_does_not_hold_up_the_others():
    """All are asked at once; a view is known when it comes, not when the slowest gave up."""
    hear = hearing()
    async with (
        stub(lambda reader, writer: silence(reader)) as port,
        listening(Replica("a")) as a,
        way(f"http://127.0.0.1:{port}", a.url, seconds=30.0) as asking,
    ):
        look = asyncio.create_task(asking.look(hear))
        async with asyncio.timeout(60):
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
