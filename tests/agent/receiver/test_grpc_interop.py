"""Between the official SDK and a real collector over gRPC, in the loop that the agent runs in: every span arrives."""

import asyncio
import re
import time

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from agent.cli.loop import Loop
from agent.demo.servers import Rotel
from agent.relay.relay import Refused
from config.net.grpc_core import grpc
from config.types import Url
from exporters.base import Retryable
from exporters.otlp.grpc import OtlpGrpcOptions, OtlpGrpcSender
from tests.agent import upstream_grpc
from tests.agent.receiver.calls import receiving
from tests.agent.spans import request, until


def run(main):
    """Run one coroutine in the agent's own loop."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


def trace(target, spans, compression=None):
    """Make that many spans with the SDK and flush them; returns their ids."""
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    exporter = OTLPSpanExporter(endpoint=f"http://{target}", insecure=True, compression=compression, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("tests")
    ids = set()
    for number in range(spans):
        with tracer.start_as_current_span(f"GET /orders/{number}") as span:
            ids.add(span.get_span_context().span_id.to_bytes(8, "big"))
    assert provider.force_flush(8000)
    provider.shutdown()
    return ids


def seen(bodies):
    """The ids of the spans in these requests."""
    return {
        span.span_id
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def sender(url):
    return OtlpGrpcSender(OtlpGrpcOptions(endpoint=Url(url)))


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_python_sdk(compression):
    """What the official exporter sends arrives at an upstream of ours, and no id is lost."""

    async def main():
        async with upstream_grpc.listening() as upstream, receiving() as receiver:
            sent = await asyncio.to_thread(trace, receiver.target, 200, compression)
            await until(lambda: sum(taken.items for taken in receiver.relay.submitted) == 200)
            forward = sender(upstream.url)
            for taken in receiver.relay.submitted:
                await forward.send(taken.body, taken.signal, tuple(taken.headers.items()))
            await forward.aclose()
            assert seen(arrival.body for arrival in upstream.arrivals) == sent
            assert upstream.accepted == 200

    run(main())


@pytest.mark.case("F1")
def test_the_python_sdk_comes_back():
    """Asked back, the SDK waits as long as we said, and not longer; nothing is lost, and nothing comes twice."""

    async def main():
        async with receiving() as receiver:
            receiver.relay.error = Refused("queue_full")
            sending = asyncio.create_task(asyncio.to_thread(trace, receiver.target, 10))
            await until(lambda: receiver.relay.asked)
            receiver.relay.error, refused = None, time.monotonic()
            sent = await sending
            assert 0.5 < time.monotonic() - refused < 3
            assert seen(taken.body for taken in receiver.relay.submitted) == sent
            assert sum(taken.items for taken in receiver.relay.submitted) == 10

    run(main())


def test_rotel_as_the_upstream():
    """A real collector takes what we send, and after its restart it does so again."""

    async def main():
        with Rotel() as rotel:
            forward = sender(rotel.grpc_url)
            await forward.send(request(20))
            await until(lambda: re.search(r"spans\S*=\S*20", rotel.log))
            rotel.kill()
            rotel.start()
            await until_sent(forward, request(21))
            await until(lambda: re.search(r"spans\S*=\S*21", rotel.log))
            await forward.aclose()

    async def until_sent(forward, body):
        async with asyncio.timeout(10):
            while True:
                try:
                    return await forward.send(body)
                except Retryable:
                    await asyncio.sleep(0.05)

    run(main())


def test_rotel_as_the_sender():
    """A collector that forwards to us over gRPC gets its success, and its spans arrive."""

    async def main():
        async with receiving() as receiver:
            with Rotel(forward_to=f"http://{receiver.target}", protocol="grpc") as rotel:
                forward = sender(rotel.grpc_url)
                await forward.send(request(30))
                await until(lambda: sum(taken.items for taken in receiver.relay.submitted) == 30)
                await forward.aclose()

    run(main())
