import asyncio
import contextlib
import logging
import socket
from types import SimpleNamespace

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from agent.sockets import CannotListen
from agent.web.balancers import grpc_health as room
from agent.web.balancers.grpc_health import grpc_health
from config.types.address import ListenAddress
from tests.agent.web.conftest import dial
from tests.running import AT_ONCE

LOOPBACK = ListenAddress("127.0.0.1", 0)
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN


@contextlib.asynccontextmanager
async def stub(address):
    """A client of its own, with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(str(address), options=options) as channel:
        yield HealthStub(channel)


@pytest.fixture
def desk(world):
    """A desk with one group, that the world moves."""
    desk = world.desk()
    group = SimpleNamespace(ready=True)
    world.answers["group"] = group
    object.__setattr__(desk, "group", {"checkout": group}.get)
    object.__setattr__(desk, "groups", lambda: {"checkout": group})
    return desk


@pytest.fixture
async def listening(desk):
    """Where the listener is."""
    async with grpc_health(desk, LOOPBACK) as address:
        yield address


@pytest.fixture
async def client(listening):
    async with stub(listening) as client:
        yield client


async def check(client, service=""):
    return (await client.Check(HealthCheckRequest(service=service), timeout=60)).status


async def test_check(world, client):
    """The verdict of the replica, of liveness, of one probe, of a group."""
    world.up("app")
    world.down("cache", when_down="degraded")
    assert [await check(client, name) for name in ("", "readiness", "liveness", "app")] == [SERVING] * 4
    assert [await check(client, name) for name in ("cache", "group/checkout")] == [NOT_SERVING, SERVING]
    world.lifecycle.drain()
    assert [await check(client, name) for name in ("", "liveness")] == [NOT_SERVING, SERVING]


async def test_check_of_a_name_that_nothing_has(client):
    """It is NOT_FOUND, as the protocol says."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(client, "nope")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_list(world, client):
    """All names at once."""
    world.up("app")
    world.down("cache", when_down="degraded")
    found = (await client.List(HealthListRequest(), timeout=60)).statuses
    assert {name: found[name].status for name in found} == {
        "": SERVING, "readiness": SERVING, "liveness": SERVING, "app": SERVING, "cache": NOT_SERVING,
        "group/checkout": SERVING,
    }  # fmt: skip


async def test_watch(world, client):
    """The first answer comes at once, then one for every change and none without."""
    world.up("app")
    call = client.Watch(HealthCheckRequest(), timeout=60)
    assert (await call.read()).status == SERVING
    world.lifecycle.drain()
    assert (await call.read()).status == NOT_SERVING
    silence = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({silence}, timeout=room.LOOK_EVERY * 3)
    assert not done
    silence.cancel()


async def test_watch_of_a_name_that_comes_and_goes(world, client):
    """A name that nothing has is SERVICE_UNKNOWN, and is told when a reload brings it or takes it away."""
    call = client.Watch(HealthCheckRequest(service="app"), timeout=60)
    assert (await call.read()).status == UNKNOWN
    world.up("app")
    assert (await call.read()).status == SERVING
    world.board.leave("app")
    assert (await call.read()).status == UNKNOWN


async def test_watchers_look_together(world, desk, client):
    """However many watch, the verdicts are drawn once a look."""
    world.up("app")
    calls = [client.Watch(HealthCheckRequest(), timeout=60) for _ in range(10)]
    assert [(await call.read()).status for call in calls] == [SERVING] * 10
    before, started = world.views_taken, asyncio.get_running_loop().time()
    world.lifecycle.drain()
    assert [(await call.read()).status for call in calls] == [NOT_SERVING] * 10
    looks = (asyncio.get_running_loop().time() - started) / room.LOOK_EVERY + 1
    assert world.views_taken - before <= 2 * looks  # a look asks for the verdict and for the members


async def test_nobody_watches_nobody_looks(world, client, monkeypatch):
    """A client that went, whether in good order or not, is no longer looked for."""
    monkeypatch.setattr(room, "LOOK_EVERY", 0.01)
    call = client.Watch(HealthCheckRequest(), timeout=60)
    await call.read()
    call.cancel()
    async with asyncio.timeout(60):
        while True:
            before = world.views_taken
            await asyncio.sleep(0.1)
            if world.views_taken == before:
                break


async def test_too_many_watchers(world, listening):
    """One more than there is room for is told so, and Check still answers at once."""
    world.up("app")
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(60):
        clients = [await stack.enter_async_context(stub(listening)) for _ in range(5)]
        calls = [clients[n % 5].Watch(HealthCheckRequest(), timeout=60) for n in range(room.WATCHERS)]
        assert [(await call.read()).status for call in calls] == [SERVING] * room.WATCHERS
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await clients[0].Watch(HealthCheckRequest(), timeout=60).read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await check(clients[0]) == SERVING
        calls[0].cancel()
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                assert (await clients[0].Watch(HealthCheckRequest(), timeout=60).read()).status == SERVING
                break


async def test_a_request_that_is_too_large(client):
    """A name longer than any is refused before it is looked up."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(client, "x" * 5000)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_fault_of_ours_tells_no_stranger(world, client, caplog):
    """A verdict that cannot be drawn is INTERNAL without its text; the log has it, once; a Watch goes on."""
    world.up("app")
    call = client.Watch(HealthCheckRequest(), timeout=60)
    assert (await call.read()).status == SERVING
    told = world.verdict

    def broken(_):
        raise RuntimeError("secret")

    world.verdict = broken
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(client)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in caught.value.details()
    await asyncio.sleep(room.LOOK_EVERY * 2)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "listen.grpc_health: no verdict to tell" in caplog.text
    world.verdict = told
    world.lifecycle.drain()
    assert (await call.read()).status == NOT_SERVING


async def test_stops_with_watchers_and_strangers(world, desk):
    """Closing waits for nobody, and every Watch ends in good order."""
    world.up("app")
    async with contextlib.AsyncExitStack() as stack:
        async with grpc_health(desk, LOOPBACK) as address:
            client = await stack.enter_async_context(stub(address))
            call = client.Watch(HealthCheckRequest(), timeout=60)
            await call.read()
            await stack.enter_async_context(dial(address.port))
            started = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - started < AT_ONCE
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_strangers_stall_nothing(world, listening, client):
    """Clients that send nothing, noise or HTTP/1 cost no check its answer."""
    world.up("app")
    async with contextlib.AsyncExitStack() as stack:
        for words in (b"", b"\0" * 10_000, b"GET /readyz HTTP/1.1\r\n\r\n") * 10:
            _, writer = await stack.enter_async_context(dial(listening.port))
            writer.write(words)
        assert await check(client) == SERVING


@pytest.mark.parametrize("host", ["127.0.0.1", "*", "localhost", "::1"])
async def test_every_form_of_an_address(world, desk, host):
    """Where it listens can be connected to, on IPv4 and IPv6 for `*`."""
    world.up("app")
    async with grpc_health(desk, ListenAddress(host, 0)) as address:
        assert address.host == host
        for way in {"*": ("127.0.0.1", "[::1]"), "::1": ("[::1]",)}.get(host, ("127.0.0.1",)):
            async with stub(f"{way}:{address.port}") as client:
                assert await check(client) == SERVING


async def test_a_unix_socket(world, desk, tmp_path):
    """It is the owner's alone, and gone afterwards."""
    world.up("app")
    path = tmp_path / "health.sock"
    async with grpc_health(desk, ListenAddress("", 0, str(path))) as address, stub(address) as client:
        assert path.stat().st_mode & 0o777 == 0o600
        assert await check(client) == SERVING
    assert not path.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "*"])
async def test_a_port_that_is_taken(desk, host, capfd):
    """The error names the key of the file, and gRPC prints nothing of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"^listen\.grpc_health: .* port {port} is in use"):
            async with grpc_health(desk, ListenAddress(host, port)):
                pass
    assert capfd.readouterr().err == ""


async def test_two_agents_do_not_share_a_port(desk, listening):
    """A second listener on the same port is refused."""
    with pytest.raises(CannotListen, match="in use"):
        async with grpc_health(desk, listening):
            pass
