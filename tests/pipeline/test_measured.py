"""Request metrics and objectives as a scrape of a whole agent shows them, while spans pass, are sampled or refused."""

import signal
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.agent.upstream import Reply
from tests.pipeline.bodies import requests_of
from tests.pipeline.ends import body_of
from tests.pipeline.paths import Page, again, file_of, missing, page, post, requests, serving, settled, spans
from tests.pipeline.upstreams import scripted
from tests.ports import free_port

pytestmark = pytest.mark.e2e

SLOS = (
    "slos:\n"
    "  requests: {objective: 99%, window: 1d, sli: {spans: {kind: server}}}\n"
    "  quick: {objective: 99%, window: 1d, sli: {spans: {kind: server, route: /orders}, within: 300ms}}\n"
)


@pytest.mark.case("I2")
@pytest.mark.case("I6")
def test_series_are_there_before_the_first_span(tmp_path):
    """What an objective names stands at 0; then each span is one, exact at the threshold, and the events go along."""
    with scripted() as gateway, serving(SLOS + file_of({"gateway": gateway.port}, tmp_path)) as running:
        before = page(running)
        for status in ("ok", "error"):
            assert before.total("span_requests_total", route="/orders", kind="server", status=status) == 0
        assert before.total("span_duration_seconds_bucket", route="/orders", le="0.3") == 0
        requests(running, 1, took=300)
        requests(running, 0, errors=1, first=2, took=300)
        requests(running, 1, first=3, took=300.000001)
        seen = page(running)
        assert seen.total("span_requests_total", route="/orders", status="ok") == 2
        assert seen.total("span_requests_total", route="/orders", status="error") == 1
        assert seen.total("span_duration_seconds_bucket", route="/orders", le="0.3") == 2
        assert seen.total("span_duration_seconds_count", route="/orders") == 3
        running.wait(lambda: page(running).total("slo_events_total", slo="quick") == 3, "events")
        assert page(running).total("slo_bad_events_total", slo="quick") == 2
        assert page(running).total("slo_bad_events_total", slo="requests") == 1
        settled(running)


@pytest.mark.case("I7")
def test_a_replayed_backlog_burns_nothing(tmp_path):
    """Spans that ended two hours ago are counted and late: no budget is burnt, nobody is called."""
    with scripted() as gateway, serving(SLOS + file_of({"gateway": gateway.port}, tmp_path)) as running:
        requests(running, 0, errors=500, ago=7200)
        requests(running, 10, first=1000)
        seen = page(running)
        assert seen.total("span_left_out_total", reason="late") == 500
        assert seen.total("span_requests_total", route="/orders", status="error") == 500
        running.wait(lambda: page(running).total("slo_events_total", slo="requests") == 10, "events")
        assert page(running).total("slo_bad_events_total") == 0
        settled(running)


@pytest.mark.case("I8")
def test_sampling_changes_no_metric(tmp_path):
    """10 % go on, all are counted, exemplars lead to traces that went on, and the books have the rest as sampled."""
    sample = "sample: 10%"
    with scripted() as gateway, serving(SLOS + file_of({"gateway": gateway.port}, tmp_path, sample)) as running:
        for first in range(1, 3001, 500):
            requests(running, 500, first=first, took=10 * (1 + first // 500))
        settled(running)
        delivered = gateway.delivered()
        assert 150 < len(delivered) < 500
        assert spans(running, "dropped_spans_total", reason="sampled") == 3000 - len(delivered)
        assert spans(running, "received_spans_total") == 3000
        seen = scraped(running)
        assert seen.total("span_requests_total", route="/orders", status="ok") == 3000
        marks = [sample.exemplar for sample in seen.samples if sample.exemplar]
        assert marks
        assert {int(mark.labels["span_id"], 16) for mark in marks} <= delivered.keys()


@pytest.mark.case("I8")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_what_sampling_left_out_is_in_the_books_of_the_next_process(tmp_path, end):
    """Single spans, nearly all of them left out: received and dropped are the same after a restart, to the span."""
    with scripted() as gateway, serving(file_of({"gateway": gateway.port}, tmp_path, "sample: 1%")) as running:
        for number in range(1, 301):
            requests(running, 1, first=number)
        settled(running)
        before = page(running)
        assert before.total("otlp_dropped_spans_total", reason="sampled") > 280
        time.sleep(0.1)  # what is settled is written with company; a kill may cost the last moment, never the balance
        running.signal(end)
        running.ends()
        again(running)
        running.until("/livez")
        assert not missing(running)
        if end is signal.SIGTERM:
            assert spans(running, "received_spans_total") == 300
        settled(running)


def scraped(running):
    """The page as Prometheus asks for it, with exemplars."""
    import urllib.request

    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"http://127.0.0.1:{running.public}/metrics", headers=accept)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert "openmetrics" in answer.headers["Content-Type"]
        return Page(answer.read().decode(), exemplars=True)


@pytest.mark.case("I9")
@pytest.mark.case("F1")
def test_refused_spans_are_measured_once():
    """A full queue: 503, counted as refused; the requests count all the same, also where the sender tries again."""
    limits = "queue: {memory: 64KiB}"
    with serving(SLOS + file_of({"gateway": free_port()}, None, limits)) as running:
        taken, number = 0, 1
        while post(running.otlp, body := requests_of(range(number, number + 100)))[0] == 200:
            number += 100
            taken += 100
        assert post(running.otlp, body)[0] == 503
        assert post(running.otlp, body)[0] == 503
        seen = page(running)
        assert seen.total("otlp_refused_spans_total", reason="queue_full") == 300
        assert seen.total("otlp_received_spans_total") == taken
        assert seen.total("span_requests_total", status="ok") == taken + 100
        assert not missing(running)


def test_rejected_ones_are_told_and_the_rest_goes_on(tmp_path):
    """Spans with impossible ids: partial_success for them, metrics for all, and only the good ones in the books."""
    request = ExportTraceServiceRequest.FromString(body_of(range(1, 11)))
    for span in request.resource_spans[0].scope_spans[0].spans[:4]:
        span.trace_id = bytes(16)
    with scripted() as gateway:
        gateway.always = Reply()
        with serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
            status, said = post(running.otlp, request.SerializeToString())
            assert status == 200
            assert b"4 of 10 spans are left out" in said
            settled(running)
            assert gateway.delivered().keys() == set(range(5, 11))
            assert spans(running, "received_spans_total") == 6
