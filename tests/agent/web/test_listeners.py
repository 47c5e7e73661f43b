import asyncio
import contextlib
import gzip
import logging
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from agent.sockets import CannotListen, PortInUse, bind
from agent.web import listeners
from config.types.address import ListenAddress
from tests.agent.web.conftest import ask, dial

LOOPBACK = ListenAddress("127.0.0.1", 0)


async def test_dual_stack(world):
    """`*` listens on IPv4 and IPv6 at one port, and knows which."""
    async with listeners.public(world.desk(), ListenAddress("*", 0)) as listener:
        assert listener.port
        for host in ("127.0.0.1", "::1"):
            assert (await ask(listener.port, host=host)).startswith(b"HTTP/1.0 200")


async def test_without_ipv6(world, monkeypatch):
    """On a machine without IPv6, `*` is IPv4 alone."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    async with listeners.public(world.desk(), ListenAddress("*", 0)) as listener:
        assert (await ask(listener.port)).startswith(b"HTTP/1.0 200")


async def test_unix_socket_is_private_and_goes(world, tmp_path):
    """A Unix socket may be used by its owner alone, replaces a dead one, and is gone afterwards."""
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with listeners.admin(world.desk(), ListenAddress("", 0, str(path))):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with pytest.raises(PortInUse, match="that socket is in use"):
            bind("listen.admin", ListenAddress("", 0, str(path)))
    assert not path.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "*"])
async def test_port_in_use(world, host):
    """A port that is taken is one line: the setting, the port, what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse) as caught:
            async with listeners.public(world.desk(), ListenAddress(host, port)):
                pass
    assert str(caught.value) == (
        f"listen.public: cannot listen on {host}:{port}: port {port} is in use by another process; "
        "stop that process or change listen.public"
    )
    assert (caught.value.setting, caught.value.address.port) == ("listen.public", port)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param(ListenAddress("192.0.2.1", 9740), "no interface of this machine has that address", id="foreign"),
        pytest.param(ListenAddress("example.org", 9740), "is a name, and names are not looked up here", id="name"),
        pytest.param(ListenAddress("", 0, "/nowhere/at/all.sock"), "its directory does not exist", id="directory"),
        pytest.param(ListenAddress("", 0, "/x" * 80), "path too long", id="too long"),
        pytest.param(ListenAddress("", 0, __file__), "a file that is no socket is in the way; remove it", id="file"),
    ],
)
def test_impossible_addresses(address, says):
    """An address that cannot be listened on is explained in one line, without a traceback to read."""
    with pytest.raises(CannotListen, match=says) as caught:
        bind("listen.public", address)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, PortInUse)


async def test_permission_denied(monkeypatch, world):
    """A port below 1024 without the right to it says which ports would do."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(CannotListen, match="permission denied; use a port above 1023"):
        bind("listen.public", ListenAddress("127.0.0.1", 80))


async def test_admin_stays_on_this_machine(world):
    """Admin on an address others can reach is refused: this version has no tokens."""
    with pytest.raises(CannotListen, match=r"tokens are not in this version; write 127\.0\.0\.1:9741 or unix:/path"):
        async with listeners.admin(world.desk(), ListenAddress("*", 9741)):
            pass


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     id="length and chunks"),
        pytest.param(b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
                     id="two lengths"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9216 + b"\r\n\r\n", id="9 KB header"),
        pytest.param(b"GET /" + b"a" * 9216 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="9 KB path"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(2000)) + b"\r\n",
                     id="2000 headers"),
        pytest.param(b"G@T /livez HTTP/1.1\r\nHost: x\r\n\r\n", id="bad method"),
        pytest.param(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 200, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET /readyz/\xff\xfe?verbose HTTP/1.1\r\nHost: x\r\n\r\n", id="bytes in the path"),
        pytest.param(b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", id="broken URL"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: a\r\n b\rc\r\n\r\n", id="bare CR"),
    ],
)  # fmt: skip
async def test_malformed_requests(raw, request_, caplog):
    """What is not well-formed HTTP is 400, closed, without our version, and without a traceback in the log."""
    caplog.set_level(logging.DEBUG)
    answer = await raw(request_)
    assert answer.split(b" ", 2)[1] == b"400", answer
    assert b"application/problem+json" in answer
    assert b"aiohttp" not in answer.lower()
    assert "Traceback" not in caplog.text


async def test_a_flood_of_malformed_requests_is_one_line(raw, caplog):
    """A client that sends rubbish again and again fills no log."""
    caplog.set_level(logging.INFO)
    for _ in range(20):
        await raw(b"RUBBISH\x1b[31m\r\n\r\n")
    lines = [record.getMessage() for record in caplog.records if record.name == "agent.connections"]
    assert len(lines) == 1
    assert lines[0].isprintable()


async def test_no_body_is_read(raw):
    """A body for a health path, bomb or not, is never read: answered at once, connection closed."""
    bomb = gzip.compress(bytes(50_000_000), 9)
    head = f"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    answer = await raw(head.encode())  # and not one byte of it follows
    assert answer.startswith(b"HTTP/1.1 405 ")
    closing = head.replace("Host: x", "Host: x\r\nConnection: close").encode()
    assert (await raw(closing + bomb))[:13] in {b"HTTP/1.1 405 ", b""}  # cut off while we still write
    assert (await raw(b"GET /livez HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 ")


async def test_header_injection(raw):
    """A line break smuggled into what we repeat does not become a header; an id that may be repeated is."""
    answer = await raw(b"GET /%0d%0aX-Evil:1 HTTP/1.0\r\nX-Request-ID: a\tb\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 404")
    assert b"evil" not in answer.lower()
    assert b"a\tb" not in answer
    answer = await raw(
        b"GET /nope HTTP/1.0\r\nX-Request-ID: req-7\r\n"
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
    )
    assert b"X-Request-ID: req-7\r\n" in answer
    assert b'"request_id":"req-7","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"' in answer


async def test_no_request_is_logged(raw, caplog):
    """There is no access log: a newline in a path forges nothing, and health checks cost no line."""
    caplog.set_level(logging.INFO)
    for path in (b"/livez", b"/%0aforged", b"/readyz?x=%1b[31m"):
        await raw(b"GET " + path + b" HTTP/1.0\r\n\r\n")
    assert [record for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.parametrize("start", [b"", b"GET /livez", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_slow_heads_are_cut(world, monkeypatch, start):
    """A request whose head does not arrive in time, and a connection that says nothing, are closed."""
    assert listeners.QUIET_SECONDS <= 10
    monkeypatch.setattr(listeners, "QUIET_SECONDS", 0.3)

    async def drip(writer):
        while True:
            writer.write(b"z" if start else b"")
            await asyncio.sleep(0.05)

    async with (
        listeners.public(world.desk(), LOOPBACK) as listener,
        dial(listener.port) as (reader, writer),
        asyncio.timeout(60),
    ):
        writer.write(start)
        dripping = asyncio.create_task(drip(writer))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        dripping.cancel()


async def test_a_head_without_end_is_cut_off(world, caplog):
    """Heads that go on for ever, each field within its limit, are dropped before they fill the memory."""
    caplog.set_level(logging.INFO)
    fields = b"".join(b"X%02d: %s\r\n" % (number, b"a" * 4000) for number in range(60))
    async with listeners.public(world.desk(), LOOPBACK) as listener:
        for start in (b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"):
            async with dial(listener.port) as (reader, writer), asyncio.timeout(60):
                writer.write(start + b"GET /livez HTTP/1.1\r\nHost: x\r\n" + fields)
                with contextlib.suppress(ConnectionError):
                    assert b"\r\n\r\n" not in (await reader.read()).partition(b"\r\n\r\n")[2]
        assert (await ask(listener.port)).startswith(b"HTTP/1.0 200")
    assert sum("has more than 16 KiB" in line for line in caplog.messages) == 1


async def test_idle_connections_make_room(world, caplog):
    """Five hundred idle connections keep nobody out: the oldest go, and a check waits for none of them."""
    async with (
        listeners.public(world.desk(), LOOPBACK) as listener,
        contextlib.AsyncExitStack() as clients,
    ):
        port = listener.port
        idle = [await clients.enter_async_context(dial(port)) for _ in range(500)]
        times = []
        for _ in range(5):
            started = time.monotonic()
            assert (await ask(port)).startswith(b"HTTP/1.0 200")
            times.append(time.monotonic() - started)
        assert min(times) < listeners.QUIET_SECONDS / 2
        open_still = sum(not reader.at_eof() and reader.exception() is None for reader, _ in idle)
        assert 200 < open_still <= listeners.PUBLIC_CONNECTIONS
        assert sum("the oldest idle ones are closed" in line for line in caplog.messages) == 1


class _Waiting:
    """Answers when it is told to."""

    asked: asyncio.Event
    go_on: asyncio.Event

    def __init__(self, _):
        self.live = self.started = self.status = self.member = self.group = self.ready

    async def ready(self, _):
        self.asked.set()
        await self.go_on.wait()
        return aiohttp.web.Response(text="late")


async def test_busy_connections_are_the_last_to_go(world, monkeypatch):
    """A connection that waits for its answer is kept while idle ones can go."""
    monkeypatch.setattr(listeners, "PUBLIC_CONNECTIONS", 4)
    monkeypatch.setattr(listeners.tables, "Health", _Waiting)
    _Waiting.asked, _Waiting.go_on = asyncio.Event(), asyncio.Event()
    async with (
        listeners.public(world.desk(), LOOPBACK) as listener,
        contextlib.AsyncExitStack() as clients,
        asyncio.timeout(60),
    ):
        port = listener.port
        reader, writer = await clients.enter_async_context(dial(port))
        writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
        await _Waiting.asked.wait()
        first, *_ = [(await clients.enter_async_context(dial(port)))[0] for _ in range(6)]
        with contextlib.suppress(ConnectionError):
            assert await first.read() == b""
        _Waiting.go_on.set()
        assert (await reader.read()).endswith(b"late")


async def test_a_fault_of_ours_is_told_once(public, world, caplog):
    """An answer that fails is 500 without our insides, and one traceback in the log however often it is asked."""

    def broken(_):
        raise RuntimeError("secret inside")

    world.verdict = broken
    for _ in range(3):
        async with public.get("/readyz") as answer:
            assert answer.status == 500
            assert "secret inside" not in await answer.text()
    assert caplog.text.count("RuntimeError: secret inside") == 1


async def test_closing_leaves_nothing(world):
    """A closed listener refuses, its idle connections are gone, and its port is free at once."""
    async with contextlib.AsyncExitStack() as clients, asyncio.timeout(60):
        async with listeners.public(world.desk(), LOOPBACK) as listener:
            port = listener.port
            reader, writer = await clients.enter_async_context(dial(port))
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        await reader.read()
    with pytest.raises(ConnectionRefusedError):
        await ask(port)
    async with listeners.public(world.desk(), ListenAddress("127.0.0.1", port)):
        assert (await ask(port)).startswith(b"HTTP/1.0 200")


SERVER = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from agent.lifecycle import Lifecycle
from agent.readiness.policy import Policy, decide
from agent.web import listeners
from agent.web.desk import Desk
from config.types.address import ListenAddress
from tests.agent.web.conftest import ask, dial

async def main():
    desk = Desk(lambda: "x", "1", lambda _: decide({}, Policy(), draining=False), dict, Lifecycle(1))
    async with listeners.public(desk, ListenAddress("127.0.0.1", 0)) as listener:
        print(listener.port, flush=True)
        await asyncio.Event().wait()

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_few_file_descriptors(loop):
    """With 64 file descriptors and 200 idle connections, health answers, and the process does not spin."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, loop, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert server.stdout is not None
    try:
        port = int(await server.stdout.readline())
        async with contextlib.AsyncExitStack() as clients, asyncio.timeout(60):
            for _ in range(200):
                await clients.enter_async_context(dial(port))
            while not (await ask(port)).startswith(b"HTTP/1.0 200"):
                pass
            before = _cpu(server.pid)
            await asyncio.sleep(0.5)
            assert _cpu(server.pid) - before < 20  # hundredths of a second
    finally:
        server.kill()
        await server.communicate()


def _cpu(pid):
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
