"""OTLP/gRPC in: what is good is taken byte for byte, what is bad gets the right code and words, and costs little."""

import asyncio
import logging

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agent.relay.entry import HOPS, Signal
from config.net.grpc_core import grpc
from exporters.otlp.grpc import METHODS
from tests.agent.receiver.calls import DATA, GOAWAY, HEADERS, PING, RST, call, frame, frames, receiving
from tests.agent.spans import request, until

Codes = grpc.StatusCode


@pytest.fixture
async def receiver():
    """A receiver of spans with a limit of 1 MiB."""
    async with receiving() as listening:
        yield listening


async def test_a_request_is_taken(receiver):
    """OK with an empty response, and the relay has the same bytes."""
    body = request(3)
    answer = await receiver.export(body)
    assert not ExportTraceServiceResponse.FromString(answer).HasField("partial_success")
    (taken,) = receiver.relay.submitted
    assert (taken.signal, taken.body, taken.items, taken.transport) == (Signal.TRACES, body, 3, "grpc")
    assert taken.headers == {HOPS: "1"}


@pytest.mark.parametrize("packing", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests_are_taken(receiver, packing):
    """What the library inflates is what the relay gets."""
    body = request(50)
    await receiver.export(body, compression=packing)
    assert receiver.relay.submitted[0].body == body


@pytest.mark.case("C2")
async def test_an_empty_request_is_a_success(receiver):
    """OK, and no span is counted."""
    assert await receiver.export(b"") == b""
    assert [taken.items for taken in receiver.relay.submitted] in ([], [0])


async def test_spans_left_out_are_told(receiver):
    """partial_success says how many, and why."""
    made = ExportTraceServiceRequest.FromString(request(3))
    made.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    answer = ExportTraceServiceResponse.FromString(await receiver.export(made.SerializeToString()))
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message


@pytest.mark.parametrize("body", [request(1)[:-1], b"\x0b", b"hello, collector"], ids=["cut", "open-group", "text"])
async def test_what_is_no_request_is_refused(receiver, body):
    """INVALID_ARGUMENT in words, which no sender tries again."""
    error = await receiver.refusal(body)
    assert error.code() is Codes.INVALID_ARGUMENT
    assert "not an ExportTraceServiceRequest: " in error.details()
    assert receiver.refused("invalid_argument") == 1
    assert not receiver.relay.submitted


@pytest.mark.case("C7")
async def test_unknown_methods_and_disabled_signals(receiver):
    """UNIMPLEMENTED, with what is there and how to enable what could be."""
    with pytest.raises(grpc.aio.AioRpcError, match="TraceService/Export") as unknown:
        await receiver.channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
    assert unknown.value.code() is Codes.UNIMPLEMENTED
    error = await receiver.refusal(b"", "logs")
    assert (error.code(), receiver.refused("unimplemented")) == (Codes.UNIMPLEMENTED, 2)
    assert "pass_through: [logs]" in error.details()


async def test_other_signals_are_carried_when_asked():
    """Metrics and logs reach the relay as what they are."""
    metrics, logs = ExportMetricsServiceRequest(), ExportLogsServiceRequest()
    point = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="up").gauge.data_points.add()
    point.as_int = 1
    logs.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    async with receiving(signals=tuple(Signal)) as receiver:
        await receiver.export(metrics.SerializeToString(), "metrics")
        await receiver.export(logs.SerializeToString(), "logs")
        assert [(taken.signal, taken.items) for taken in receiver.relay.submitted] == [("metrics", 1), ("logs", 1)]


@pytest.mark.case("C6")
async def test_an_unknown_encoding_is_refused(receiver):
    """For good, with a word about the encoding, and nothing passes undecoded.

    The table wants UNIMPLEMENTED; the library we use says INTERNAL, which no sender tries again either.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.address.port)
    writer.write(call(METHODS["traces"], "snappy") + frame(DATA, 1, 1, b"\x01\0\0\0\x03abc"))
    async for kind, _, payload in frames(reader):
        if kind == HEADERS:
            assert b"grpc-encoding" in payload
            assert b"grpc-status\x0213" in payload or b"grpc-status\x0212" in payload
            break
    writer.close()
    assert not receiver.relay.submitted
    assert await receiver.export(request(1)) == b""


@pytest.mark.case("C11")
async def test_many_streams_on_one_connection(receiver):
    """200 calls at once are all taken, and their senders need one connection."""
    receiver.relay.open.clear()
    calls = [asyncio.create_task(receiver.export(request(1))) for _ in range(200)]
    await until(lambda: receiver.relay.waiting == 200)
    receiver.relay.open.set()
    assert await asyncio.gather(*calls) == [b""] * 200
    assert len(receiver.relay.submitted) == 200


@pytest.mark.case("C12")
async def test_pings_of_a_quiet_connection_are_welcome(receiver):
    """A client that pings without calls keeps its connection; one that does nothing else loses it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.address.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    ping = frame(PING, 0, 0, bytes(8))

    async def answers():
        async for kind, flags, payload in frames(reader):
            if kind in {PING, GOAWAY}:
                yield kind, flags, payload

    heard = answers()
    for _ in range(5):
        writer.write(ping)
        assert (await anext(heard))[:2] == (PING, 1)
        await asyncio.sleep(1.1)
    writer.write(ping * 20)
    async for kind, _, payload in heard:
        if kind == GOAWAY:
            assert b"too_many_pings" in payload
            break
    else:
        pytest.fail("a flood of pings was let through")
    writer.close()


@pytest.mark.case("C15")
async def test_allowed_metadata_goes_along():
    """What the file lists, and the count of hops; nothing else of what senders and libraries add."""
    async with receiving(pass_headers=("X-Tenant", "trace-bin")) as receiver:
        metadata = (
            ("x-tenant", "blue"),
            ("x-other", "1"),
            ("trace-bin", b"\x00\xff"),
            ("authorization", "Bearer x"),
            (HOPS, "2"),
        )
        await receiver.export(request(1), metadata=metadata)
        await receiver.export(request(1), metadata=(("x-tenant", "a"), ("x-tenant", "b")))
        first, second = (taken.headers for taken in receiver.relay.submitted)
        assert first == {"x-tenant": "blue", "trace-bin": "AP8=", HOPS: "3"}
        assert second == {"x-tenant": "a, b", HOPS: "1"}


async def test_a_circle_is_refused_for_good(receiver):
    """A request that came through too many Outriders is not taken once more."""
    error = await receiver.refusal(request(1), metadata=((HOPS, "8"),))
    assert error.code() is Codes.INVALID_ARGUMENT
    assert "traces.forward" in error.details()


@pytest.mark.case("B23")
async def test_a_sender_that_goes_in_the_middle(receiver, caplog):
    """Nothing of it counts as received, and no line is written."""
    for ending in (frame(RST, 0, 1, b"\0\0\0\x08"), b""):
        before = receiver.refused("cancelled")
        _, writer = await asyncio.open_connection("127.0.0.1", receiver.address.port)
        writer.write(call(METHODS["traces"]) + frame(DATA, 0, 1, b"\x00\x00\x00\x10\x00half"))
        await until(lambda: receiver.receiver._calls)
        writer.write(ending)
        writer.close()
        await until(lambda before=before: receiver.refused("cancelled") == before + 1)
    assert not receiver.relay.submitted
    assert not caplog.records


async def test_a_fault_of_ours_is_for_our_log(receiver, caplog):
    """Strangers are told INTERNAL and nothing else; the log has the rest, once."""
    receiver.relay.error = ZeroDivisionError("SECRET")
    for _ in range(3):
        error = await receiver.refusal(request(1))
        assert error.code() is Codes.INTERNAL
        assert "SECRET" not in error.details()
    assert receiver.refused("internal") == 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
