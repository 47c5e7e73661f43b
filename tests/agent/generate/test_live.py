"""Every query of every board, answered by a real Prometheus that scrapes a real agent."""

import contextlib
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from agent.generate.boards import BOARDS
from tests.agent.peers.scraped import Prometheus, available
from tests.running import PATIENCE, agent

pytest_plugins = ("tests.servers",)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not os.environ.get("CI") and not available(), reason="prometheus is not installed"),
]

# What has no answer beside this agent, and why: a part of the query -> the reason.
SILENT = {
    "outrider_postgres_": "no PostgreSQL is probed here",
    "outrider_http_certificate_expiry_seconds": "no probe over TLS here",
    'state=~"stale|flapping|maintenance"': "no probe has an overlay",
    "outrider_task_restarts_total": "no task fell",
    "outrider_probe_skipped_total": "no tick was late",
    "outrider_probe_stuck_tasks_total": "no attempt hangs",
    '__name__!~".+_(total|info)"': "only built-in kinds of probes",
    '__name__=~".+_total"': "only built-in kinds of probes",
    'state="degraded"} * on': "no probe is degraded",
    "outrider_memory_pressure_ratio": "not every kernel tells it",
    "outrider_memory_oom_kills_total": "not told of a process, only of a cgroup",
    "outrider_state_": "no state folder",
}
VALUES = {
    "$__rate_interval": "30s",
    "$__range": "1m",
    "$by": "instance",
    "$replica": ".+",
    "$service": ".+",
    "$slo": ".+",
}
QUERIES = [
    (name, query.expr) for name, board in BOARDS.items() for r in board.rows for p in r.panels for query in p.queries
]

FILE = """
probes:
  app: {{type: http, url: "http://127.0.0.1:{port}/ok", interval: 300ms, slo: 99.9%}}
  gone: {{type: http, url: "http://127.0.0.1:1/", interval: 300ms}}
  cache: {{type: redis, url: "{redis}", interval: 300ms}}
  self: {{type: memory, of: self, interval: 300ms}}
groups: {{pair: {{members: [app, cache]}}}}
traces:
  receive: {{http: "127.0.0.1:OTLP_PORT"}}
  forward: {{up: {{endpoint: "http://127.0.0.1:{port}"}}}}
slos: {{latency: {{objective: 99%, sli: {{spans: {{kind: server, route: /orders}}, within: 300ms}}}}}}
alerts: {{receivers: {{oncall: {{type: webhook, url: "http://127.0.0.1:{port}/hook"}}}}}}
"""
PEERS = "peers: {urls: ['http://127.0.0.1:1']}"  # another replica, silent


class _Everything(BaseHTTPRequestHandler):
    """The service, the collector and the receiver of alerts in one: it takes all."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def everything():
    """Its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Everything)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def spans(number):
    """A request that failed by an exception, one that did not, and a call of a database."""
    body, now = ExportTraceServiceRequest(), time.time_ns()
    resource = body.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "bench"
    scope = resource.scope_spans.add()
    for place, (kind, error) in enumerate(
        ((Span.SPAN_KIND_SERVER, True), (Span.SPAN_KIND_SERVER, False), (Span.SPAN_KIND_CLIENT, True)), 1
    ):
        route = "/orders" if error else "/fine"
        span = scope.spans.add(name=f"GET {route}", kind=kind, trace_id=number.to_bytes(16, "big"))
        span.span_id = place.to_bytes(8, "big")
        span.start_time_unix_nano, span.end_time_unix_nano = now - 10_000_000, now
        if kind == Span.SPAN_KIND_SERVER:
            span.attributes.add(key="http.route").value.string_value = route
        else:
            span.attributes.add(key="db.system.name").value.string_value = "postgresql"
            span.attributes.add(key="server.address").value.string_value = "db"
        if error:
            span.status.code = Status.STATUS_CODE_ERROR
            thrown = span.events.add(name="exception", time_unix_nano=now)
            thrown.attributes.add(key="exception.type").value.string_value = "KeyError"
    return body.SerializeToString()


def asked(prometheus, expr):
    """The series that answer an expression; a query that Prometheus refuses fails with its words."""
    for name, value in VALUES.items():
        expr = expr.replace(name, value)
    form = urllib.parse.urlencode({"query": expr}).encode()
    try:
        with urllib.request.urlopen(f"{prometheus.url}/api/v1/query", form, timeout=30) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        pytest.fail(f"{expr}: {json.load(error)['error']}")


def found(prometheus, expr):
    """As soon as there are any: a scrape that comes too late on a busy machine makes a gap."""
    deadline = time.monotonic() + PATIENCE
    while not (series := asked(prometheus, expr)) and time.monotonic() < deadline and not _excused(expr):
        time.sleep(0.1)
    return series


@pytest.fixture(scope="module")
def prometheus(valkey):
    """A Prometheus that has seen an agent at work: probes up and down, spans, an objective."""
    with everything() as port, agent(FILE.format(port=port, redis=valkey.url), readiness=PEERS) as one:
        one.until("/readyz/app")
        with Prometheus({"outrider": ([one.public], {})}) as server:
            for number in range(1, 1000):
                post = urllib.request.Request(
                    f"http://127.0.0.1:{one.otlp}/v1/traces", spans(number), {"Content-Type": "application/x-protobuf"}
                )
                urllib.request.urlopen(post, timeout=30).close()
                one.get("/readyz")
                silent = [expr for _, expr in QUERIES if not asked(server, expr) and not _excused(expr)]
                if not silent or number > 300:
                    break
                time.sleep(0.25)  # the next scrape
            yield server


def _excused(expr):
    return any(part in expr for part in SILENT)


@pytest.mark.parametrize(("board", "expr"), QUERIES, ids=[f"{name} {expr[:70]}" for name, expr in QUERIES])
def test_every_query_is_answered(prometheus, board, expr):
    """No query is refused, and each has an answer unless there is a reason why it cannot have one here."""
    assert found(prometheus, expr) or _excused(expr), expr


def test_reasons_are_about_queries_that_exist():
    """A reason that excuses nothing is a leftover."""
    assert [part for part in SILENT if not any(part in expr for _, expr in QUERIES)] == []


def test_lists_at_the_top_are_filled(prometheus):
    """Services, replicas and objectives to choose from are found."""
    agents = found(prometheus, "outrider_info")
    assert [(each["metric"]["service"], bool(each["metric"]["instance"])) for each in agents] == [("bench", True)]
    slos = {each["metric"]["slo"] for each in found(prometheus, "outrider_slo_objective_ratio")}
    assert slos == {"app", "latency"}


def test_a_number_means_what_its_panel_says(prometheus):
    """Half of the requests failed, one probe of four is down, on the one replica that is not ready."""
    (failed,) = found(prometheus, _query("Requests failed"))
    assert float(failed["value"][1]) == pytest.approx(0.5, abs=0.01)
    by_route = found(prometheus, _query("Requests failed, by route"))
    shares = {each["metric"]["route"]: float(each["value"][1]) for each in by_route}
    assert shares == {"/orders": 1, "/fine": 0}  # no error yet is 0, not nothing
    (down,) = found(prometheus, _query("Probes down"))
    assert float(down["value"][1]) == 1
    (ready,) = found(prometheus, _query("Replicas ready"))
    assert float(ready["value"][1]) == 0
    (out,) = found(prometheus, _query("What keeps replicas out"))
    assert out["metric"]["probe"] == "gone"


def _query(title):
    (panel,) = (panel for row in BOARDS["service"].rows for panel in row.panels if panel.title == title)
    return panel.queries[0].expr
