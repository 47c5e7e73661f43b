"""More than an agent may hold: it says so to whoever sends, in exact numbers, and stays as large as it was."""

import gzip
import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.relay.entry import Signal
from config.net.grpc_core import grpc
from exporters.otlp import retryinfo
from exporters.otlp.grpc import METHODS
from tests.agent.upstream import Reply
from tests.pipeline.bodies import requests_of
from tests.pipeline.ends import HOST, PROTOBUF, Collector, body_of
from tests.pipeline.paths import (
    file_of,
    hidden_rss,
    missing,
    page,
    port,
    post,
    send,
    serving,
    settled,
    spans,
)
from tests.pipeline.upstreams import scripted
from tests.running import AT_ONCE, PATIENCE

pytestmark = pytest.mark.e2e

MIB = 1 << 20


@pytest.mark.case("F1")
def test_a_full_memory_says_so_on_both_doors():
    """503 with Retry-After, UNAVAILABLE with RetryInfo in both carriers; what was taken before is delivered."""
    where = port()
    with scripted() as gateway:
        gateway.always = Reply(503)
        file = file_of({"gateway": gateway.port}, None, "queue: {memory: 128KiB}", f"grpc: '{HOST}:{where}'")
        with serving(file) as running, grpc.insecure_channel(f"{HOST}:{where}") as channel:
            call = channel.unary_unary(METHODS[Signal.TRACES])
            taken, first = set(), 1
            while True:
                ids = range(first, first + 50)
                try:
                    call(body_of(ids), timeout=PATIENCE)
                except grpc.RpcError as error:
                    refused = error
                    break
                taken |= set(ids)
                first += 50
            assert refused.code() is grpc.StatusCode.UNAVAILABLE
            trailing = dict(refused.trailing_metadata())
            for carrier in (retryinfo.DETAILS, retryinfo.LEGACY):
                assert retryinfo.in_metadata([(carrier, trailing[carrier])]) == 1
            connection = http.client.HTTPConnection(HOST, running.otlp, timeout=30)
            connection.request("POST", "/v1/traces", body_of(range(1, 51)), {"Content-Type": PROTOBUF})
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            connection.close()
            assert spans(running, "refused_spans_total", reason="queue_full") == 100
            assert not missing(running)
            gateway.always = Reply()
            settled(running)
            assert gateway.delivered().keys() == taken


@pytest.mark.case("F2")
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "process"])
def test_the_oldest_give_way_where_the_file_says_so(tmp_path, durable):
    """`on_full: drop_oldest`: always 200, the newest are kept, the number of the others is exact."""
    with scripted() as gateway:
        gateway.always = Reply(503)
        limits = "queue: {memory: 256KiB, disk: 1MiB, on_full: drop_oldest}"
        with serving(file_of({"gateway": gateway.port}, tmp_path if durable else None, limits)) as running:
            sent = set()
            for first in range(1, 10_001, 50):
                sent |= send(running, range(first, first + 50))
            running.wait(lambda: spans(running, "queue_bytes") < 1.1e6, "a queue that fits")
            dropped = int(spans(running, "dropped_spans_total", reason="queue_full"))
            assert dropped > 4000
            assert not missing(running)
            gateway.always = Reply()
            settled(running)
            assert len(gateway.delivered()) == len(sent) - dropped
            assert set(range(9_500, 10_001)) <= gateway.delivered().keys()


@pytest.mark.case("F1")
def test_a_full_disk_queue_refuses_where_the_file_says_so(tmp_path):
    """`on_full: refuse` on disk: 503 at the limit, nothing is dropped, and all that was taken is delivered."""
    with scripted() as gateway:
        gateway.always = Reply(503)
        limits = "queue: {memory: 256KiB, disk: 1MiB, on_full: refuse}"
        with serving(file_of({"gateway": gateway.port}, tmp_path, limits)) as running:
            taken, refused = set(), 0
            for first in range(1, 10_001, 50):
                ids = range(first, first + 50)
                status, _ = post(running.otlp, body_of(ids))
                taken |= set(ids) if status == 200 else set()
                refused += status != 200
            assert refused
            assert spans(running, "refused_spans_total", reason="queue_full") == 50 * refused
            assert spans(running, "queue_bytes") < 1.05 * MIB
            assert spans(running, "dropped_spans_total") == 0
            gateway.always = Reply()
            settled(running)
            assert gateway.delivered().keys() == taken


@pytest.mark.case("F3")
def test_a_hundred_uploads_at_once_never_exceed_the_budget():
    """4 MiB each with 16 MiB for all: those beyond are told 503 before they send a body; the memory stays flat."""
    collector = Collector()
    body = body_of(range(1, 2101), 2000)
    assert 4 * MIB < len(body) < 4.5 * MIB
    limits = "queue: {memory: 32MiB}"
    receive = "memory: 16MiB, max_body: 8MiB"
    with collector.listening(), serving(file_of({"gateway": collector.port}, None, limits, receive)) as running:
        send(running, range(1, 11))
        before, most, ending, refused = hidden_rss(running), [0], threading.Event(), threading.Event()

        def look():
            while not ending.wait(0.02):
                most.append(hidden_rss(running))

        looking = threading.Thread(target=look)
        looking.start()
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda _: _upload(running.otlp, body, refused), range(100)))
        ending.set()
        looking.join()
        codes = {code for code, _ in answers}
        assert codes <= {200, 503}
        assert len(codes) == 2
        assert not any(sent for code, sent in answers if code == 503)
        assert max(most) - before < (16 + 32 + 16) * MIB
        settled(running)
        assert not missing(running)


def _upload(otlp, body, refused):
    """The status, and how many bytes of the body were sent before it came: none, or all once it was asked for."""
    head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((HOST, otlp), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        code = int(connection.recv(4096).split()[1])
        if code != 100:
            refused.set()
            return code, 0
        refused.wait(2)  # so that all of the budget is taken
        connection.sendall(body)
        return int(connection.recv(4096).split()[1]), len(body)


@pytest.mark.case("D5")
def test_a_thousand_requests_a_second_of_one_span(tmp_path):
    """A sender without batching: nothing is lost, each costs little, and the loop turns."""
    collector = Collector()
    with collector.listening(), serving(file_of({"gateway": collector.port}, tmp_path)) as running:
        bodies = [requests_of([number]) for number in range(1, 3001)]
        began, before = time.monotonic(), running.cpu
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(_paced, [(running.otlp, bodies[n::4], began) for n in range(4)]))
        lag, spent = page(running).total("event_loop_lag_seconds"), running.cpu - before
        collector.until(set(range(1, 3001)))
        settled(running)
        assert not missing(running)
        assert lag < AT_ONCE
        assert spent / len(bodies) < 0.01  # seconds of processor for one request; how many, `bench/` says


def _paced(work):
    """250 a second on one connection."""
    otlp, bodies, began = work
    connection = http.client.HTTPConnection(HOST, otlp, timeout=PATIENCE)
    for number, body in enumerate(bodies):
        time.sleep(max(0.0, began + number / 250 - time.monotonic()))
        connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
        with connection.getresponse() as answer:
            assert answer.status == 200
            answer.read()
    connection.close()


def test_headers_that_go_along_count_as_what_they_cost():
    """15 KiB of a tenant's name with each span: the memory's limit holds for them too."""
    limits = "queue: {memory: 4MiB}"
    with serving(file_of({"gateway": port()}, None, limits, "pass_headers: [x-a, x-b]")) as running:
        send(running, range(1, 11))
        before = hidden_rss(running)
        body, status, sent = gzip.compress(body_of(range(1, 2), 0)), 200, 0
        connection = http.client.HTTPConnection(HOST, running.otlp, timeout=30)
        while status == 200 and sent < 6000:
            names = {name: f"{sent}".ljust(7500, "x") for name in ("x-a", "x-b")}
            connection.request(
                "POST", "/v1/traces", body, {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"} | names
            )
            with connection.getresponse() as answer:
                answer.read()
                status = answer.status
            sent += 1
        connection.close()
        assert hidden_rss(running) - before < 20 * MIB
        assert status == 503
