"""What a Redis does to those who leave word in it: dies, refuses, lies, holds rubbish."""

import asyncio
import contextlib
import time

import pytest

from agent.demo.servers import Valkey
from agent.readiness.fleet import Attempted
from tests.agent.peers.replicas import counts, heard
from tests.agent.peers.words import INDEX, Sight, connect, key, sights
from tests.probes.stubs import eventually, stub

pytest_plugins = ("tests.servers",)


@pytest.fixture
async def ask(valkey):
    """Commands to an empty Valkey, over a connection of the test's own."""
    link = await connect(valkey.url)
    await link.ask(("FLUSHALL",))
    yield link.ask
    await link.aclose()


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("junk", id="no JSON"),
        pytest.param("{}", id="another document"),
        pytest.param('{"version":1,"identity":"b"}', id="signed by another"),
        pytest.param('{"version":1,"identity":"a","ttl":-5}', id="a life that is none"),
        pytest.param(" " * 200_000, id="too long"),
        pytest.param('{"z":' + "[" * 20000, id="nested deeply"),
    ],
)
async def test_what_is_no_view_is_counted_and_the_others_are_heard(valkey, ask, word):
    """Whoever may write to this Redis cannot end the loop."""
    async with sights(valkey.url, "c", "me") as (c, me):
        await c.look()
        await ask(("SET", key("a"), word, "PX", "60000"), ("ZADD", INDEX, "99999999999999", "a"))
        await me.look()
        assert (heard(me.hear), counts(me.hear)) == (["c"], {"malformed": 1, "ok": 1})


async def test_names_that_are_none_are_passed_over(valkey, ask):
    """A list full of rubbish costs nothing but its place."""
    await ask(*(("ZADD", INDEX, "99999999999999", name) for name in ("", "x" * 5000, "gone")))
    async with sights(valkey.url, "me") as (me,):
        await me.look()
    assert (heard(me.hear), counts(me.hear)) == ([], {})


async def test_a_key_of_another_type_does_not_end_the_loop(valkey, ask):
    """It is refused by the server, counted, and tried again."""
    await ask(("SET", INDEX, "not a list"))
    async with sights(valkey.url, "me") as (me,):
        await me.look()
        assert counts(me.hear) == {"refused": 1}
        assert "WRONGTYPE" in me.hear.trouble


async def test_where_it_may_not_write_it_still_reads():
    """A replica of Redis takes no words: said once a look, and the others are heard all the same."""
    with Valkey(settings={"repl-diskless-sync-delay": "0"}) as primary, Valkey() as copy:
        async with sights(primary.url, "a", refresh=60.0) as (a,):
            await a.look()
            link = await connect(copy.url)
            await link.ask(("REPLICAOF", "127.0.0.1", str(primary.port)))

            async def copied():
                return await link.ask(("EXISTS", key("a"))) == [1]

            await eventually(copied)
            await link.aclose()
            async with sights(copy.url, "me", refresh=60.0) as (me,):
                await me.look()
                assert (heard(me.hear), counts(me.hear)) == (["a"], {"refused": 1, "ok": 1})
                assert "cannot leave word: READONLY" in me.hear.trouble
                assert me.hear.fleet._others == 1


async def test_a_redis_that_dies_and_comes_back():
    """Its death isolates after three refreshes; when it is back, words are left and heard again without a restart."""
    with Valkey() as server:
        async with sights(server.url, "a", "me", refresh=0.1) as (a, me):

            async def together():
                await asyncio.gather(a.look(), me.look())
                return heard(me.hear) == ["a"] and heard(a.hear) == ["me"]

            await eventually(together)
            server.kill()

            async def isolated():
                await me.look()
                return me.hear.fleet.isolated(time.monotonic())

            await eventually(isolated)
            assert counts(me.hear)["failed"] >= 1
            server.start()
            await eventually(together)


async def test_a_redis_that_is_away_is_not_hammered():
    """Looks go on every tenth of a second, connections do not: each failure makes the next attempt later."""
    accepted = 0

    async def play(reader, writer):
        nonlocal accepted
        accepted += 1

    async with stub(play) as port:
        me = Sight(f"redis://127.0.0.1:{port}", refresh=0.1)
        clock = 1000.0
        me.way._clock = lambda: clock
        for _ in range(600):  # a minute
            await me.look()
            clock += 0.1
        await me.way.aclose()
    assert 5 <= accepted <= 60
    assert counts(me.hear) == {"failed": accepted}


async def test_a_wrong_password_is_refused():
    """Counted as refused, with Redis' own word, without the password."""
    with Valkey(password="right") as server:
        url = server.url.replace("right", "wr0ng")
        async with sights(url, "me") as (me,):
            await me.look()
            assert counts(me.hear) == {"refused": 1}
            assert "WRONGPASS" in me.hear.trouble
            assert "wr0ng" not in me.hear.trouble


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "malformed", id="a web server"),
        pytest.param(b"*100000000\r\n", "malformed", id="an endless list"),
        pytest.param(b"+OK\r\n*1\r\n*1\r\n*1\r\n", "malformed", id="lists in lists"),
        pytest.param(b"+OK\r\n*2\r\n$1\r\n1\r\n$900000000\r\n", "malformed", id="a huge text in a list"),
        pytest.param(b"+OK\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n:0\r\n", "malformed", id="a time that is none"),
        pytest.param(b"+OK\r\n*-1\r\n:0\r\n", "malformed", id="no time at all"),
        pytest.param(
            b"+OK\r\n-NOPERM this user has no permissions to run the 'time' command\r\n:0\r\n", "refused", id="no TIME"
        ),
        pytest.param(b"+OK\r\n", "failed", id="closes"),
    ],
)
async def test_servers_that_are_no_redis(answer, kind):
    """One count each, no exception, and nothing is left open."""

    async def play(reader, writer):
        await reader.read(100)
        writer.write(answer)
        await writer.drain()
        if answer != b"+OK\r\n":
            await reader.read()

    async with stub(play) as port, sights(f"redis://127.0.0.1:{port}", "me") as (me,):
        await me.look()
        assert counts(me.hear) == {kind: 1}
        assert f"127.0.0.1:{port}" in me.hear.trouble


async def test_a_look_that_is_cancelled_leaves_no_half_answer_behind(valkey, ask):
    """Whatever moment the task is stopped at, the next look gets its own answers."""
    async with sights(valkey.url, "a", "me") as (a, me):
        await a.look()
        for turns in range(30):
            task = asyncio.create_task(me.look())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert await me.look() == ["a"]
    assert set(counts(me.hear)) == {"ok"}


async def test_a_fleet_with_two_refreshes_ages_each_by_its_own(valkey, ask):
    """While a file changes from one refresh to another, each document says for how long it was left."""
    began = time.monotonic()
    slow = Sight(valkey.url, "a", refresh=20.0, attempts=[Attempted(began, True)])
    async with sights(valkey.url, "me", refresh=2.0) as (me,):
        await slow.look()
        await me.look()
        await slow.way.aclose()
    (view,) = me.hear.fleet.fresh(time.monotonic())
    assert abs(view.attempts["db"][0].started - began) < 30.0  # by the reader's own refresh it would be a minute
