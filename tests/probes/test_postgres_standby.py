"""The `postgres` probe at a standby: its role, its lag, and a link that breaks."""

import asyncio

import asyncpg
import pytest

from agent.demo.servers import Postgres
from config.types import Url
from probes.postgres import PostgresProbe
from tests.probes.attempts import attempts, values, verdict
from tests.probes.stubs import eventually

# A silent link is given up after 2 s instead of 60 s, and tried again after 0.2 s instead of 5 s.
FAST = {"wal_receiver_timeout": "2s", "wal_retrieve_retry_interval": "200ms"}


@pytest.fixture(scope="module")
def pair():
    """A primary and its standby, which gives a silent link up after 2 s."""
    with Postgres() as primary, Postgres(standby_of=primary, settings=FAST) as standby:
        yield primary, standby


def probing(server, **options):
    """Attempts at one of the two."""
    dsn = options.pop("dsn", server.dsn)
    return attempts(PostgresProbe, 2.0, dsn=Url.parse(dsn), **options)


async def linked(attempt):
    """Wait until the standby is linked."""

    async def passes():
        return verdict(await attempt()) == ("pass", "ok")

    await eventually(passes)


@pytest.mark.parametrize(
    ("role", "primary_is", "standby_is"),
    [
        ("any", ("pass", "ok"), ("pass", "ok")),
        ("primary", ("pass", "ok"), ("fail", "wrong_role")),
        ("standby", ("fail", "wrong_role"), ("pass", "ok")),
    ],
)
async def test_role(pair, role, primary_is, standby_is):
    """A server in another role than the wanted one is down, and the facts say what it is."""
    primary, standby = pair
    async with probing(primary, role=role) as at_primary, probing(standby, role=role) as at_standby:
        first, second = await at_primary(), await at_standby()
    assert verdict(first) == primary_is
    assert verdict(second) == standby_is
    assert [seen.measurement.facts["role"] for seen in (first, second)] == ["primary", "standby"]


@pytest.mark.case("B11")
async def test_idle_primary(pair):
    """An idle primary and a live link: the lag is 0, for longer than the age of its last word may grow."""
    _, standby = pair
    async with probing(standby) as attempt:
        await linked(attempt)
        watched_until = (
            asyncio.get_running_loop().time() + 2.5
        )  # the last word grows 1 s old before the next is asked for
        while asyncio.get_running_loop().time() < watched_until:
            await asyncio.sleep(0.05)
            seen = await attempt()
            assert verdict(seen) == ("pass", "ok")
            assert values(seen)["replication_lag"] == 0


async def test_replay_that_lags(pair):
    """Received and not replayed: the lag is the age of the last change replayed."""
    primary, standby = pair
    writer, reader = await asyncpg.connect(primary.dsn), await asyncpg.connect(standby.dsn)
    async with probing(standby) as attempt:
        await linked(attempt)
        await writer.execute("CREATE TABLE one AS SELECT 1")

        async def replayed():
            return bool(await reader.fetchval("SELECT pg_last_xact_replay_timestamp() IS NOT NULL"))

        await eventually(replayed)
        await reader.execute("SELECT pg_wal_replay_pause()")
        await writer.execute("CREATE TABLE two AS SELECT 2")

        async def lags():
            return values(await attempt())["replication_lag"] > 0.1

        try:
            await eventually(lags)
        finally:
            await reader.execute("SELECT pg_wal_replay_resume()")

        async def caught_up():
            return values(await attempt())["replication_lag"] == 0

        await eventually(caught_up)
    await writer.close()
    await reader.close()


async def test_plain_role(pair):
    """Without pg_monitor the lag is read all the same."""
    primary, standby = pair
    admin = await asyncpg.connect(primary.dsn)
    await admin.execute("CREATE ROLE plain LOGIN")
    async with probing(standby, dsn=standby.dsn.replace("postgres@", "plain@")) as attempt:

        async def passes():
            return verdict(await attempt()) == ("pass", "ok")

        await eventually(passes)
        assert values(await attempt())["replication_lag"] == 0
    await admin.execute("DROP ROLE plain")
    await admin.close()


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_broken_link(pair, fault):
    """A primary that is gone or frozen: the lag cannot be read, never 0; where it is not wanted, nothing is amiss."""
    primary, standby = pair
    async with probing(standby) as attempt, probing(standby, replication=False) as careless:
        await linked(attempt)
        getattr(primary, fault)()
        try:

            async def warns():
                return verdict(await attempt()) == ("warn", "link_down")

            await eventually(warns)
            for _ in range(10):
                seen = await attempt()
                assert verdict(seen) == ("warn", "link_down")
                assert values(seen)["replication_lag"] is None
                assert "primary" in seen.detail
            seen = await careless()
            assert verdict(seen) == ("pass", "ok")
            assert "replication_lag" not in values(seen)
        finally:
            primary.resume()
            primary.start()
