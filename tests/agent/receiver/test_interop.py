"""Between the official SDK and a real collector: every span arrives, with its ids."""

import asyncio
import re

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import Compression, OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from agent.demo.servers import Rotel
from tests.agent.pipeline import relaying, submit
from tests.agent.spans import request, until


def trace(url, spans, compression):
    """Make that many spans with the SDK and flush them; returns their ids."""
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=compression, timeout=60)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("tests")
    ids = set()
    for number in range(spans):
        with tracer.start_as_current_span(f"GET /orders/{number}") as span:
            ids.add(span.get_span_context().span_id.to_bytes(8, "big"))
    assert provider.force_flush(5000)
    provider.shutdown()
    return ids


@pytest.mark.case("D1")
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
async def test_the_python_sdk(client, compression):
    """What the official exporter sends is taken, in each of its encodings, and no id is lost."""
    sent = await asyncio.to_thread(trace, client.url, 200, compression)
    seen = {
        span.span_id
        for body in client.bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert seen == sent


async def test_rotel_as_the_upstream(receive):
    """A real collector understands what we merged; its restart loses nothing that it had not accepted."""
    with Rotel() as rotel:
        async with relaying(rotel.url) as relay, receive(relay) as client:
            account = relay.ledger.accounts["first"]
            for _ in range(5):
                assert (await client.post(request(20))).status == 200
            await until(lambda: account.delivered == 100)
            rotel.kill()
            assert (await client.post(request(20))).status == 200
            await until(lambda: account.retries["connect"])
            rotel.start()
            await until(lambda: account.delivered == 120)
            assert account.rejected.total() == 0
            await until(lambda: re.search(r"spans\S*=\S*20", rotel.log))


async def test_rotel_as_the_sender(client):
    """A collector that forwards to us gets its success, and its spans arrive."""
    with Rotel(forward_to=client.url) as rotel:
        async with relaying(rotel.url) as before:
            await submit(before, request(30), 30)
            await until(lambda: client.received == 30)


@pytest.mark.case("A1")
async def test_the_whole_way(receive, upstream):
    """In over HTTP, through the relay, out over HTTP: byte for byte, merged or not."""
    bodies = [request(20) for _ in range(30)]
    async with relaying(upstream.url, linger=0.01) as relay, receive(relay) as client:
        answers = await asyncio.gather(*(client.post(body) for body in bodies))
        assert {answer.status for answer in answers} == {200}
        await until(lambda: upstream.accepted == 600)
    arrived = b"".join(arrival.body for arrival in upstream.arrivals)
    assert len(arrived) == sum(map(len, bodies))
    assert all(body in arrived for body in bodies)


@pytest.mark.case("F1")
async def test_a_full_queue_is_503_with_retry_after(receive, upstream):
    """The sender is told to come back, refused spans are counted, and what was accepted is intact."""
    body = request(50)
    await upstream.stop()
    async with relaying(upstream.url, queue_bytes=29 * len(body) // 10) as relay, receive(relay) as client:
        answers = [await client.post(body) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 503, 503]
        assert answers[2].headers["Retry-After"] == "1"
        assert "queue_full" in answers[2].message
        assert (client.received, relay.ledger.refused["queue_full"]) == (100, 100)
        await upstream.start()
        await until(lambda: upstream.accepted == 100)


async def test_a_stopping_relay_sends_its_senders_away(receive, upstream):
    """After the drain began: 503 with Retry-After, and the spans are counted as refused."""
    async with relaying(upstream.url) as relay, receive(relay) as client:
        await relay.drain(1)
        answer = await client.post(request(7))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert relay.ledger.refused["stopping"] == 7
