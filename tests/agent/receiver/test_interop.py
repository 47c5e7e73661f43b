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
from tests.agent.pipeline import relaying
from tests.agent.spans import request, until


def trace(url, spans, compression):
    """Make that many spans with the SDK and flush them; returns their ids."""
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=compression, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("tests")
    ids = set()
    for number in range(spans):
        with tracer.start_as_current_span(f"GET /orders/{number}") as span:
            ids.add(span.get_span_context().span_id.to_bytes(8, "big"))
    assert provider.force_flush(5000)
    provider.shutdown()
    return ids


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
async def test_the_python_sdk(client, upstream, compression):
    """What the official exporter sends is taken, in each of its encodings, and no id is lost."""
    sent = await asyncio.to_thread(trace, client.url, 200, compression)
    await until(lambda: upstream.accepted >= 200)
    seen = {
        span.span_id
        for arrival in upstream.arrivals
        for resource in ExportTraceServiceRequest.FromString(arrival.body).resource_spans
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


async def test_rotel_as_the_sender(client, upstream):
    """A collector that forwards to us gets its success, and its spans arrive."""
    with Rotel(forward_to=client.url) as rotel:
        async with relaying(rotel.url) as before:
            before.submit(request(30), 30)
            await until(lambda: upstream.accepted == 30)
    assert client.received == 30
