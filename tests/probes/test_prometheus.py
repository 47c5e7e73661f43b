"""The Prometheus probe against real servers of prometheus_client."""

import contextlib
from types import SimpleNamespace

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from agent.assemble import assemble, survey
from agent.events import Outcome
from agent.health.judge import Bound
from config.errors import ConfigError, Problems
from config.load import load
from config.types import Size, Url
from probes.base import Buckets, Kind
from probes.prometheus import PrometheusOptions, PrometheusProbe
from probes.prometheus.options import Series
from tests.probes.attempts import attempts, values, verdict
from tests.probes.wire import answering, serve
from tests.running import agent


@contextlib.contextmanager
def service():
    """A service that counts, and its metrics page."""
    registry = CollectorRegistry()
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    try:
        yield SimpleNamespace(registry=registry, url=f"http://127.0.0.1:{server.server_port}/metrics")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def app():
    with service() as running:
        yield running


def reading(app, **series):
    return attempts(PrometheusProbe, url=Url.parse(app.url), series=series)


async def test_series_become_readings(app):
    """Labels choose, sums and maxima are made, units and kinds come from the names."""
    requests = Counter("requests", "r", ["code", "path"], registry=app.registry)
    requests.labels("500", "/a").inc(2)
    requests.labels("500", "/b").inc(3)
    requests.labels("200", "/a").inc(100)
    waiting = Gauge("wait_seconds", "w", ["queue"], registry=app.registry)
    waiting.labels("a").set(4)
    waiting.labels("b").set(9)
    series = {
        "errors": Series(metric="requests_total", labels={"code": "500"}),
        "wait": Series(metric="wait_seconds", aggregate="max"),
        "calm": Series(metric="wait_seconds", aggregate="min"),
    }
    async with reading(app, **series) as attempt:
        seen = await attempt()
    found = {one.name: (one.value, one.unit, one.kind) for one in seen.measurement.readings}
    assert found["errors"] == (5.0, "", Kind.COUNTER)
    assert found["wait"] == (9.0, "seconds", Kind.GAUGE)
    assert found["calm"] == (4.0, "seconds", Kind.GAUGE)
    assert found["size"][0] > 100
    assert verdict(seen) == ("pass", "ok")
    assert "parse" in seen.measurement.phases


async def test_a_histogram_tells_its_buckets(app):
    """The reading counts observations; the buckets are there for whoever asks how many were fast enough."""
    took = Histogram("took_seconds", "t", ["route"], buckets=(0.1, 0.3, 1.0), registry=app.registry)
    async with reading(app, latency=Series(metric="took_seconds", kind="histogram")) as attempt:
        seen = await attempt()
        assert values(seen)["latency"] == 0.0
        for seconds, route in [(0.05, "a"), (0.2, "a"), (0.2, "b"), (5.0, "b")]:
            took.labels(route).observe(seconds)
        seen = await attempt()
    assert values(seen)["latency"] == 4.0
    buckets = seen.measurement.histograms["latency"]
    assert buckets == Buckets((0.1, 0.3, 1.0, float("inf")), (1.0, 3.0, 3.0, 4.0))
    assert (buckets.within(0.3), buckets.within(0.25), buckets.total) == (3.0, None, 4.0)


async def test_a_restart_of_the_service_takes_nothing_back():
    """Its counters and histograms begin at 0 again; ours go on."""

    def page(count):
        buckets = f'took_bucket{{le="1"}} {count}\ntook_bucket{{le="+Inf"}} {count * 2}\n'
        return f"# TYPE jobs_total counter\njobs_total {count}\n# TYPE took histogram\n{buckets}".encode()

    series = {"jobs": Series(metric="jobs_total"), "took": Series(metric="took", kind="histogram")}
    counts = iter([10, 12, 1])

    async def script(peer):
        await peer.request()
        body = page(next(counts))
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    async with serve(script) as stub, reading(SimpleNamespace(url=stub.url("/metrics")), **series) as attempt:
        for jobs, took in [(10, 20), (12, 24), (13, 26)]:
            seen = await attempt()
            assert (values(seen)["jobs"], values(seen)["took"]) == (jobs, took)
    assert seen.measurement.histograms["took"].counts == (13.0, 26.0)


async def test_other_bounds_begin_anew():
    """A service that comes back with other buckets says nothing of those before; without +Inf it says nothing."""
    pages = iter([[1, "+Inf"], [2, "+Inf"], [2]])

    async def script(peer):
        await peer.request()
        body = "".join(f'took_bucket{{le="{bound}"}} 5\n' for bound in next(pages)).encode()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    series = {"took": Series(metric="took", kind="histogram")}
    async with serve(script) as stub, reading(SimpleNamespace(url=stub.url("/metrics")), **series) as attempt:
        for bound in (1.0, 2.0):
            seen = await attempt()
            assert seen.measurement.histograms["took"] == Buckets((bound, float("inf")), (5.0, 5.0))
        assert verdict(await attempt()) == ("fail", "protocol")


@contextlib.asynccontextmanager
async def showing(series, *pages):
    """Attempts at a service that shows these pages, one after the other."""
    left = iter(pages)

    async def script(peer):
        await peer.request()
        body = next(left).encode()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    async with serve(script) as stub, reading(SimpleNamespace(url=stub.url("/metrics")), took=series) as attempt:
        yield attempt


async def test_a_histogram_restarts_as_a_whole():
    """A bucket that has grown past its old count since the restart counts in full, like the one that fell."""
    pages = (f'took_bucket{{le="1"}} {fast}\ntook_bucket{{le="+Inf"}} {all_}\n' for fast, all_ in [(2, 100), (50, 51)])
    async with showing(Series(metric="took", kind="histogram"), *pages) as attempt:
        await attempt()
        seen = await attempt()
    assert seen.measurement.histograms["took"].counts == (52.0, 151.0)


async def test_histograms_of_other_bounds_share_those_that_both_have():
    """What only one of two knows tells nothing of both, and each needs its +Inf."""
    one = 'took_bucket{route="a",le="1"} 5\ntook_bucket{route="a",le="2"} 5\n'
    other = 'took_bucket{route="b",le="2.0"} 7\ntook_bucket{route="b",le="+Inf"} 8\n'
    whole = f'{one}took_bucket{{route="a",le="+Inf"}} 6\n'
    async with showing(Series(metric="took", kind="histogram"), whole + other, one + other) as attempt:
        seen = await attempt()
        assert seen.measurement.histograms["took"] == Buckets((2.0, float("inf")), (12.0, 14.0))
        assert verdict(await attempt()) == ("fail", "protocol")


async def test_a_sum_beyond_any_number_is_a_warning():
    """It cannot be read; the probe does not break of it."""
    async with showing(Series(metric="took"), 'took{q="a"} 1e308\ntook{q="b"} 1e308\n') as attempt:
        seen = await attempt()
    assert (verdict(seen), values(seen)["took"]) == (("warn", "unreadable"), None)


async def test_what_is_missing(app):
    """A counter without such labels is 0; a metric or a label that nobody has is a warning."""
    Counter("requests", "r", ["code"], registry=app.registry).labels("200").inc()
    Counter("silent", "s", ["code"], registry=app.registry)
    zero = {
        "errors": Series(metric="requests_total", labels={"code": "500"}),
        "silent": Series(metric="silent_total", labels={"code": "500"}),
    }
    async with reading(app, **zero) as attempt:
        seen = await attempt()
    assert (verdict(seen), values(seen)["errors"], values(seen)["silent"]) == (("pass", "ok"), 0.0, 0.0)
    for wrong in (Series(metric="nope_total"), Series(metric="requests_total", labels={"cod": "200"})):
        async with reading(app, it=wrong) as attempt:
            seen = await attempt()
        assert (verdict(seen), values(seen)["it"]) == (("warn", "unreadable"), None)


async def test_a_kind_that_the_service_contradicts_is_a_warning(app):
    """It is told which one would be right."""
    Gauge("jobs_count", "g", registry=app.registry).set(3)
    async with reading(app, jobs=Series(metric="jobs_count")) as attempt:
        seen = await attempt()
    assert verdict(seen) == ("warn", "unreadable")
    assert seen.detail == "jobs_count is a gauge, as the service says; write `kind: gauge`"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (answering(503), "status"),
        (answering(body=b"<html>"), "protocol"),
        (answering(body=b"a 1\n" * 300), "body_too_large"),
        (answering(429), "throttled"),
    ],
)
async def test_a_page_that_cannot_be_read_fails(script, reason):
    """With a reason; readings of `http` do not come through under this kind's name."""
    async with serve(script) as stub:
        options = {"url": Url.parse(stub.url("/metrics")), "max_body": Size(1000)}
        async with attempts(PrometheusProbe, **options) as attempt:
            seen = await attempt()
    assert seen.reason == reason
    assert {one.name for one in seen.measurement.readings} <= {"size"}
    assert b"accept: text/plain;version=0.0.4" in stub.requests[0].lower()


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"max_body": Size(5 * 1024 * 1024)}, "max_body"),
        ({"series": {"size": Series(metric="x")}}, "series.size"),
        ({"url": Url.parse("redis://host")}, "url"),
    ],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Before anything starts."""
    made = PrometheusOptions(**{"url": Url.parse("http://127.0.0.1/metrics"), **options})
    assert [path for path, _ in made.problems()] == [key]


@pytest.mark.parametrize(("metric", "more"), [("x_total", {}), ("x", {"kind": "histogram"})])
def test_only_gauges_have_a_maximum(metric, more):
    """The largest of several counters is no counter."""
    assert [path for path, _ in Series(metric=metric, aggregate="max", **more).problems()] == ["aggregate"]


FILE = """
service: shop
probes:
  own:
    type: prometheus
    url: URL
    interval: 1s
    series:
      depth: {metric: jobs_waiting}
      errors: {metric: errors_total}
    degraded_above: {LIMITS}
"""


@pytest.mark.parametrize(
    ("limits", "wrong"),
    [
        ("depth: 5, errors: 5/min, size: 1MiB", ""),
        ("depht: 5", "did you mean `depth`?"),
        ("errors: 5", "write a rate such as 5/min"),
        ("depth: 5/min", "is no counter"),
        ("depth: 80%", "a plain number"),
    ],
)
def test_thresholds_are_checked_against_the_series(limits, wrong):
    """Names and kinds of the file's own readings are known at load, as those of any kind."""
    text = FILE.replace("URL", "http://127.0.0.1:1/metrics").replace("LIMITS", limits)
    problems = Problems("file")
    plan = assemble(load(text.encode(), {}).config, problems)
    assert bool(list(problems)) == bool(wrong)
    assert wrong in " ".join(map(str, problems))
    if not wrong:
        assert Bound("depth", 5.0, above=True, outcome=Outcome.WARN) in plan.probes["own"].bounds


@pytest.mark.parametrize(("url", "paths"), [("http://127.0.0.1:1/", ["degraded_above.depht"]), ("nope", ["url"])])
def test_thresholds_are_checked_in_a_file_that_is_wrong_elsewhere(url, paths):
    """All at once; where the series themselves cannot be read, no name is called unknown."""
    text = FILE.replace("URL", url).replace("LIMITS", "depht: 5") + "nonsense: 1\n"
    with pytest.raises(ConfigError) as raised:
        load(text.encode(), {}, survey=survey)
    found = [problem.path for problem in raised.value.problems]
    assert sorted(found) == sorted(["nonsense", *(f"probes.own.{path}" for path in paths)])


def test_a_real_agent_shows_them(app):
    """Readings are metrics of bounded labels, and thresholds on them degrade."""
    waiting = Gauge("jobs_waiting", "w", registry=app.registry)
    Counter("errors", "e", registry=app.registry).inc(7)
    body = FILE.partition("probes:")[2].replace("URL", app.url).replace("LIMITS", "depth: 5")
    with agent(f"probes:{body}") as running:
        running.until("/readyz/own")
        waiting.set(6)

        def degraded():
            return running.json("/api/v1/probes/own")["state"] == "degraded"

        running.wait(degraded, "degraded")
        metrics = running.get("/metrics")[1].decode()
        assert 'outrider_prometheus_depth{probe="own"} 6.0' in metrics
        assert 'outrider_prometheus_errors_total{probe="own"} 7.0' in metrics
        assert 'outrider_metrics_left_off{reason="malformed"} 0.0' in metrics
