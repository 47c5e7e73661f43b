"""Objectives on what the service counts itself and on a job's heartbeats: a real page, a real POST, a real agent."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from tests.running import agent

SLO = "objective: 99%, alerts: {min_bad: 1, windows: [{long: 10s, short: 5s, factor: 1}]}"
FILE = f"""
probes:
  own:
    type: prometheus
    url: http://127.0.0.1:PAGE/metrics
    interval: 1s
    series:
      errors: {{metric: http_requests_total, labels: {{status: "500"}}}}
      requests: {{metric: http_requests_total}}
      latency: {{metric: http_request_seconds, kind: histogram}}
      depth: {{metric: jobs_waiting}}
  backup: {{type: heartbeat, every: 1h, token: SECRET, interval: 1s}}
slos:
  errors: {{{SLO}, sli: {{counters: {{bad: own.errors, total: own.requests}}}}}}
  latency: {{{SLO}, sli: {{histogram: own.latency, within: 300ms}}}}
  quick: {{{SLO}, sli: {{histogram: own.latency, within: 250ms}}}}
  depth: {{{SLO}, sli: {{reading: own.depth, within: 10}}}}
  backup: {{{SLO}, sli: {{heartbeat: backup}}}}
"""


class Service:
    """What a service counts, on a page of its own."""

    def __init__(self):
        registry = CollectorRegistry()
        self.requests = Counter("http_requests", "Requests.", ["status"], registry=registry)
        self.seconds = Histogram("http_request_seconds", "Durations.", buckets=(0.1, 0.3, 1.0), registry=registry)
        self.waiting = Gauge("jobs_waiting", "Jobs.", registry=registry)
        self.server, self.thread = start_http_server(0, "127.0.0.1", registry=registry)

    def serve(self, *, bad=0):
        """A hundred requests, so many of them failed and slow; and the queue with it."""
        for status, count, seconds in (("200", 100 - bad, 0.2), ("500", bad, 0.9)):
            self.requests.labels(status).inc(count)
            for _ in range(count):
                self.seconds.observe(seconds)
        self.waiting.set(bad)


def counted(running):
    """What the API says of each objective."""
    return {slo["name"]: slo for slo in running.json("/api/v1/slos")["slos"]}


def firing(running):
    """Objectives whose alert fires."""
    return {alert["slo"] for alert in running.json("/api/v1/alerts")["alerts"] if alert["state"] == "firing"}


def test_what_the_service_counts_calls_when_it_burns():
    """Errors, slow requests, a long queue and a job that failed each fire; what cannot be counted is told of once."""
    service = Service()
    service.serve()
    try:
        with agent(FILE.replace("PAGE", str(service.server.server_port))) as running:
            running.until("/livez")
            running.wait(lambda: counted(running)["depth"]["events"], "the first look at the page")
            assert running.post("/heartbeats/backup", authorization="Bearer SECRET")[0] == 204
            service.serve()
            running.wait(lambda: counted(running)["errors"]["events"] == 100, "a hundred good requests")
            assert not firing(running)
            service.serve(bad=40)
            assert running.post("/heartbeats/backup/fail", authorization="Bearer SECRET")[0] == 204
            running.wait(lambda: firing(running) == {"errors", "latency", "depth", "backup"}, "four alerts")
            slos, page = counted(running), running.get("/metrics")[1].decode()
            log = running.log.read_text()
    finally:
        service.server.shutdown()
        service.server.server_close()
        service.thread.join()
    assert {name: (slos[name]["bad_events"], slos[name]["events"]) for name in ("errors", "latency", "quick")} == {
        "errors": (40, 200),
        "latency": (40, 200),
        "quick": (0, 0),
    }
    assert 'outrider_slo_bad_events_total{service="bench",slo="errors"} 40.0' in page
    assert 'outrider_slo_corrupt_total{service="bench",slo="errors"} 0.0' in page
    assert "no bucket ends there; use the bound of one: 100 ms or 300 ms" in slos["quick"]["problem"]
    assert log.count("objective quick is not counted") == log.count("is not counted") == 1
