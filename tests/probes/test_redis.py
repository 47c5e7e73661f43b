"""The `redis` probe against real servers: healthy, broken, full, restarted, as a replica, without rights."""

import socket

import pytest

from agent.demo.servers import Valkey
from config.types import Duration, Url
from probes.redis import RedisProbe, WriteCheck
from tests.probes.attempts import attempts, nothing_left, values, verdict
from tests.probes.stubs import eventually

pytest_plugins = ("tests.servers",)


def probing(server, *, seconds=20.0, service="checkout", url="", **options):
    """Attempts at a real server."""
    return attempts(RedisProbe, seconds, service, url=Url.parse(url or server.url), **options)


def tell(server, *words):
    """Send one command, as an administrator; the raw answer."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        connection.sendall(f"*{len(words)}\r\n{parts}".encode())
        return connection.recv(1 << 20).decode()


def clients(server, name="outrider:checkout"):
    """How many connections of that name the server has."""
    return tell(server, "CLIENT", "LIST").count(f"name={name} ")


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "pooled"])
async def test_healthy(valkey, fresh):
    """A healthy master passes, with its readings, facts and phases."""
    async with nothing_left(), probing(valkey, role="master") as attempt:
        seen = await attempt(fresh=fresh)
    assert verdict(seen) == ("pass", "ok")
    found = values(seen)
    assert 0 < found["ping"] < seen.seconds
    assert 0 < found["memory_used"] < 1
    assert found["used_memory"] > 100_000
    assert found["connected_clients"] >= 1
    assert found["connected_clients_used"] == pytest.approx(found["connected_clients"] / 10_000)
    assert found["evicted_keys"] == found["rejected_connections"] == 0
    assert seen.measurement.facts == {"version": "9.1.2", "role": "master"}
    assert set(seen.measurement.phases) == {"resolve", "connect", "auth", "ping", "info"}
    assert sum(seen.measurement.phases.values()) <= seen.seconds


@pytest.mark.case("B13")
async def test_never_more_than_two_connections(valkey):
    """A thousand attempts, one in six fresh, three in four without readings: at most two connections, none left."""
    most = 0
    async with probing(valkey) as attempt:
        for number in range(1000):
            seen = await attempt(fresh=number % 6 == 0, readings=number % 4 == 0)
            assert verdict(seen) == ("pass", "ok")
            if number % 50 == 0:
                most = max(most, clients(valkey))
        assert clients(valkey) == 1
    assert most in (1, 2)

    async def gone():
        return clients(valkey) == 0

    await eventually(gone)


async def test_a_fresh_attempt_uses_a_new_connection(valkey):
    """A fresh attempt logs in anew and leaves the kept connection alone."""
    async with probing(valkey) as attempt:
        phases = [set((await attempt(fresh=fresh)).measurement.phases) for fresh in (False, False, True, False)]
    assert ["connect" in found for found in phases] == [True, False, True, False]


async def test_restarted_server_is_no_failure():
    """A kept connection that the server closed is replaced within the attempt."""
    with Valkey() as server:
        async with probing(server) as attempt:
            await attempt()
            server.stop()
            server.start()
            assert verdict(await attempt()) == ("pass", "ok")
            tell(server, "CLIENT", "KILL", "TYPE", "normal")
            assert verdict(await attempt()) == ("pass", "ok")


async def test_killed_and_mended():
    """Killed: refused at once. Back: the next attempt passes."""
    with Valkey() as server:
        async with probing(server) as attempt:
            await attempt()
            server.kill()
            for fresh in (False, True):
                seen = await attempt(fresh=fresh)
                assert verdict(seen) == ("fail", "connect_refused")
                assert seen.phase == "connect"
            server.start()
            assert verdict(await attempt()) == ("pass", "ok")


async def test_paused():
    """Frozen: both kinds of attempt end in time, say where, and leave nothing; resumed, all is well."""
    with Valkey() as server:
        async with nothing_left(), probing(server, seconds=1.5) as attempt:
            await attempt()
            server.pause()
            pooled, fresh = await attempt(), await attempt(fresh=True)
            server.resume()
            assert verdict(pooled) == verdict(fresh) == ("fail", "read_timeout")
            assert (pooled.phase, fresh.phase) == ("ping", "auth")
            assert verdict(await attempt()) == ("pass", "ok")


async def test_busy():
    """A server that a script keeps busy is said to be busy, not away."""
    with Valkey(settings={"busy-reply-threshold": "1"}) as server:
        async with probing(server) as attempt:
            await attempt()
            with socket.create_connection(("127.0.0.1", server.port), 5) as loop:
                loop.sendall(b"*3\r\n$4\r\nEVAL\r\n$16\r\nwhile 1 do   end\r\n$1\r\n0\r\n")

                async def busy():
                    return verdict(await attempt()) == ("fail", "throttled")

                await eventually(busy)
                tell(server, "SCRIPT", "KILL")
            assert verdict(await attempt()) == ("pass", "ok")


@pytest.mark.case("B15")
async def test_full_of_connections():
    """Every place taken: the kept connection still passes, a fresh one is refused with too_many_connections."""
    with Valkey(settings={"maxclients": "3"}) as server:
        async with probing(server) as attempt:
            await attempt()
            others = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(2)]
            assert verdict(await attempt(fresh=True)) == ("fail", "too_many_connections")
            pooled = await attempt()
            assert verdict(pooled) == ("pass", "ok")
            assert values(pooled)["connected_clients_used"] == 1
            assert values(pooled)["rejected_connections"] == 1
            for other in others:
                other.close()


async def test_password():
    """The right password passes; a wrong one, none, and an unknown user are told as auth, and shown nowhere."""
    with Valkey(password='s3cret @:/"') as server:
        async with probing(server) as attempt:
            assert verdict(await attempt()) == ("pass", "ok")
            assert "s3cret" not in repr(attempt.probe.options) + repr(attempt.probe._place)
        for login in (":guess@", "", "nobody:guess@"):
            url = f"redis://{login}127.0.0.1:{server.port}"
            async with nothing_left(), probing(server, url=url) as attempt:
                seen = await attempt()
            assert verdict(seen) == ("fail", "auth")
            assert seen.phase == "auth"
            assert "guess" not in seen.detail


async def test_user_without_rights(valkey):
    """Without INFO the readings are missing, and the role cannot be told; without a name all is well."""
    tell(valkey, "ACL", "SETUSER", "narrow", "on", ">pw", "+ping")
    url = valkey.url.replace("redis://", "redis://narrow:pw@")
    async with probing(valkey, url=url) as attempt, probing(valkey, url=url, role="master") as needy:
        seen = await attempt()
        assert verdict(seen) == ("warn", "unreadable")
        assert "INFO" in seen.detail
        assert values(seen)["memory_used"] is None
        assert verdict(await needy()) == ("fail", "auth")
    tell(valkey, "ACL", "SETUSER", "narrow", "+info")
    async with probing(valkey, url=url) as attempt:
        assert verdict(await attempt()) == ("pass", "ok")
    async with probing(valkey, url=url, write_check=True) as attempt:
        assert verdict(await attempt()) == ("fail", "auth")
    tell(valkey, "ACL", "DELUSER", "narrow")


async def test_memory_limit():
    """With maxmemory the share is of that; without, of the machine's memory."""
    with Valkey(settings={"maxmemory": "100mb"}) as server:
        async with probing(server) as attempt:
            found = values(await attempt())
    assert found["memory_used"] == pytest.approx(found["used_memory"] / (100 << 20))


@pytest.mark.parametrize("check", [True, WriteCheck(key="{own}:key", ttl=Duration(5))], ids=["plain", "own key"])
async def test_write_check(valkey, check):
    """A key of this replica's own is written with a life time, and read back."""
    async with probing(valkey, write_check=check, service="a b") as attempt:
        seen = await attempt()
        key = attempt.probe._key
    assert verdict(seen) == ("pass", "ok")
    assert "write_check" in seen.measurement.phases
    assert key == "{own}:key" or key.startswith("outrider:write-check:a b:")
    assert tell(valkey, "TTL", key) in ({":5\r\n", ":4\r\n"} if check is not True else {":60\r\n", ":59\r\n"})


async def test_out_of_memory():
    """A full server with noeviction answers PING and refuses writes: only the write check sees it."""
    with Valkey(settings={"maxmemory": "1", "maxmemory-policy": "noeviction"}) as server:
        async with probing(server) as reader, probing(server, write_check=True) as writer:
            assert verdict(await reader()) == ("pass", "ok")
            seen = await writer()
            assert verdict(seen) == ("fail", "writes_refused")
            assert seen.phase == "write_check"
            assert values(await reader())["memory_used"] > 1


async def test_disk_that_cannot_be_written():
    """A server that cannot save refuses writes and says MISCONF to PING: a warning, unless writes are needed."""
    with Valkey(settings={"save": "3600 1", "dir": "/proc"}) as server:
        tell(server, "SET", "key", "value")
        tell(server, "BGSAVE")
        async with probing(server) as reader, probing(server, write_check=True) as writer:

            async def misconfigured():
                return verdict(await reader()) == ("warn", "writes_refused")

            await eventually(misconfigured)
            assert "MISCONF" in (await reader()).detail
            assert verdict(await writer()) == ("fail", "writes_refused")
        tell(server, "CONFIG", "SET", "save", "")


async def test_loading():
    """A server that reads its data is not ready, and says so: loading."""
    with Valkey(settings={"dbfilename": "kept.rdb", "rdbcompression": "no"}) as server:
        for number in range(100):
            tell(server, "SET", f"key{number}", "x" * 2000)
        assert tell(server, "SAVE").startswith("+OK")
        server.kill()
        # 10 ms a key, and an ear for clients after each.
        server._settings |= {"key-load-delay": "10000", "loading-process-events-interval-bytes": "1024"}
        server.start(wait=False)
        async with probing(server) as attempt:

            async def loading():
                return verdict(await attempt()) == ("fail", "loading")

            async def loaded():
                return verdict(await attempt()) == ("pass", "ok")

            await eventually(loading)
            await eventually(loaded)


async def test_replica():
    """A replica says its role; a link that is down warns, and its age cannot be read."""
    with Valkey(settings={"repl-diskless-sync-delay": "0"}) as master:
        link = {"replicaof": f"127.0.0.1 {master.port}"}
        with Valkey(settings=link) as replica, Valkey(settings={**link, "replica-serve-stale-data": "no"}) as strict:
            async with (
                probing(replica, role="replica") as attempt,
                probing(replica, role="master") as other,
                probing(replica, write_check=True) as writer,
                probing(strict) as careful,
            ):

                async def linked():
                    return {verdict(await attempt()), verdict(await careful())} == {("pass", "ok")}

                await eventually(linked)
                assert values(await attempt())["master_last_io"] >= 0
                assert verdict(await other()) == ("fail", "wrong_role")
                assert verdict(await writer()) == ("fail", "read_only")
                master.kill()

                async def cut_off():
                    return verdict(await attempt()) == ("warn", "link_down")

                await eventually(cut_off)
                seen = await attempt()
                assert values(seen)["master_last_io"] is None
                assert "master" in seen.detail
                assert verdict(await careful())[1] == "link_down"
