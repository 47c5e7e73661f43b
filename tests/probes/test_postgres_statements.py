"""What the `postgres` probe asks a server: an own query, and the statistics, as any role and under any lock."""

import asyncio

import asyncpg
import pytest

from agent.demo.servers import Postgres
from config.types import Url
from probes.postgres import PostgresProbe
from tests.probes.attempts import attempts, nothing_left, values, verdict
from tests.probes.stubs import eventually

pytest_plugins = ("tests.servers",)

SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(30)'"


def probing(server, *, seconds=20.0, dsn="", **options):
    """Attempts at a real server."""
    return attempts(PostgresProbe, seconds, dsn=Url.parse(dsn or server.dsn), **options)


@pytest.fixture
async def admin(postgres):
    """A superuser's session with the shared server."""
    session = await asyncpg.connect(postgres.dsn)
    yield session
    await session.close()


@pytest.mark.parametrize(
    ("query", "verdict_", "detail"),
    [
        ("SELECT count(*) FROM pg_class;", ("pass", "ok"), ""),
        ("SELECT 'up'", ("pass", "ok"), ""),
        ("SELECT false", ("fail", "assertion"), "found false"),
        ("SELECT 0", ("fail", "assertion"), "found false"),
        ("SELECT NULL::int", ("fail", "assertion"), "found false"),
        ("SELECT 1 WHERE false", ("fail", "assertion"), "found false"),
        ("SELECT * FROM nosuchtable", ("fail", "query"), "42P01"),
        ("SELECT $1::int", ("fail", "query"), "argument"),
        ("SELECT pg_sleep(30)", ("fail", "read_timeout"), "57014"),
        ("SELECT repeat('x', 3000000)", ("fail", "body_too_large"), "1048576"),
    ],
)
async def test_own_query(postgres, admin, query, verdict_, detail):
    """An own query decides by its one value; what it cannot do is told, and nothing runs on at the server."""
    async with probing(postgres, seconds=1.0 if "pg_sleep" in query else 20.0, query=query) as attempt:
        seen = await attempt()
        assert verdict(seen) == verdict_
        assert detail in seen.detail
    assert await admin.fetchval(SLEEPING) == 0


async def test_a_cancelled_check_stops_its_query(postgres, admin):
    """Cancelled in the middle of a query, the server gives the query up, and no socket is left."""

    async def started():
        return await admin.fetchval(SLEEPING) == 1

    async with nothing_left(), probing(postgres, seconds=30, query="SELECT pg_sleep(30)") as attempt:
        check = asyncio.create_task(attempt())
        await eventually(started)
        check.cancel()
        with pytest.raises(asyncio.CancelledError):
            await check
        assert await admin.fetchval(SLEEPING) == 0


async def test_locked_catalogue(postgres):
    """Statistics under a lock do not hang the attempt: it is a warning; a role that cannot be told fails it."""
    async with probing(postgres) as attempt, probing(postgres, role="primary") as needy:
        await attempt()
        await needy()
        holder = await asyncpg.connect(postgres.dsn)
        lock = holder.transaction()
        await lock.start()
        await holder.execute("LOCK TABLE pg_stat_database IN ACCESS EXCLUSIVE MODE")
        try:
            seen = await attempt()
            assert verdict(seen) == ("warn", "unreadable")
            assert "55P03" in seen.detail
            assert values(seen)["connections_used"] is None
            assert values(seen)["query"] > 0
            seen = await needy()
            assert verdict(seen) == ("warn", "unreadable")
            assert seen.measurement.facts["role"] == "primary"
            assert verdict(await needy(readings=False)) == ("pass", "ok")
            await holder.execute("LOCK TABLE pg_settings IN ACCESS EXCLUSIVE MODE")
            for readings in (True, False):
                seen = await needy(readings=readings)
                assert (*verdict(seen), seen.phase) == ("fail", "query", "role")
        finally:
            await lock.rollback()
            await holder.close()
        assert verdict(await attempt()) == ("pass", "ok")


async def test_plain_role(postgres, admin):
    """A role without any right but to log in gets every reading."""
    await admin.execute("CREATE ROLE plain LOGIN")
    async with probing(postgres, dsn=postgres.dsn.replace("postgres@", "plain@")) as attempt:
        seen = await attempt()
    await admin.execute("DROP ROLE plain")
    assert verdict(seen) == ("pass", "ok")
    assert None not in values(seen).values()
    assert set(values(seen)) == {"query", "connections", "connections_used", "deadlocks"}


async def test_shadowing_role(postgres, admin):
    """A role whose search path puts its own functions first cannot fool the statistics."""
    await admin.execute(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true';"
        " CREATE ROLE fooled LOGIN; GRANT USAGE ON SCHEMA evil TO fooled;"
        " ALTER ROLE fooled SET search_path = evil, pg_catalog"
    )
    async with probing(postgres, dsn=postgres.dsn.replace("postgres@", "fooled@"), role="primary") as attempt:
        assert verdict(await attempt()) == ("pass", "ok")
    await admin.execute("DROP SCHEMA evil CASCADE; DROP ROLE fooled")


async def test_read_only_server(postgres, admin):
    """A primary that refuses writes to everyone is down for who needs a primary; a role's own default is not that."""
    await admin.execute("CREATE ROLE careful LOGIN; ALTER ROLE careful SET default_transaction_read_only = on")
    careful = postgres.dsn.replace("postgres@", "careful@")
    try:
        async with probing(postgres, dsn=careful, role="primary") as attempt:
            assert verdict(await attempt()) == ("pass", "ok")
    finally:
        await admin.execute("DROP ROLE careful")
    with Postgres(settings={"default_transaction_read_only": "on"}) as server:
        async with probing(server, role="primary") as attempt, probing(server) as any_role:
            seen = await attempt()
            assert verdict(seen) == ("fail", "read_only")
            assert seen.measurement.facts["role"] == "primary"
            assert verdict(await any_role()) == ("pass", "ok")


async def test_deadlocks_are_counted(postgres, admin):
    """A deadlock in the database raises the counter."""
    await admin.execute("CREATE TABLE pair AS SELECT generate_series(1, 2) AS id")
    async with probing(postgres) as attempt:
        before = values(await attempt())["deadlocks"]
        one, two = [await asyncpg.connect(postgres.dsn, server_settings={"deadlock_timeout": "10ms"}) for _ in range(2)]
        await one.execute("BEGIN; UPDATE pair SET id = id WHERE id = 1")
        await two.execute("BEGIN; UPDATE pair SET id = id WHERE id = 2")
        ends = await asyncio.gather(
            one.execute("UPDATE pair SET id = id WHERE id = 2"),
            two.execute("UPDATE pair SET id = id WHERE id = 1"),
            return_exceptions=True,
        )
        assert any(isinstance(end, asyncpg.DeadlockDetectedError) for end in ends)
        await asyncio.gather(one.close(), two.close())

        async def counted():
            return values(await attempt())["deadlocks"] == before + 1

        await eventually(counted)
    await admin.execute("DROP TABLE pair")
