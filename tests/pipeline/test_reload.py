"""Another file under load: what was acknowledged is delivered, nobody who sends is turned away, and it is in force."""

import contextlib
import http.client
import json
import signal
import socket

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay.entry import Signal
from config.net.grpc_core import grpc
from exporters.otlp.grpc import METHODS
from tests.agent.upstream import Reply
from tests.pipeline.bodies import metrics_of
from tests.pipeline.ends import HOST, PROTOBUF, Collector, Sender, body_of
from tests.pipeline.paths import (
    edited,
    file_of,
    missing,
    page,
    port,
    post,
    reload,
    repeated,
    requests,
    send,
    serving,
    settled,
    spans,
    upstream,
)
from tests.pipeline.upstreams import scripted
from tests.running import PATIENCE

pytestmark = pytest.mark.e2e


def refused(running):
    """Ask for a reload that must be refused; what is wrong."""
    status, said = running.post("/api/v1/reload")
    assert status != 200
    assert page(running).total("config_last_reload_successful") == 0
    return said.decode()


def grpc_call(address, body):
    """One export over gRPC; raises what it was answered with."""
    with grpc.insecure_channel(f"{HOST}:{address}") as channel:
        return channel.unary_unary(METHODS[Signal.TRACES])(body, timeout=PATIENCE)


@pytest.mark.case("H11")
def test_a_file_that_cannot_be_used_changes_nothing_on_the_way(tmp_path):
    """Typing errors and ports that are taken: said, shown, and senders notice nothing; not even later."""
    collector = Collector()
    with collector.listening(), serving(file_of({"gateway": collector.port}, tmp_path)) as running:
        with Sender(running.otlp, rate=40) as sender:
            good = running.file.read_text()
            edited(running, "forward:", "forwards:")
            assert "did you mean" in refused(running) or "forward" in refused(running)
            running.file.write_text(good)
            with socket.create_server((HOST, 0)) as taken:
                edited(running, f"{HOST}:{running.otlp}'", f"{HOST}:{taken.getsockname()[1]}'")
                assert "in use" in refused(running)
            running.file.write_text(good)
            assert running.post("/api/v1/reload")[0] == 200
            assert page(running).total("config_last_reload_successful") == 1
            running.wait(lambda: len(sender.acknowledged) > 1000, "traffic")
        assert len(sender.acknowledged) == sender.sent
        collector.until(sender.acknowledged)
        settled(running)
        assert not repeated(collector.delivered())


def test_a_refused_file_leaves_the_door_with_its_guard(tmp_path):
    """After a file whose port was taken, the next one's token is in force at the listener that stayed open."""
    with (
        scripted() as gateway,
        socket.create_server((HOST, 0)) as taken,
        serving(file_of({"gateway": gateway.port}, tmp_path, receive="token: first")) as running,
    ):
        here, there = f"{HOST}:{running.otlp}'", f"{HOST}:{taken.getsockname()[1]}'"
        send(running, range(1, 11), authorization="Bearer first")
        edited(running, here, there)
        refused(running)
        edited(running, there, here)
        reload(running, "token: first", "token: second, max_body: 2KiB")
        send(running, range(11, 13), authorization="Bearer second")
        assert post(running.otlp, body_of(range(1, 3)), authorization="Bearer third")[0] == 401
        assert post(running.otlp, body_of(range(1, 100)), authorization="Bearer second")[0] == 413
        settled(running)


@pytest.mark.case("H12")
def test_both_doors_move_while_senders_send(tmp_path):
    """HTTP and gRPC on other ports: the new ones answer at once, and nobody who had a yes is lost."""
    collector = Collector()
    first, second, http_port = port(), port(), port()
    doors = f"grpc: '{HOST}:{first}'"
    with collector.listening(), serving(file_of({"gateway": collector.port}, tmp_path, receive=doors)) as running:
        with Sender(running.otlp, rate=100) as old:
            running.wait(lambda: len(old.acknowledged) > 500, "traffic")
            numbers = iter(range(10_000_001, 20_000_001))
            acknowledged = set()
            for where in (first, second):
                if where == second:
                    edited(running, f"'{HOST}:{running.otlp}'", f"'{HOST}:{http_port}'")
                    reload(running, f"{HOST}:{first}'", f"{HOST}:{second}'")
                for _ in range(20):
                    grpc_call(where, body_of(range(number := next(numbers), number + 1)))
                    acknowledged.add(number)
        running.otlp = http_port
        acknowledged |= send(running, range(30_000_001, 30_000_051))
        for where in (running.otlp, second):
            socket.create_connection((HOST, where)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, old.port))
        collector.until(old.acknowledged | acknowledged)
        settled(running)
        assert not repeated(collector.delivered())


@pytest.mark.case("H12")
def test_a_call_on_its_way_is_answered_through_a_move(tmp_path):
    """A body that is half sent when the port moves is taken to its end."""
    with scripted() as gateway, serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
        body, there = body_of(range(1, 101)), port()
        with contextlib.closing(http.client.HTTPConnection(HOST, running.otlp, timeout=30)) as connection:
            connection.putrequest("POST", "/v1/traces")
            connection.putheader("Content-Type", PROTOBUF)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[:1000])
            reload(running, f"'{HOST}:{running.otlp}'", f"'{HOST}:{there}'")
            connection.send(body[1000:])
            assert connection.getresponse().status == 200
        settled(running)
        assert gateway.delivered().keys() == set(range(1, 101))


def test_destinations_come_and_go(tmp_path):
    """One is added, renamed and removed under load: each gets all that came while it was there; senders get no 503."""
    stays, comes, renamed = Collector(), Collector(), Collector()
    with contextlib.ExitStack() as stack:
        for one in (stays, comes, renamed):
            stack.enter_context(one.listening())
        running = stack.enter_context(serving(file_of({"stays": stays.port}, tmp_path)))
        with Sender(running.otlp, rate=100) as sender:
            running.wait(lambda: len(sender.acknowledged) > 300, "traffic")
            line = f"    stays: {{{upstream(stays.port)}}}\n"
            reload(running, line, f"{line}    comes: {{{upstream(comes.port)}}}\n")
            before = set(sender.acknowledged)
            running.wait(lambda: len(sender.acknowledged) > len(before) + 500, "traffic")
            during = set(sender.acknowledged) - {number for number in sender.acknowledged if number <= max(before) + 50}
            reload(running, f"comes: {{{upstream(comes.port)}}}", f"renamed: {{{upstream(renamed.port)}}}")
            last = set(sender.acknowledged)
            running.wait(lambda: len(sender.acknowledged) > len(last) + 500, "traffic")
        assert len(sender.acknowledged) == sender.sent, "some were turned away"
        stays.until(sender.acknowledged)
        assert len(during - comes.delivered().keys()) == 0 or "dropped" in running.log.read_text()
        renamed.until({number for number in sender.acknowledged if number > max(last) + 50})
        running.wait(lambda: spans(running, "queue_spans") == 0, "empty queues")
        assert not repeated(stays.delivered())
        assert page(running).destinations() == {"stays", "renamed"}


def test_the_only_destination_is_renamed_and_nobody_is_turned_away():
    """There is an owner for what comes at every moment of it."""
    one, other = Collector(), Collector()
    with one.listening(), other.listening(), serving(file_of({"a": one.port})) as running:
        with Sender(running.otlp, rate=200, spans=5) as sender:
            old, new = f"a: {{{upstream(one.port)}}}", f"b: {{{upstream(other.port)}}}"
            for _ in range(3):
                reload(running, old, new)
                reload(running, new, old)
        assert len(sender.acknowledged) == sender.sent
        assert spans(running, "refused_spans_total") == 0


def test_a_queue_waits_for_its_destination_to_come_back(tmp_path):
    """Removed with a full queue on disk, given back within the hour: everything arrives, in balanced books."""
    away, other, gone = port(), Collector(), Collector()
    other.port, gone.port = port(), away
    forward = {"gone": away, "other": other.port}
    with other.listening(), serving(file_of(forward, tmp_path)) as running:
        sent = send(running, range(1, 1001))
        running.wait(lambda: not running.json("/api/v1/pipeline")["destinations"]["other"]["queue_spans"], "the other")
        line = f"    gone: {{{upstream(away)}}}\n"
        reload(running, line, "")
        assert page(running).destinations() == {"other"}
        running.says("kept on disk 1000")
        meanwhile = send(running, range(2001, 2011))
        with gone.listening():
            reload(running, "  forward:\n", f"  forward:\n{line}")
            gone.until(sent)
            later = send(running, range(3001, 3011))
            gone.until(later)
            settled(running, {"gone": 10})
            assert gone.delivered().keys() == sent | later
            assert other.delivered().keys() == sent | meanwhile | later


def test_traces_come_and_go_as_a_whole(tmp_path):
    """The section is added, taken out and given back by reloads; what it cannot have before a restart is said."""
    collector = Collector()
    with collector.listening(), serving(f"state_dir: {tmp_path}\nprobes: {{}}\n") as running:
        without = running.file.read_text()
        traces = file_of({"gateway": collector.port}, None, "pass_through: [metrics]\nqueue: {memory: 64KiB}")
        traces = traces.replace("OTLP_PORT", str(running.otlp)).replace("probes: {}\n", "")
        reload(running, "probes: {}\n", f"probes: {{}}\n{traces}")
        sent = send(running, range(1, 101))
        status, said = post(running.otlp, metrics_of(3), "/v1/metrics")
        assert status == 404, said  # not a 503 that is tried again for ever
        assert post(running.otlp, body_of(range(1, 1000)))[0] == 413  # more than this queue can ever hold
        collector.until(sent)
        running.wait(lambda: spans(running, "queue_spans") == 0, "an empty queue")
        good = running.file.read_text()
        running.file.write_text(without)
        assert running.post("/api/v1/reload")[0] == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, running.otlp))
        running.file.write_text(good)
        assert running.post("/api/v1/reload")[0] == 200
        sent |= send(running, range(101, 201))
        collector.until(sent)
        running.signal(signal.SIGTERM)
        assert running.ends() == 0


def test_what_is_done_with_spans_changes_in_place(tmp_path):
    """Token, CORS, sampling, redaction, labels and headers by reload, on the open port; the page lacks no number."""
    with scripted() as gateway, serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
        sent = send(running, range(1, 11))
        origin = {"Origin": "https://shop.example"}
        preflight = {**origin, "Access-Control-Request-Method": "POST"}
        assert _options(running, preflight) == 405
        more = "cors: ['https://shop.example'], token: sesame, pass_headers: [x-tenant]"
        edited(
            running, "OTLP" if "OTLP" in running.file.read_text() else f"{running.otlp}'", f"{running.otlp}', {more}"
        )
        edited(running, "traces:\n", "traces:\n  redact: [note]\n  resource: {team: payments}\n")
        reload(running, "probes: {}", "probes: {}\nlabels: {env: test}")
        assert _options(running, preflight) in {200, 204}
        assert post(running.otlp, body_of(range(11, 21)))[0] == 401
        sent |= send(running, range(11, 21), authorization="Bearer sesame", x_tenant="acme")
        settled(running)
        last = ExportTraceServiceRequest.FromString(gateway.arrivals[-1].body)
        found = {pair.key: pair.value.string_value for pair in last.resource_spans[0].resource.attributes}
        assert found == {"service.name": "checkout", "env": "test", "team": "payments"}
        notes = {pair.value.string_value for s in last.resource_spans[0].scope_spans[0].spans for pair in s.attributes}
        assert not any("xxx" in note for note in notes)
        assert gateway.arrivals[-1].headers["x-tenant"] == "acme"
        reload(running, "traces:\n", "traces:\n  sample: 1%\n")
        body = body_of(range(1000, 2000))
        assert post(running.otlp, body, authorization="Bearer sesame")[0] == 200
        settled(running)
        assert 900 < spans(running, "dropped_spans_total", reason="sampled") <= 1000
        assert page(running).total("span_requests_total", status="ok") == 1020
        assert gateway.delivered().keys() >= sent


def _options(running, headers):
    with contextlib.closing(http.client.HTTPConnection(HOST, running.otlp, timeout=30)) as connection:
        connection.request("OPTIONS", "/v1/traces", headers=headers)
        return connection.getresponse().status


def test_metrics_of_requests_are_switched_and_moved_by_a_reload(tmp_path):
    """Off: nothing is measured, spans pass; on again, with a threshold of its own: exact at it."""
    with scripted() as gateway, serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
        requests(running, 10)
        reload(running, "traces:\n", "traces:\n  metrics: {enabled: false}\n")
        requests(running, 10, first=11)
        settled(running)
        slos = "slos: {quick: {objective: 99%, window: 1d, sli: {spans: {kind: server}, within: 123ms}}}\ntraces:\n"
        reload(running, "traces:\n  metrics: {enabled: false}\n", slos)
        requests(running, 10, first=21, took=123)
        requests(running, 10, first=31, took=123.001)
        settled(running)
        assert page(running).total("span_duration_seconds_bucket", le="0.123") == 10
        running.wait(lambda: page(running).total("slo_bad_events_total", slo="quick") == 10, "bad events")
        assert gateway.delivered().keys() == set(range(1, 41))


def test_reloads_under_load_leave_the_books_balanced(tmp_path):
    """Twenty reloads in a row while spans come, wait and leave: not one is lost or sent twice without need."""
    with scripted() as gateway:
        gateway.script.extend([Reply(503), Reply(), Reply(200, delay=0.05)] * 10)
        with serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
            with Sender(running.otlp, rate=100) as sender:
                for turn in range(20):
                    timeout = upstream(gateway.port, f"{2 + turn % 3}s")
                    edited(running, running.file.read_text().split("gateway: {")[1].split("}")[0], timeout)
                    assert running.post("/api/v1/reload")[0] == 200
                    assert not missing(running)
            assert len(sender.acknowledged) == sender.sent
            settled(running)
            assert gateway.delivered().keys() == sender.acknowledged
            inflight = sum(1 for each in gateway.arrivals if each.status == 200)
            assert json.loads(json.dumps(inflight)) > 0
