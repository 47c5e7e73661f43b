"""Objectives on spans, from the file to the page: what is asked of spans, what they answer, who is called."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from agent.alerting.engine import AlertEngine
from agent.assemble import assemble, survey
from agent.red.objective import SpanObjective, span_objectives
from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.wire import Level
from agent.slo.engine import SloEngine
from config.errors import Problems
from config.load import load

NOW = 1_767_225_600
FILE = b"""service: shop
probes: {app: {type: http, url: "http://127.0.0.1:8000/healthz", slo: 99.9%}}
traces: {forward: {gw: {endpoint: "http://up.example:4318"}}}
slos:
  requests: {objective: 99.9%, sli: {spans: {kind: server}}}
  latency: {objective: 99%, sli: {spans: {kind: server, route: /checkout}, within: 300ms}}
alerts: {receivers: {oncall: {type: log}}}
"""


class World:
    """Spans in, as the receiver would hand them over; objectives and alerts out."""

    def __init__(self):
        loaded, problems = load(FILE, {}, survey=survey), Problems("file")
        self.plan = assemble(loaded.config, problems)
        assert len(problems) == 0
        self.slos = SloEngine(self.plan.objectives)
        self.alerts = AlertEngine(self.slos, self.plan.routes)
        asked = span_objectives(self.plan.objectives)
        self.red = Red(Settings(service="shop", objectives=asked, offer=self.slos.count))

    def send(self, now, spans=1, *, seconds=0.1, error=False, route="/checkout", kind=Span.SPAN_KIND_SERVER, age=0.0):
        """One body of equal spans that ended `age` seconds before `now`."""
        body = ExportTraceServiceRequest()
        scope = body.resource_spans.add().scope_spans.add()
        end = round((now - age) * 1e9)
        for number in range(1, spans + 1):
            span = scope.spans.add(name=f"GET {route}", kind=kind, trace_id=number.to_bytes(16, "big"))
            span.span_id = number.to_bytes(8, "big")
            span.start_time_unix_nano, span.end_time_unix_nano = end - round(seconds * 1e9), end
            span.attributes.add(key="http.route").value.string_value = route
            span.status.code = Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET
        walk = self.red.walk(now)
        walk.see(Level.REQUEST, True, body)
        walk.commit(now)

    def counted(self):
        """(bad, all) of the period by objective."""
        rows = self.slos.evaluations()
        return {row.objective.name: (row.period.bad, row.period.total) for row in rows if row.objective.requests}


def test_the_file_says_what_is_asked_of_spans():
    """Only objectives on spans are, in seconds; those on probes are not."""
    asked = span_objectives(World().plan.objectives)
    assert asked == (SpanObjective("requests", "server"), SpanObjective("latency", "server", "/checkout", 0.3))


@pytest.mark.case("I2")
def test_a_request_exactly_on_the_threshold_is_good():
    """300 ms are within 300 ms, a nanosecond more is not; an error is bad however fast it came."""
    world = World()
    world.send(NOW, 5, seconds=0.3)
    assert world.counted() == {"requests": (0, 5), "latency": (0, 5)}
    world.send(NOW, 3, seconds=0.300000001)
    assert world.counted() == {"requests": (0, 8), "latency": (3, 8)}
    world.send(NOW, 2, seconds=0.001, error=True)
    assert world.counted() == {"requests": (2, 10), "latency": (5, 10)}


def test_other_routes_and_kinds_count_where_they_are_asked_for():
    """An objective on a route hears of that route alone; client spans are nobody's requests."""
    world = World()
    world.send(NOW, 4, route="/other", error=True)
    world.send(NOW, 4, kind=Span.SPAN_KIND_CLIENT, error=True)
    assert world.counted() == {"requests": (4, 4), "latency": (0, 0)}


@pytest.mark.case("I7")
def test_a_replayed_backlog_calls_nobody():
    """Two hours old and all failed: no objective hears of it, and no alert leaves its rest."""
    world = World()
    for t in range(0, 7200, 10):
        world.send(NOW + t, 2)
        if t >= 3600:
            world.send(NOW + t, 20, error=True, age=7200)
        assert world.alerts.tick(NOW + t) == []
    assert world.counted() == {"requests": (0, 1440), "latency": (0, 1440)}
    assert world.alerts.view() == []


@pytest.mark.case("I6")
def test_an_objective_has_its_series_before_the_first_span():
    """Both counters stand at 0, and the first failure is an increase by one."""
    world = World()

    def bad():
        return {
            sample.labels[1]: sample.value for sample in dict(world.slos.samples())["outrider_slo_bad_events_total"]
        }

    assert bad() == {"app": 0, "requests": 0, "latency": 0}
    world.send(NOW, error=True)
    assert bad() == {"app": 0, "requests": 1, "latency": 1}


def test_failing_requests_call_somebody():
    """From spans to the notice: within a minute in steady traffic, in numbers of requests."""
    world = World()
    for t in range(0, 3600, 10):
        world.send(NOW + t, 20)
        assert world.alerts.tick(NOW + t) == []
    told = []
    for t in range(3600, 3720, 10):
        world.send(NOW + t, 20, error=True, route="/other")
        told += [(t, notice) for notice in world.alerts.tick(NOW + t)]
    ((at, notice),) = told
    assert at == 3600 + 50
    assert "Server spans: 120 of 600 failed in the last 5 minutes, and " in notice.alert.annotations["description"]
    assert notice.receivers == ("oncall",)


def test_requests_are_watched_in_windows_of_seconds():
    """Windows of one's own, as short as the demo's, are as good for requests as for a probe."""
    written = b"alerts: {windows: [{long: 60s, short: 5s, factor: 14.4, severity: page}]}"
    loaded, problems = (
        load(FILE.replace(b"server}}}", b"server}}, " + written + b"}", 1), {}, survey=survey),
        Problems("file"),
    )
    found = assemble(loaded.config, problems).objectives
    assert len(problems) == 0
    assert {each.slot_seconds for each in found if each.name == "requests"} == {5}
