"""The agent's own spans: they arrive with the ids that the probed server saw, and are never in anybody's way."""

import asyncio
import contextlib
import logging
import random
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from agent.demo.servers import Rotel
from agent.events import Outcome
from agent.health.judge import Judge
from agent.own import listener, own_spans
from agent.scheduler.attempt import Runner
from config.sections.traces import OwnSpans as Wanted
from config.sections.traces import Receive
from config.types import ListenAddress, Ratio, Secret, StatusRanges, Url
from exporters import own_spans_sdk
from exporters.own_spans import SHUTDOWN, TOLD_EVERY, Attempted, OwnSpans, Seldom
from exporters.own_spans_sdk import QUEUE
from probes.base import ProbeContext
from probes.http import HttpOptions, HttpProbe
from probes.http.options import Expect
from tests.probes.wire import answering, saying, serve

ALL = Ratio.parse("100%")
ATTEMPT = Attempted("probe it", f"00-{7:032x}-{9:016x}-01", 1000.0, 1000.5, {}, {})


class Collector:
    """Takes OTLP/HTTP."""

    def __init__(self):
        self.requests, self.headers, self.port = [], [], 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self):
        return [span for r in self.requests for res in r.resource_spans for sc in res.scope_spans for span in sc.spans]

    async def take(self, request):
        self.headers.append(request.headers)
        self.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    async def until(self, count):
        async with asyncio.timeout(60):
            while len(self.spans) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
async def collector():
    """A real OTLP/HTTP upstream on a free port."""
    told = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", told.take)
    app.router.add_post("/otlp/spans", told.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    told.port = runner.addresses[0][1]
    yield told
    await runner.cleanup()


@contextlib.asynccontextmanager
async def sending(endpoint, sample=ALL, closing=60.0, **receive):
    """Own spans as the agent has them; closed at the end, with the patience of a busy machine."""
    wanted = Wanted(endpoint=Url.parse(endpoint), sample=sample)
    spans = own_spans(wanted, Receive(**receive), None, service="checkout", version="1.2.3")
    await spans.open()
    try:
        yield spans
    finally:
        await spans.aclose(closing)


async def attempt(spans, url, **options):
    """One attempt of a real HTTP probe, observed."""
    probe = HttpProbe(HttpOptions(url=Url.parse(url), **options), ProbeContext("app", timeout=5.0))
    seen = await Runner(probe, "http", Judge(), 5.0, lambda *_: False, traceparent=spans.begin).run(fresh=True)
    listener(spans)(seen)
    return seen


def header(request):
    """The traceparent of a request as it came, "" without."""
    found = re.search(rb"(?mi)^traceparent: (.*?)\r$", request)
    return found[1].decode() if found else ""


def attributes(pairs):
    """Attributes as a dict of texts."""
    return {pair.key: pair.value.string_value for pair in pairs}


async def test_the_span_has_the_ids_that_the_probed_server_saw(collector):
    """A sampled attempt leaves one CLIENT span with its ids, its times, what came of it and its phases."""
    async with serve(answering()) as target, sending(collector.url) as spans:
        before = time.time_ns()
        await attempt(spans, target.url())
    [span] = collector.spans
    assert header(target.requests[0]) == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    assert (span.name, span.kind, span.parent_span_id) == ("probe app", Span.SPAN_KIND_CLIENT, b"")
    assert attributes(span.attributes) == {
        "outrider.probe": "app", "outrider.type": "http", "outrider.outcome": "pass", "outrider.reason": "ok",
    }  # fmt: skip
    assert [event.name for event in span.events][:3] == ["resolve", "connect", "processing"]
    assert all(span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano for event in span.events)
    assert before - 1_000_000 <= span.start_time_unix_nano < span.end_time_unix_nano <= time.time_ns()
    assert span.status.code == Status.STATUS_CODE_UNSET
    resource = attributes(collector.requests[0].resource_spans[0].resource.attributes)
    assert resource == {"service.name": "outrider", "service.version": "1.2.3", "outrider.service": "checkout"}


async def test_a_failed_attempt_is_an_error_without_details(collector):
    """Reason and phase are told; what only people with the right may see stays out."""
    async with serve(answering(500)) as target, sending(collector.url) as spans:
        seen = await attempt(spans, target.url("/?key=hidden"), expect=Expect(status=StatusRanges.parse("204")))
    assert seen.outcome is Outcome.FAIL
    [span] = collector.spans
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "status")
    assert attributes(span.attributes)["outrider.outcome"] == "fail"
    assert attributes(span.attributes)["outrider.phase"] == seen.phase
    assert b"hidden" not in collector.requests[0].SerializeToString()
    assert b"500" not in collector.requests[0].SerializeToString()


async def test_rotel_takes_them_and_passes_them_on(collector):
    """A real collector understands our spans: the next one in line gets them with the same ids."""
    with Rotel(forward_to=collector.url) as rotel:
        async with serve(answering()) as target, sending(rotel.url) as spans:
            for _ in range(3):
                await attempt(spans, target.url())
        await collector.until(3)
    assert {header(request) for request in target.requests} == {
        f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in collector.spans
    }


async def test_unsampled_attempts_still_carry_ids(collector):
    """By default the target gets an unsampled traceparent, a new one each time, and nothing is sent."""
    async with serve(answering()) as target, sending(collector.url, Wanted().sample) as spans:
        for _ in range(2):
            await attempt(spans, target.url())
    first, second = (header(request) for request in target.requests)
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", first)
    assert first.split("-")[1] != second.split("-")[1]
    assert not collector.requests


async def test_without_own_spans_there_is_no_header():
    """Where nobody asked for traces, targets get none."""
    async with serve(answering()) as target:
        probe = HttpProbe(HttpOptions(url=Url.parse(target.url())), ProbeContext("app"))
        seen = await Runner(probe, "http", Judge(), 3.0, lambda *_: False).run(fresh=True)
    assert header(target.requests[0]) == seen.traceparent == ""


async def test_the_files_own_traceparent_wins(collector):
    """A header that a person wrote is sent as it is, in whatever case its name is."""
    mine = f"00-{1:032x}-{2:016x}-00"
    async with serve(answering()) as target, sending(collector.url) as spans:
        await attempt(spans, target.url(), headers={"TraceParent": Secret(mine)})
    assert re.findall(rb"(?mi)^traceparent: .*$", target.requests[0]) == [f"TraceParent: {mine}\r".encode()]


async def test_another_origin_gets_no_ids(collector):
    """A redirect within the target keeps the traceparent; one to a stranger does not carry it there."""
    async with (
        serve(answering()) as stranger,
        serve(answering(302, headers={"Location": stranger.url()})) as target,
        sending(collector.url) as spans,
    ):
        await attempt(spans, target.url(), follow_redirects=1)
    assert header(target.requests[0])
    assert not header(stranger.requests[0])


def test_ids_are_never_zero_and_the_share_is_kept():
    """Chance may say 0, the ids may not; of a thousand attempts about the share is sampled."""

    class Nought(random.Random):
        def getrandbits(self, bits):
            return 0

    assert OwnSpans("", 0.0, {}, chance=Nought()).begin() == f"00-{1:032x}-{1:016x}-00"
    spans = OwnSpans("", 0.1, {}, chance=random.Random(4))
    assert 70 < sum(spans.begin().endswith("-01") for _ in range(1000)) < 130


def test_the_sdk_is_not_loaded_for_nothing():
    """Ten megabytes are spent only where spans are sent."""
    code = (
        "import asyncio, sys\n"
        "from exporters.own_spans import OwnSpans\n"
        "spans = OwnSpans('http://127.0.0.1:1/v1/traces', 0.0, {})\n"
        "asyncio.run(spans.open()); spans.begin()\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'requests'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("trouble", ["refuses", "hangs", "says 500"])
async def test_a_broken_upstream_costs_two_seconds_and_a_line(caplog, monkeypatch, trouble):
    """Closing waits for no answer, however the upstream fails, and there is no traceback."""
    assert SHUTDOWN == 2.0
    monkeypatch.setattr(own_spans_sdk, "TIMEOUT", 60.0)  # far longer than a busy machine needs for two seconds
    scripts = {"hangs": saying(then="hang"), "says 500": answering(500), "refuses": answering()}
    async with serve(scripts[trouble]) as upstream:
        url = "http://127.0.0.1:1" if trouble == "refuses" else upstream.url("")
        async with sending(url, closing=SHUTDOWN) as spans:
            spans.send(ATTEMPT)
            began = time.monotonic()
        assert time.monotonic() - began < 30
    assert not logging.getLogger("opentelemetry").propagate  # pytest sees its records all the same
    told = [record for record in caplog.records if not record.name.startswith("opentelemetry")]
    assert 1 <= len(told) <= 2
    assert all((record.name, record.levelname) == ("exporters.own_spans", "WARNING") for record in told)
    assert not any(record.exc_info for record in told)


async def test_sending_never_waits_and_the_queue_is_bounded(collector, monkeypatch):
    """While an upstream keeps its first answer, thousands of spans are sent, and only the newest are kept."""
    monkeypatch.setattr(own_spans_sdk, "TIMEOUT", 60.0)
    async with sending(collector.url) as spans:
        began = time.monotonic()
        for number in range(4 * QUEUE):  # nor does this loop let the upstream answer
            spans.send(ATTEMPT._replace(traceparent=f"00-{7:032x}-{number + 1:016x}-01"))
        assert time.monotonic() - began < own_spans_sdk.TIMEOUT
    assert len(collector.spans) < 3 * QUEUE
    assert int.from_bytes(collector.spans[-1].span_id, "big") == 4 * QUEUE


async def test_the_environments_proxy_is_not_used(collector, monkeypatch):
    """What is set for the service's own requests does not lead our spans astray."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with sending(collector.url) as spans:
        spans.send(ATTEMPT)
    assert len(collector.spans) == 1


async def test_an_environment_that_the_sdk_cannot_read_is_a_line(collector, monkeypatch, caplog):
    """Own spans are then not sent, and the agent goes on."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
    async with sending(collector.url) as spans:
        spans.send(ATTEMPT)
    assert not collector.requests
    assert [
        record.message for record in caplog.records if record.message.startswith("own spans are not sent: ValueError")
    ]


def test_the_sdks_log_is_one_line_a_minute(caplog):
    """However much it complains, a person reads one line, without control characters and tracebacks."""
    now = 100.0
    seldom = Seldom(lambda: now)
    error = (ValueError, ValueError("x"), None)
    record = logging.LogRecord("opentelemetry.sdk", logging.ERROR, "", 0, "Exception while\nexporting", (), error)
    for _ in range(3):
        seldom.handle(record)
    assert [(each.message, each.exc_info) for each in caplog.records] == [
        ("own spans: Exception while exporting", None)
    ]
    now += TOLD_EVERY
    seldom.handle(record)
    assert len(caplog.records) == 2


async def test_our_own_receiver_is_the_default_place(collector):
    """Without an endpoint they go where the service's spans go, with the path and the token asked for there."""
    receive = Receive(token=Secret("letmein"), traces_path="/otlp/spans", http=ListenAddress.parse("*:0"))
    listening = replace(receive.http, port=collector.port)
    spans = own_spans(Wanted(sample=ALL), receive, listening, service="checkout", version="1")
    await spans.open()
    spans.send(ATTEMPT)
    await spans.aclose()
    assert len(collector.spans) == 1
    assert collector.headers[0]["Authorization"] == "Bearer letmein"
