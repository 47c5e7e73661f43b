"""The end of an agent, and the next one: what was acknowledged is delivered now or later; the exit code says which."""

import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.agent.upstream import Reply
from tests.pipeline.bodies import logs_of, metrics_of
from tests.pipeline.ends import HOST, Collector, Sender
from tests.pipeline.paths import (
    again,
    edited,
    file_of,
    missing,
    page,
    port,
    post,
    repeated,
    requests,
    send,
    serving,
    settled,
    spans,
    upstream,
)
from tests.pipeline.upstreams import scripted
from tests.running import AT_ONCE, ROOT

pytestmark = pytest.mark.e2e


@pytest.mark.case("H1")
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "process"])
def test_what_is_queued_is_sent_before_the_end(tmp_path, durable):
    """10,000 spans queued and an upstream that is well: all of them delivered, exit 0, within the grace."""
    with scripted() as gateway:
        gateway.always = Reply(503)
        with serving(file_of({"gateway": gateway.port}, tmp_path if durable else None)) as running:
            sent = set().union(*(send(running, range(first, first + 500)) for first in range(1, 10_001, 500)))
            assert spans(running, "queue_spans") == 10_000
            gateway.always = Reply()
            began = time.monotonic()
            running.signal(signal.SIGTERM)
            assert running.ends() == 0, running.log.read_text()
            assert time.monotonic() - began < 30  # the grace that Kubernetes gives
            assert gateway.delivered().keys() == sent
            assert re.search("accepted 10000 spans, delivered 10000, .*kept on disk 0", running.log.read_text())


@pytest.mark.case("H2")
@pytest.mark.case("G7")
def test_what_cannot_be_sent_is_kept_for_the_next_start(tmp_path):
    """A dead upstream: exit 75 with the count in the log; the next start delivers all, to whom it was owed, once."""
    first, second, third = Collector(), Collector(), Collector()
    for one in (first, second, third):
        one.port = port()
    forward = {"stays": first.port, "goes": second.port}
    with serving(file_of(forward, tmp_path)) as running:
        sent = send(running, range(1, 1001))
        running.signal(signal.SIGTERM)
        assert running.ends() == 75
        said = running.log.read_text()
        assert (
            "traces to stays: accepted 1000 spans, delivered 0, refused upstream 0, dropped 0, kept on disk 1000"
            in said
        )
        edited(running, f"goes: {{{upstream(second.port)}}}", f"comes: {{{upstream(third.port)}}}")
        with first.listening(), third.listening():
            again(running)
            running.until("/livez")
            settled_later = {"comes": 1000}
            late = send(running, range(2001, 2011))
            first.until(sent | late)
            third.until(late)
            settled(running, settled_later)
            assert not repeated(first.delivered())
            assert third.delivered().keys() == late  # one that is new begins with what comes from now on
            assert spans(running, "recovered_spans_total", dest="stays") == 1000
            running.signal(signal.SIGTERM)
            assert running.ends() == 0
        edited(running, f"comes: {{{upstream(third.port)}}}", f"goes: {{{upstream(second.port)}}}")
        with first.listening(), second.listening():
            again(running)
            running.until("/livez")
            second.until(sent)  # it was gone for less than an hour
            settled(running, {"goes": 10})
            assert second.delivered().keys() == sent


def test_memory_says_how_much_it_loses():
    """Without a state folder and with a dead upstream: exit 0, and the last line has the number."""
    with serving(file_of({"gateway": port()})) as running:
        send(running, range(1, 101))
        running.signal(signal.SIGTERM)
        assert running.ends() == 0
        assert (
            "accepted 100 spans, delivered 0, refused upstream 0, dropped 100, kept on disk 0"
            in running.log.read_text()
        )


@pytest.mark.case("H6")
def test_a_second_signal_ends_at_once_and_safely(tmp_path):
    """In the middle of a long drain under load: gone without the rest of it, and the next start delivers the rest."""
    collector = Collector()
    collector.seconds = 0.3
    with collector.listening(), serving(file_of({"gateway": collector.port}, tmp_path), drain="1h") as running:
        with Sender(running.otlp, rate=200) as sender:
            running.wait(lambda: len(sender.acknowledged) > 2000, "traffic")
            running.signal(signal.SIGTERM)
            running.until("/readyz", 503)
            before = len(sender.acknowledged)
            running.wait(lambda: len(sender.acknowledged) > before + 500, "traffic while it drains")
            running.signal(signal.SIGINT)
            began = time.monotonic()
            assert running.ends() in {0, 75}
            assert time.monotonic() - began < AT_ONCE
        collector.seconds = 0.0
        again(running)
        running.until("/livez")
        collector.until(sender.acknowledged)
        settled(running)
        assert sum(times > 1 for times in collector.delivered().values()) <= 4 * 50 * 20


@pytest.mark.case("A18")
def test_metrics_and_logs_go_the_same_way(tmp_path):
    """Refused until asked for; then forwarded to their own paths, kept over a restart, and in books of their own."""
    with scripted() as gateway, serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
        for path, body in (("/v1/metrics", metrics_of(3)), ("/v1/logs", logs_of(4))):
            status, said = post(running.otlp, body, path)
            assert status == 404
            assert b"pass_through" in said
        edited(running, "traces:\n", "traces:\n  pass_through: [metrics, logs]\n")
        running.signal(signal.SIGTERM)
        assert running.ends() == 0
        gateway.always = Reply(503)
        again(running)
        running.until("/livez")
        sent = send(running, range(1, 11))
        for path, body in (("/v1/metrics", metrics_of(3)), ("/v1/logs", logs_of(4))):
            assert post(running.otlp, body, path)[0] == 200
        assert page(running).total("otlp_queue_items", signal="metrics") == 3
        assert page(running).total("otlp_queue_items", signal="logs") == 4
        running.process.kill()
        running.ends()
        gateway.always = Reply()
        again(running)
        running.until("/livez")
        settled(running)
        running.wait(lambda: not page(running).total("otlp_queue_items"), "empty queues")
        assert gateway.delivered().keys() == sent
        taken = [each for each in gateway.arrivals if each.status == 200]
        assert [each.body for each in taken if each.signal == "metrics"] == [metrics_of(3)]
        assert [each.body for each in taken if each.signal == "logs"] == [logs_of(4)]
        for one, number in (("metrics", 3), ("logs", 4)):
            assert page(running).total("otlp_passed_items_total", signal=one, outcome="delivered") == number


@pytest.mark.case("G9")
def test_objectives_on_spans_go_on_over_a_restart(tmp_path):
    """What was counted of the budget stays, counters begin anew with a new `_created`, and nobody is called for it."""
    slos = "slos: {requests: {objective: 99%, window: 1d, sli: {spans: {kind: server, route: /orders}}}}\n"
    with scripted() as gateway, serving(slos + file_of({"gateway": gateway.port}, tmp_path)) as running:
        requests(running, ok=199, errors=1)
        before = running.json("/api/v1/slos")
        running.signal(signal.SIGTERM)
        assert running.ends() == 0
        again(running)
        running.until("/livez")
        after = running.json("/api/v1/slos")
        assert _budget(before) < 1
        assert 1 - _budget(after) == pytest.approx(1 - _budget(before), rel=0.2)
        seen = page(running)
        assert seen.total("span_requests_total", status="error") == 0
        assert seen.total("slo_bad_events_total", slo="requests") == 0
        assert not [s for s in seen.samples if s.name == "outrider_alert_state" and s.value == 2]


def _budget(said):
    return next(one for one in said["slos"] if one["name"] == "requests")["error_budget_remaining_ratio"]


@pytest.mark.case("H14")
def test_a_job_is_done_when_its_spans_are_delivered(tmp_path):
    """`outrider exec -- CMD`: a job that sends and ends; its exit code is kept, its last spans are at the upstream."""
    job = (
        "import sys, urllib.request\n"
        "from tests.pipeline.ends import body_of\n"
        "for first in range(1, 1001, 100):\n"
        "    body = body_of(range(first, first + 100))\n"
        "    headers = {'Content-Type': 'application/x-protobuf'}\n"
        "    urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, headers), timeout=30).close()\n"
        "sys.exit(7)\n"
    )
    collector = Collector()
    collector.seconds = 0.05
    with collector.listening():
        otlp, public = port(), port()
        file = tmp_path / "outrider.yaml"
        head = f"service: x\nlisten: {{public: '{HOST}:{public}', admin: 'unix:{tmp_path}/admin'}}\n"
        body = file_of({"gateway": collector.port}, tmp_path / "state").replace("OTLP_PORT", str(otlp))
        file.write_text(head + body)
        command = [sys.executable, "-m", "outrider", "exec", "-c", str(file), "--"]
        wait = f"import socket, time\nwhile socket.socket().connect_ex(('{HOST}', {otlp})): time.sleep(0.02)\n"
        words = [sys.executable, "-c", wait + job, f"http://{HOST}:{otlp}/v1/traces"]
        done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 7, done.stderr
        assert collector.delivered().keys() == set(range(1, 1001))
        assert not [one for one in psutil.process_iter(["cmdline"]) if str(file) in (one.info["cmdline"] or ())]


def test_a_missing_upstream_leaves_no_books_open(tmp_path):
    """Restarted five times with a dead upstream: received, queued and recovered are the same each time, to the span."""
    with serving(file_of({"gateway": port()}, tmp_path)) as running:
        for turn in range(1, 5):
            send(running, range(turn * 1000, turn * 1000 + 100))
            assert not missing(running)
            assert spans(running, "queue_spans") == spans(running, "received_spans_total") == turn * 100
            running.process.kill()
            running.ends()
            again(running)
            running.until("/livez")
            assert spans(running, "recovered_spans_total") == turn * 100
