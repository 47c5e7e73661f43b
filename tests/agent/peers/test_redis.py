"""Words left in a real Valkey: found by the others, aged by its clock, gone when their writer is."""

import json
import time

import pytest

from agent.peers.wire import document
from agent.readiness.fleet import Attempted
from tests.agent.peers.replicas import counts, heard
from tests.agent.peers.words import INDEX, Sight, connect, key, sights
from tests.probes.stubs import eventually

pytest_plugins = ("tests.servers",)


@pytest.fixture
async def ask(valkey):
    """Commands to an empty Valkey, over a connection of the test's own."""
    link = await connect(valkey.url)
    await link.ask(("FLUSHALL",))
    yield link.ask
    await link.aclose()


async def test_replicas_hear_each_other(valkey, ask):
    """From the second round on everyone has heard everyone else, and nobody itself."""
    async with sights(valkey.url, "a", "b", "c") as all_of_them:
        for each in all_of_them * 2:
            await each.look()
        assert [heard(each.hear) for each in all_of_them] == [["b", "c"], ["a", "c"], ["a", "b"]]
        assert [each.hear.fleet.size(time.monotonic()) for each in all_of_them] == [3, 3, 3]
        assert all(set(counts(each.hear)) == {"ok"} for each in all_of_them)


async def test_wish_and_attempts_arrive_and_no_attempt_looks_younger(valkey, ask):
    """Read two seconds after it was written, a document is two seconds older: by the server's clock, not by ours."""
    began = time.monotonic()
    attempts = [Attempted(began - 5.0, False), Attempted(began - 0.5, True)]
    async with sights(valkey.url, "a", attempts=attempts, wants_out=True) as (a,), sights(valkey.url, "me") as (me,):
        await a.look()
        await eventually(lambda: _younger_than(ask, key("a"), 5800))
        await me.look()
    (view,) = me.hear.fleet.fresh(time.monotonic())
    assert view.wants_out
    assert [attempt.passed for attempt in view.attempts["db"]] == [False, True]
    for told, seen in zip(attempts, view.attempts["db"], strict=True):
        assert told.started - 30.0 < seen.started <= told.started + 0.002  # ms of the server's clock
    assert view.heard < time.monotonic() - 0.19


async def _younger_than(ask, name, left):
    (ttl,) = await ask(("PTTL", name))
    return ttl < left


async def test_a_document_that_took_long_to_arrive_is_older_not_younger(ask, valkey):
    """Its life is counted from before it was made: a writer that stalls in between cannot make attempts look newer."""
    async with sights(valkey.url, "a") as (a,), sights(valkey.url, "me") as (me,):
        document_of = a.way._own

        def stalled():
            told = document_of()
            time.sleep(0.3)  # the process is frozen after its document was made
            return told

        a.attempts = [Attempted(time.monotonic(), True)]
        a.way._own = stalled
        await a.look()
        await me.look()
    (view,) = me.hear.fleet.fresh(time.monotonic())
    assert view.attempts["db"][0].started <= a.attempts[0].started + 0.002


async def test_a_replica_that_stops_is_gone_at_once(valkey, ask):
    """It takes its key and its place in the list with it; closing twice is fine."""
    async with sights(valkey.url, "a", "b") as (a, b):
        await a.look()
        await b.look()
        await a.way.aclose()
        await a.way.aclose()
        assert (await ask(("EXISTS", key("a")), ("ZSCORE", INDEX, "a"))) == [0, None]
        await b.look()
        assert b.hear.fleet._others == 0


async def test_a_replica_that_dies_is_gone_after_three_refreshes(valkey, ask):
    """Its key expires, and the next look of anybody takes it off the list."""
    async with sights(valkey.url, "b", refresh=0.1) as (b,):
        dead = Sight(valkey.url, "a", refresh=0.1)
        await dead.look()
        dead.way._left_word = False  # kill -9: no goodbye
        await dead.way.aclose()

        async def gone():
            await b.look()
            return await ask(("ZCARD", INDEX)) == [1] and not heard(b.hear)

        await eventually(gone)
    assert await ask(("EXISTS", key("a"))) == [0]


async def test_twelve_of_many_are_read_and_all_are_counted(valkey, ask):
    """The work of a round does not grow with the fleet, and in time everyone is heard."""
    now = time.monotonic()
    for number in range(40):
        told = {**document(f"p{number}", False, {}, now), "ttl": 60000}
        await ask(
            ("SET", key(f"p{number}"), json.dumps(told), "PX", "60000"), ("ZADD", INDEX, "99999999999999", f"p{number}")
        )
    async with sights(valkey.url, "me", refresh=60.0) as (me,):
        await me.look()
        assert len(heard(me.hear)) == counts(me.hear)["ok"] == 12
        assert me.hear.fleet.size(time.monotonic()) == 41
        for _ in range(60):
            await me.look()
        assert len(heard(me.hear)) == 40


async def test_nothing_walks_over_the_keys_of_others(valkey, ask):
    """What a look asks for, as the server counts it: no KEYS, no SCAN, nothing that blocks it."""
    await ask(("CONFIG", "RESETSTAT"))
    async with sights(valkey.url, "a", "b") as both:
        for each in both * 2:
            await each.look()
    (stats,) = await ask(("INFO", "commandstats"))
    used = {
        line.partition(":")[0].removeprefix("cmdstat_").partition("|")[0] for line in stats.split("\r\n")[1:] if line
    }
    assert used <= {
        "time", "zcard", "set", "pexpireat", "zadd", "zremrangebyscore", "pexpire", "zrange", "pttl", "getrange", "del",
        "zrem", "client", "select", "config",
    }  # fmt: skip
