"""What a real server is asked where another replica reads the facts about it: only whether the way there works."""

import asyncio
import re

import asyncpg
import pytest

from agent.demo.servers import Postgres, Valkey
from config.types import Url
from probes.postgres import PostgresProbe
from probes.redis import RedisProbe
from tests.probes.attempts import attempts, values, verdict
from tests.probes.stubs import eventually
from tests.probes.test_redis import tell

ATTEMPTS = 10


@pytest.fixture(scope="module")
def logged():
    """A PostgreSQL that counts statements and writes each one down."""
    with Postgres(settings={"log_statement": "all", "shared_preload_libraries": "pg_stat_statements"}) as server:
        yield server


@pytest.fixture(scope="module")
def counted():
    """A Valkey whose commands are counted, and the last ones written down."""
    with Valkey(settings={"slowlog-log-slower-than": "0"}) as server:
        yield server


def asking(server, **options):
    return attempts(PostgresProbe, dsn=Url.parse(server.dsn), **options)


def said(server, before):
    """What the server was told after `before` characters of its log, one text per message."""
    return re.findall(r"LOG:  (?:statement|execute [^:]+): (.*(?:\n(?!\d{4}-).*)*)", server.log[before:])


@pytest.mark.case("B13")
@pytest.mark.parametrize(
    ("readings", "options", "messages", "statements"),
    [
        (True, {}, 4, 8),
        (False, {}, 1, 1),
        (True, {"role": "primary"}, 4, 8),
        (False, {"role": "primary"}, 4, 8),
    ],
    ids=["reads", "does not", "reads, role", "does not, role"],
)
async def test_postgres_is_asked(logged, readings, options, messages, statements):
    """So many messages and statements per attempt (docs/probes.md), and no statistics where they are not read."""
    admin = await asyncpg.connect(logged.dsn)
    await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    async with asking(logged, **options) as attempt:
        await attempt(readings=readings)
        await admin.execute("SELECT pg_stat_statements_reset()")
        before = len(logged.log)
        for _ in range(ATTEMPTS):
            assert verdict(await attempt(readings=readings)) == ("pass", "ok")
        told = said(logged, before)
        calls = await admin.fetchval(
            "SELECT sum(calls) FROM pg_stat_statements WHERE toplevel AND query NOT LIKE '%pg_stat_statements%'"
        )
    await admin.close()
    assert len(told) == messages * ATTEMPTS
    assert calls == statements * ATTEMPTS
    assert sum("pg_stat_" in each for each in told) == (ATTEMPTS if readings else 0)


async def test_postgres_tells_its_path_in_either_case(logged):
    """Without readings: the round trip, the version, the own query; the role only where one is wanted."""
    async with asking(logged, query="SELECT 1") as attempt, asking(logged, role="standby") as standby:
        seen = await attempt(readings=False)
        assert set(values(seen)) == {"query"}
        assert seen.measurement.facts == {"version": "18.6"}
        assert "own_query" in seen.measurement.phases
        assert "statistics" not in seen.measurement.phases
        assert set(values(await attempt())) == {"query", "connections", "connections_used", "deadlocks"}
        for readings in (True, False):
            seen = await standby(readings=readings)
            assert (*verdict(seen), seen.phase) == ("fail", "wrong_role", "role")
            assert seen.measurement.facts["role"] == "primary"


async def test_postgres_that_is_full_is_told_without_readings():
    """Whether a new session can be had is ours to know: B15 does not hang on the statistics."""
    with Postgres(max_connections=5, settings={"superuser_reserved_connections": "0"}) as server:
        async with asking(server) as attempt:
            assert verdict(await attempt(readings=False)) == ("pass", "ok")
            others = [await asyncpg.connect(server.dsn) for _ in range(4)]
            assert verdict(await attempt(readings=False, fresh=True)) == ("fail", "too_many_connections")
            assert verdict(await attempt(readings=False)) == ("pass", "ok")
            await asyncio.gather(*(other.close() for other in others))


async def test_a_broken_link_of_a_standby_is_told_by_the_reader():
    """A standby that hears nothing: the one that reads warns, the others find their way and their role intact."""
    link = {"wal_receiver_timeout": "2s", "wal_retrieve_retry_interval": "200ms"}
    with Postgres() as primary, Postgres(standby_of=primary, settings=link) as standby:
        async with asking(standby, role="standby") as attempt:

            async def linked():
                return verdict(await attempt()) == ("pass", "ok")

            async def cut_off():
                return verdict(await attempt()) == ("warn", "link_down")

            await eventually(linked)
            primary.kill()
            await eventually(cut_off)
            seen = await attempt(readings=False)
            assert verdict(seen) == ("pass", "ok")
            assert (set(values(seen)), seen.measurement.facts["role"]) == ({"query"}, "standby")


def infos(server):
    """How often INFO was asked, this time not counted."""
    found = re.search(r"cmdstat_info:calls=(\d+)", tell(server, "INFO", "commandstats"))
    return int(found[1]) if found else 0


@pytest.mark.parametrize(
    ("readings", "options", "each"),
    [(True, {}, 1), (False, {}, 0), (True, {"role": "master"}, 1), (False, {"role": "master"}, 1)],
    ids=["reads", "does not", "reads, role", "does not, role"],
)
async def test_redis_is_asked(counted, readings, options, each):
    """One INFO per attempt, none where it is not read, its part on the role where one is wanted."""
    async with attempts(RedisProbe, url=Url.parse(counted.url), **options) as attempt:
        await attempt(readings=readings)
        tell(counted, "SLOWLOG", "RESET")
        before = infos(counted)
        for _ in range(ATTEMPTS):
            seen = await attempt(readings=readings)
            assert verdict(seen) == ("pass", "ok")
        assert infos(counted) - before - 1 == each * ATTEMPTS
        in_part = tell(counted, "SLOWLOG", "GET", "-1").count("\r\nreplication\r\n")
        assert in_part == (ATTEMPTS if options and not readings else 0)
    if readings:
        assert set(values(seen)) > {"ping", "memory_used"}
        assert seen.measurement.facts == {"version": "9.1.2", "role": "master"}
    else:
        assert set(values(seen)) == {"ping"}
        assert seen.measurement.facts == ({"role": "master"} if options else {})


async def test_redis_tells_its_path_in_either_case(counted):
    """Without readings a write is still refused and a role still wrong."""
    url = Url.parse(counted.url)
    async with attempts(RedisProbe, url=url, role="replica") as replica:
        for readings in (True, False):
            assert verdict(await replica(readings=readings)) == ("fail", "wrong_role")
    with Valkey(settings={"maxmemory": "1", "maxmemory-policy": "noeviction"}) as full:
        async with attempts(RedisProbe, url=Url.parse(full.url), write_check=True) as writer:
            assert verdict(await writer(readings=False)) == ("fail", "writes_refused")


async def test_redis_that_will_not_say_is_asked_by_the_reader_alone(counted):
    """Without the right to INFO only the one that reads warns; a wanted role is told by nobody."""
    tell(counted, "ACL", "SETUSER", "narrow", "on", ">pw", "+ping")
    url = Url.parse(counted.url.replace("redis://", "redis://narrow:pw@"))
    async with attempts(RedisProbe, url=url) as attempt, attempts(RedisProbe, url=url, role="master") as needy:
        assert verdict(await attempt()) == ("warn", "unreadable")
        assert verdict(await attempt(readings=False)) == ("pass", "ok")
        assert verdict(await needy(readings=False)) == ("fail", "auth")
    tell(counted, "ACL", "DELUSER", "narrow")


@pytest.mark.parametrize("kind", ["postgres", "redis"])
async def test_a_fresh_attempt_reads_as_little(logged, counted, kind):
    """Also over a new connection nothing is asked that another replica reads."""
    asked = asking(logged) if kind == "postgres" else attempts(RedisProbe, url=Url.parse(counted.url))
    async with asked as attempt:
        seen = await attempt(fresh=True, readings=False)
        assert verdict(seen) == ("pass", "ok")
        assert len(seen.measurement.readings) == 1
