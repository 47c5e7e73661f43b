"""Between the official SDK and a real collector over gRPC, in the loop that the agent runs in: every span arrives."""

import asyncio
import re
import time
from contextlib import asynccontextmanager

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from agent.cli.loop import Loop
from agent.demo.servers import Rotel
from agent.relay.entry import Signal
from agent.relay.relay import Refused, Relay
from agent.relay.settings import Settings
from agent.relay.store import LaneKey
from config.net.grpc_core import grpc
from config.types import Url
from exporters.otlp.grpc import OtlpGrpcOptions, OtlpGrpcSender
from tests.agent import upstream_grpc
from tests.agent.pipeline import NAMES, settled, working
from tests.agent.receiver.calls import receiving
from tests.agent.spans import request, until
from tests.running import AT_ONCE


def run(main):
    """Run one coroutine in the agent's own loop."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


def trace(target, spans, compression=None):
    """Make that many spans with the SDK and flush them; returns their ids."""
    provider = TracerProvider(resource=Resource.create({"service.name": "checkout"}))
    exporter = OTLPSpanExporter(endpoint=f"http://{target}", insecure=True, compression=compression, timeout=60)
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


@asynccontextmanager
async def carrying(*urls, **receive):
    """A receiver, a relay to these upstreams over gRPC, and both at work."""
    senders = {name: sender(url) for name, url in zip(NAMES, urls, strict=False)}
    relay = Relay(senders, signals=tuple(Signal), settings=Settings(linger=0.0))
    async with working(relay), receiving(relay, signals=tuple(Signal), **receive) as receiver:
        yield receiver


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_python_sdk(compression):
    """What the official exporter sends arrives at the upstream, and no id is lost or comes twice."""

    async def main():
        async with upstream_grpc.listening() as upstream, carrying(upstream.url) as receiver:
            sent = await asyncio.to_thread(trace, receiver.target, 200, compression)
            await until(settled(receiver.relay))
            assert seen(arrival.body for arrival in upstream.arrivals) == sent
            assert upstream.accepted == 200

    run(main())


@pytest.mark.case("E17")
def test_an_upstream_that_comes_back():
    """Nothing is lost and nothing comes twice over an outage, and the first delivery is there soon."""

    async def main():
        async with upstream_grpc.listening() as upstream, carrying(upstream.url) as receiver:
            account = receiver.relay.ledger.lanes[LaneKey(Signal.TRACES, "first")]
            await receiver.export(request(1))
            await until(settled(receiver.relay))
            await upstream.stop()
            for _ in range(10):
                await receiver.export(request(10))
            await until(lambda: account.retries["connect"] >= 6)  # the longest wait between two is reached by then
            assert account.inflight <= 1
            started = time.monotonic()
            await upstream.start()
            await until(lambda: upstream.accepted > 1)
            assert time.monotonic() - started < AT_ONCE
            await until(settled(receiver.relay))
            assert (upstream.accepted, account.delivered, account.rejected.total()) == (101, 101, 0)

    run(main())


@pytest.mark.case("C15")
def test_tenants_are_kept_apart():
    """Requests of different tenants are never merged, and each upstream request has its tenant's header."""

    async def main():
        async with (
            upstream_grpc.listening() as upstream,
            carrying(upstream.url, pass_headers=("x-tenant",)) as receiver,
        ):
            upstream.script.append(upstream_grpc.Reply("UNAVAILABLE"))  # so that the others are there to be merged
            bodies = {}
            for number in range(12):
                tenant, body = ("red", "blue")[number % 2], request(1)
                bodies[body] = tenant
                await receiver.export(body, metadata=(("x-tenant", tenant), ("x-other", "1")))
            await until(settled(receiver.relay))
            taken = [arrival for arrival in upstream.arrivals if arrival.code == "OK"]
            for body, tenant in bodies.items():
                (arrival,) = (each for each in taken if body in each.body)
                assert arrival.metadata["x-tenant"] == tenant
                assert "x-other" not in arrival.metadata
            assert upstream.accepted == 12

    run(main())


def test_each_signal_on_its_way():
    """Metrics and logs reach the service of their own kind."""

    async def main():
        metrics = ExportMetricsServiceRequest()
        metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="up")
        metric.gauge.data_points.add().as_int = 1
        body = metrics.SerializeToString()
        async with upstream_grpc.listening() as upstream, carrying(upstream.url) as receiver:
            await receiver.export(body, "metrics")
            await until(settled(receiver.relay))
            assert [(arrival.signal, arrival.body) for arrival in upstream.arrivals] == [("metrics", body)]

    run(main())


@pytest.mark.case("F1")
def test_the_python_sdk_comes_back():
    """Asked back, the SDK waits as long as we said, and not longer; nothing is lost, and nothing comes twice."""

    async def main():
        async with receiving() as receiver:
            receiver.relay.error, began = Refused("queue_full"), time.monotonic()
            sending = asyncio.create_task(asyncio.to_thread(trace, receiver.target, 10))
            await until(lambda: receiver.relay.asked)
            receiver.relay.error = None
            sent = await sending
            assert 0.5 < time.monotonic() - began < AT_ONCE
            assert seen(taken.body for taken in receiver.relay.submitted) == sent
            assert sum(taken.items for taken in receiver.relay.submitted) == 10

    run(main())


def test_rotel_as_the_upstream():
    """A real collector takes what we send, and what it missed while it was gone."""

    async def main():
        with Rotel() as rotel:
            async with carrying(rotel.grpc_url) as receiver:
                account = receiver.relay.ledger.lanes[LaneKey(Signal.TRACES, "first")]
                await receiver.export(request(20))
                await until(settled(receiver.relay))
                rotel.kill()
                await receiver.export(request(21))
                await until(account.retries.total)
                rotel.start()
                await until(settled(receiver.relay))
                assert (account.delivered, account.rejected.total()) == (41, 0)
                await until(lambda: re.search(r"spans\S*=\S*21", rotel.log))

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
