"""Strangers at the ports for balancers, and at everything that anyone may read, while a real agent serves."""

import contextlib
import resource
import socket
import struct
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.agent.hostile import answering
from tests.ports import free_port
from tests.running import AT_ONCE, PATIENCE, agent

pytestmark = pytest.mark.e2e

TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
HTTP = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
RESET = struct.pack("ii", 1, 0)
MANY = 1000
HOST = "127.0.0.1"


@pytest.fixture(scope="module", autouse=True)
def files():
    """Room for a thousand connections of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def drawn(count):
    """So many free ports: two draws may give the same."""
    found = set()
    while len(found) < count:
        found.add(free_port())
    return tuple(found)


@pytest.fixture(scope="module")
def ports():
    """Of the agent-check and of gRPC."""
    return dict(zip(("agent-check", "gRPC"), drawn(2), strict=True))


@pytest.fixture(scope="module")
def one(ports):
    """A ready agent with both ports open."""
    check, rpc = ports.values()
    listen = f"agent_check: '{HOST}:{check}', grpc_health: '{HOST}:{rpc}'"
    with answering() as target:
        probes = "".join(f"  p{number}: {{type: http, url: '{target.url}/', interval: 1s}}\n" for number in range(20))
        with agent(f"probes:\n{probes}groups: {{g: {{members: [p0, p1]}}}}\n", listen=listen) as running:
            running.until("/readyz")
            told(check)
            running.wait(lambda: serving(rpc))  # what the first call loads is no fault of the attacker
            yield running


def told(port):
    """The line of the agent-check."""
    with socket.create_connection((HOST, port), timeout=30) as client:
        return client.makefile().read()


def serving(port):
    """Whether gRPC says so."""
    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


def files_of(one):
    """How many files it has open."""
    import psutil

    return psutil.Process(one.process.pid).num_fds()


def connect(port):
    """A connection; none where there is no room."""
    return socket.create_connection((HOST, port), timeout=30)


def idle(port, stack):
    """A thousand that say nothing."""
    for _ in range(MANY):
        with contextlib.suppress(OSError):
            stack.enter_context(connect(port))


def resets(port, stack):
    """A thousand that are gone at once."""
    for _ in range(MANY):
        with contextlib.suppress(OSError), connect(port) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def noise(port, stack):
    """TLS, HTTP, half of HTTP/2, and nothing of the kind."""
    for said in (TLS_HELLO, HTTP, HTTP2, bytes(range(256)) * 1000, b"\xff" * 65_536) * 40:
        with contextlib.suppress(OSError), connect(port) as client:
            client.sendall(said)


def never_reads(port, stack):
    """HTTP/2 pings without end from one that never reads the answers."""
    ping = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)
    client = stack.enter_context(connect(port))
    client.settimeout(0.5)
    with contextlib.suppress(OSError):
        client.sendall(HTTP2)
        for _ in range(200):
            client.sendall(ping * 5000)


@pytest.mark.parametrize("port", ["agent-check", "gRPC"])
@pytest.mark.parametrize("attack", [idle, resets, noise, never_reads])
def test_a_flood_at_a_balancers_port_costs_no_verdict(one, ports, port, attack):
    """Meanwhile /readyz answers on, memory and files stay bounded; afterwards both ports answer as before."""
    memory, files = one.rss, files_of(one)
    with contextlib.ExitStack() as stack, asking(one) as (codes, seconds):
        attack(ports[port], stack)
        assert files_of(one) < files + 300
    assert set(codes) == {200}
    assert max(seconds) < AT_ONCE
    assert one.rss < memory + 10 * 2**20
    one.wait(lambda: told(ports["agent-check"]).startswith("ready up"))
    one.wait(lambda: serving(ports["gRPC"]))
    one.wait(lambda: files_of(one) <= files + 4, "the connections are given back")


@contextlib.contextmanager
def asking(one):
    """Ask /readyz again and again beside the block; gives the codes and the seconds that they took."""
    codes, seconds, over = [], [], threading.Event()

    def ask():
        while not over.is_set() or not codes:
            began = time.perf_counter()
            codes.append(one.get("/readyz")[0])
            seconds.append(time.perf_counter() - began)
            over.wait(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield codes, seconds
    finally:
        over.set()
        thread.join()


OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


def test_a_thousand_watches_leave_room_for_a_check(one, ports):
    """As many clients watch as there is room for, from few connections; Check answers on, and who leaves makes room."""
    memory, address = one.rss, f"{HOST}:{ports['gRPC']}"
    with contextlib.ExitStack() as stack, asking(one) as (codes, _):
        calls = []
        for _ in range(20):
            stub = health_pb2_grpc.HealthStub(stack.enter_context(grpc.insecure_channel(address, OWN_CONNECTION)))
            calls += [stub.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE) for _ in range(MANY // 20)]
        one.wait(lambda: any(refused(call) for call in calls), "the first refusal")
        assert not watched(address)
        assert serving(ports["gRPC"])
        assert one.rss < memory + 10 * 2**20
        for call in calls:
            call.cancel()
    assert set(codes) == {200}
    one.wait(lambda: watched(address), "room for the next")


def refused(call):
    """Whether this Watch was told that there are too many; never waits."""
    return call.done() and call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def watched(address):
    """Whether there is room for one more Watch."""
    with grpc.insecure_channel(address, OWN_CONNECTION) as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        try:
            return next(call).status == health_pb2.HealthCheckResponse.SERVING
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return False
