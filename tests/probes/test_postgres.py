"""The `postgres` probe against real PostgreSQL servers: healthy, broken, full, restarted, hostile to it."""

import asyncpg
import pytest

from agent.demo.servers import Postgres
from config.types import Url
from probes.postgres import PostgresOptions, PostgresProbe
from tests.probes.attempts import attempts, nothing_left, values, verdict
from tests.probes.stubs import eventually

pytest_plugins = ("tests.servers",)


def probing(server, *, seconds=20.0, service="checkout", dsn="", **options):
    """Attempts at a real server."""
    return attempts(PostgresProbe, seconds, service, dsn=Url.parse(dsn or server.dsn), **options)


@pytest.fixture(scope="module")
def fragile():
    """A server to break; each test leaves it mended."""
    with Postgres() as server:
        yield server


@pytest.fixture
async def admin(postgres):
    """A superuser's session with the shared server."""
    session = await asyncpg.connect(postgres.dsn)
    yield session
    await session.close()


async def sessions(admin, name="outrider:checkout"):
    """How many sessions of that application the server has."""
    return await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "pooled"])
async def test_healthy(postgres, fresh):
    """A healthy primary passes, with its readings, facts and phases."""
    async with nothing_left(), probing(postgres, role="primary") as attempt:
        seen = await attempt(fresh=fresh)
    assert verdict(seen) == ("pass", "ok")
    found = values(seen)
    assert found["connections"] >= 1
    assert found["connections_used"] == pytest.approx(found["connections"] / 47)  # 50, less 3 for superusers
    assert found["deadlocks"] == 0
    assert 0 < found["query"] < seen.seconds
    assert "replication_lag" not in found
    assert seen.measurement.facts == {"version": "18.6", "role": "primary"}
    assert set(seen.measurement.phases) == {"resolve", "connect", "auth", "query", "statistics"}
    assert sum(seen.measurement.phases.values()) <= seen.seconds


@pytest.mark.case("B13")
async def test_never_more_than_two_sessions(postgres, admin):
    """A thousand attempts, one in six fresh, three in four without readings: at most two sessions, and none left."""
    most = 0
    async with probing(postgres) as attempt:
        for number in range(1000):
            seen = await attempt(fresh=number % 6 == 0, readings=number % 4 == 0)
            assert verdict(seen) == ("pass", "ok"), seen
            if number % 50 == 0:
                most = max(most, await sessions(admin))
        assert await sessions(admin) == 1
    assert most in (1, 2)

    async def gone():
        return await sessions(admin) == 0

    await eventually(gone)


async def test_a_fresh_attempt_uses_a_new_session(postgres, admin):
    """A fresh attempt logs in anew, leaves the kept session alone, and a pooled one goes on using it."""
    backends = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = 'outrider:checkout'"
    async with probing(postgres, query=backends.replace("array_agg(pid)", "count(*)")) as attempt:
        assert "connect" in (await attempt()).measurement.phases
        kept = await admin.fetchval(backends)
        assert "connect" not in (await attempt()).measurement.phases
        assert "connect" in (await attempt(fresh=True)).measurement.phases
        assert "connect" not in (await attempt()).measurement.phases
        assert await admin.fetchval(backends) == kept


async def test_sessions_are_read_only(postgres):
    """Not even an own query can write: the server refuses it."""
    async with probing(postgres, query="CREATE TABLE written()") as attempt:
        seen = await attempt()
    assert verdict(seen) == ("fail", "query")
    assert "read-only transaction" in seen.detail


async def test_recycled(postgres, admin, monkeypatch):
    """A kept session that has had its time is closed before a new one is made."""
    monkeypatch.setattr("probes.steady.LIFETIME_SECONDS", 0.0)
    async with probing(postgres) as attempt:
        for _ in range(3):
            assert "connect" in (await attempt()).measurement.phases

        async def one():
            return await sessions(admin) == 1

        await eventually(one)


async def test_restarted_server_is_no_failure(fragile):
    """A kept session that the server ended is replaced within the attempt."""
    async with probing(fragile) as attempt:
        assert verdict(await attempt()) == ("pass", "ok")
        fragile.stop()
        fragile.start()
        seen = await attempt()
        assert verdict(seen) == ("pass", "ok")
        assert "connect" in seen.measurement.phases


async def test_terminated_session_is_no_failure(postgres, admin):
    """pg_terminate_backend between two attempts is healed within the second."""
    async with probing(postgres) as attempt:
        await attempt()
        await admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'outrider:checkout'"
        )
        assert verdict(await attempt()) == ("pass", "ok")


async def test_killed_and_mended(fragile):
    """Killed: refused at once. Back: the next attempt passes."""
    async with probing(fragile) as attempt:
        await attempt()
        fragile.kill()
        for fresh in (False, True):
            seen = await attempt(fresh=fresh)
            assert verdict(seen) == ("fail", "connect_refused")
            assert seen.phase == "connect"
        fragile.start()
        assert verdict(await attempt()) == ("pass", "ok")


async def test_paused(fragile):
    """Frozen: both kinds of attempt end in time, say where, and leave nothing; resumed, all is well."""
    async with nothing_left(), probing(fragile, seconds=1.5) as attempt:
        await attempt()
        fragile.pause()
        pooled, fresh = await attempt(), await attempt(fresh=True)
        fragile.resume()
        assert verdict(pooled) == verdict(fresh) == ("fail", "read_timeout")
        assert (pooled.phase, fresh.phase) == ("query", "auth")

        async def passes():
            return verdict(await attempt()) == ("pass", "ok")

        await eventually(passes)


@pytest.mark.case("B15")
async def test_full_of_connections():
    """Every place taken: the kept session still passes, a fresh one is refused with too_many_connections."""
    with Postgres(max_connections=5, settings={"superuser_reserved_connections": "0"}) as server:
        async with probing(server) as attempt:
            assert verdict(await attempt()) == ("pass", "ok")
            others = [await asyncpg.connect(server.dsn) for _ in range(4)]
            seen = await attempt(fresh=True)
            assert verdict(seen) == ("fail", "too_many_connections")
            assert "53300" in seen.detail
            pooled = await attempt()
            assert verdict(pooled) == ("pass", "ok")
            assert values(pooled)["connections_used"] == 1
            for other in others:
                await other.close()


@pytest.mark.case("B01")
async def test_password():
    """SASL with the right password passes; with a wrong one, or no such user, the reason is auth."""
    with Postgres(password="s3cret/@:") as server:
        async with probing(server) as attempt:
            assert verdict(await attempt()) == ("pass", "ok")
        for dsn in (server.dsn.replace("s3cret", "guess"), server.dsn.replace("postgres:", "nobody:", 1)):
            async with nothing_left(), probing(server, dsn=dsn.replace("nobody://", "postgres://")) as attempt:
                seen = await attempt()
            assert verdict(seen) == ("fail", "auth")
            assert seen.phase == "auth"
            assert "s3cret" not in seen.detail
            assert "guess" not in seen.detail


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("/postgres", "/nosuchdb"), "not_found"),
        (("/postgres", "/postgres?schema=public"), "config"),
        (("/postgres", "/postgres?sslmode=require"), "tls_handshake"),
        (("/postgres", "/postgres?sslmode=potato"), "config"),
        (("/postgres", "/postgres?target_session_attrs=standby"), "wrong_role"),
        (("127.0.0.1", "nothere.invalid"), "dns_"),
    ],
    ids=["no database", "unknown parameter", "no TLS", "bad sslmode", "no such role", "no such host"],
)
async def test_dsn_that_does_not_fit(postgres, change, reason):
    """What is wrong in the DSN is told by its reason."""
    old, new = change
    dsn = new.join(postgres.dsn.rsplit(old, 1))
    async with nothing_left(), probing(postgres, dsn=dsn) as attempt:
        seen = await attempt()
    assert seen.outcome == "fail"
    assert seen.reason.value.startswith(reason)


async def test_unix_socket(tmp_path):
    """A DSN may name a socket's folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    for part in (folder, *folder.parents[:3]):
        part.chmod(0o777)
    with Postgres(settings={"unix_socket_directories": str(folder)}) as server:
        dsn = f"postgresql://postgres@/postgres?host={folder}&port={server.port}"
        async with probing(server, dsn=dsn) as attempt:
            assert verdict(await attempt()) == ("pass", "ok")
        async with probing(server, dsn=dsn.replace("run&", "away&")) as attempt:
            assert verdict(await attempt()) == ("fail", "not_found")


async def test_several_hosts(postgres):
    """The first host that answers is taken; a `+driver` in the scheme is not minded."""
    dsn = postgres.dsn.replace("127.0.0.1", "127.0.0.1:1,127.0.0.1").replace("postgresql", "postgresql+asyncpg")
    async with probing(postgres, dsn=dsn) as attempt:
        assert verdict(await attempt()) == ("pass", "ok")


async def test_application_name_is_cut_on_a_character(postgres, admin):
    """A long name of many bytes is cut to what PostgreSQL keeps, never in the middle of a character."""
    async with probing(postgres, service="ä" * 60) as attempt:
        assert verdict(await attempt()) == ("pass", "ok")
        names = await admin.fetch("SELECT application_name AS name FROM pg_stat_activity")
    assert any(row["name"].startswith("outrider:") and len(row["name"]) > 20 for row in names)


def test_options():
    """What cannot be a PostgreSQL is refused with what would be right."""
    refused = [
        (PostgresOptions(dsn=Url.parse("mysql://db/x")), "dsn"),
        (PostgresOptions(dsn=Url.parse("postgres://db/x"), query="SELECT 1; DROP TABLE x"), "query"),
    ]
    for options, key in refused:
        ((found, text),) = options.problems()
        assert found == key
        assert "write" in text
    fine = PostgresOptions(dsn=Url.parse("postgres://u:pw@db:5433/x"), query="SELECT 1;")
    assert not list(fine.problems())
    assert PostgresProbe.target(fine) == "db:5433/x"
    assert PostgresProbe.target(PostgresOptions(dsn=Url.parse("postgres:///x"))) == "local socket:5432/x"
    assert "pw" not in repr(fine)
