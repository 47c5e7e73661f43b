"""OTLP/gRPC in: what is good is taken byte for byte, what is bad gets the right code and words, and costs little."""

import asyncio
import contextlib
import logging
import stat
import sys
import time

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agent.receiver import grpc_calls
from agent.receiver.limits import Limits
from agent.relay.entry import HOPS, Signal
from agent.relay.relay import Refused
from agent.sockets import CannotListen, PortInUse
from config.net.grpc_core import grpc
from config.sections.traces import Receive, ReceiveTls
from config.types import ListenAddress, Secret
from exporters.otlp import retryinfo
from exporters.otlp.grpc import METHODS
from tests.agent.receiver.calls import (
    DATA,
    GOAWAY,
    HEADERS,
    MIB,
    PING,
    RST,
    call,
    dialled,
    frame,
    frames,
    receiving,
)
from tests.agent.spans import request, until
from tests.probes.pki import Authority

Codes = grpc.StatusCode


@pytest.fixture
async def receiver():
    """A receiver of spans with a limit of 1 MiB."""
    async with receiving() as listening:
        yield listening


def exactly(size):
    """A request of so many bytes."""
    body = request(1, filler=size - 1000)
    missing = size - len(body)
    odd = b"\x9a\x06\x00" * (missing % 2)  # an unknown field, and then resources without a scope
    return body + odd + b"\n\x00" * ((missing - len(odd)) // 2)


def advice(error):
    """Seconds that an error asks to wait, as each of the two carriers has it."""
    trailing = dict(error.trailing_metadata())
    whole, retry = Status.FromString(trailing[retryinfo.DETAILS]), RetryInfo()
    assert whole.details[0].Unpack(retry)
    assert whole.code == error.code().value[0]
    legacy = RetryInfo.FromString(trailing[retryinfo.LEGACY])
    return retry.retry_delay.seconds, legacy.retry_delay.seconds


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


@pytest.mark.case("C4")
@pytest.mark.case("C5")
@pytest.mark.parametrize("packing", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
async def test_the_limit_is_exact(receiver, packing):
    """A message of just the limit is taken; one byte more is refused for good, by whatever way it comes."""
    assert await receiver.export(exactly(MIB), compression=packing) == b""
    error = await receiver.refusal(exactly(MIB + 1), compression=packing)
    assert error.code() is Codes.RESOURCE_EXHAUSTED
    assert retryinfo.in_metadata(error.trailing_metadata()) is None
    await until(lambda: receiver.refused("cancelled") == 1)
    assert await receiver.export(request(1)) == b""


async def test_a_lowered_limit_is_in_force_at_once(receiver):
    """What a reload makes smaller is refused in our own words, without RetryInfo."""
    receiver.receiver.change(Limits(1000, MIB), Receive())
    error = await receiver.refusal(exactly(1001))
    assert error.code() is Codes.RESOURCE_EXHAUSTED
    assert "1000 bytes" in error.details()
    assert retryinfo.in_metadata(error.trailing_metadata()) is None
    assert receiver.refused("resource_exhausted") == 1


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


@pytest.mark.case("C8")
async def test_a_deadline_leaves_nothing_half_done(receiver):
    """A sender that gave up while we wrote learns so; its request is taken whole all the same, once."""
    receiver.relay.open.clear()
    body = request(5)
    error = await receiver.refusal(body, timeout=0.1)
    assert error.code() is Codes.DEADLINE_EXCEEDED
    await until(lambda: receiver.refused("cancelled") == 1)
    assert (receiver.relay.waiting, receiver.relay.submitted) == (1, [])
    assert receiver.budget.used == len(body)
    receiver.relay.open.set()
    await until(lambda: receiver.relay.submitted)
    assert [taken.body for taken in receiver.relay.submitted] == [body]


@pytest.mark.case("C8")
async def test_closing_waits_for_what_was_begun():
    """A listener that closes cancels its callers, not what is being written for them."""
    async with receiving() as receiver:
        receiver.relay.open.clear()
        sent = asyncio.create_task(receiver.refusal(request(1), timeout=0.1))
        await until(lambda: receiver.relay.waiting)
        await sent
        asyncio.get_running_loop().call_later(0.1, receiver.relay.open.set)
    assert len(receiver.relay.submitted) == 1


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


@pytest.mark.case("F1")
async def test_a_full_queue_asks_back(receiver):
    """UNAVAILABLE with RetryInfo in both carriers; the spans are the ledger's, not counted as a request."""
    receiver.relay.error = Refused("queue_full")
    error = await receiver.refusal(request(1))
    assert (error.code(), advice(error)) == (Codes.UNAVAILABLE, (1, 1))
    assert "queue_full" in error.details()
    assert receiver.refused("unavailable") == 0


async def test_no_room_asks_back():
    """While others hold the budget a call waits a moment, and is then asked back in the same way."""
    async with receiving(patience=0.05) as receiver:
        with receiver.budget.share() as others:
            others.cover(receiver.budget.capacity - MIB + 1)
            error = await receiver.refusal(request(1))
        assert (error.code(), advice(error), receiver.refused("unavailable")) == (Codes.UNAVAILABLE, (1, 1), 1)
        assert await receiver.export(request(1)) == b""


async def test_too_many_calls_ask_back(receiver, monkeypatch):
    """However many calls wait, their number is bounded."""
    monkeypatch.setattr(grpc_calls, "CALLS", 3)
    receiver.relay.open.clear()
    calls = [asyncio.create_task(receiver.export(request(1))) for _ in range(3)]
    await until(lambda: receiver.relay.waiting == 3)
    error = await receiver.refusal(request(1))
    assert (error.code(), advice(error)) == (Codes.UNAVAILABLE, (1, 1))
    receiver.relay.open.set()
    await asyncio.gather(*calls)


@pytest.mark.case("F3")
async def test_uploads_are_read_as_there_is_room():
    """60 parallel uploads of half the budget each: charged before they are read, and each is taken in its turn."""
    async with receiving(max_body=2 * MIB, memory=4 * MIB, patience=20.0) as receiver:
        body = exactly(2 * MIB)
        async with contextlib.AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(dialled(receiver.target)) for _ in range(6)]
            calls = [channel.unary_unary(METHODS["traces"])(body) for channel in channels for _ in range(10)]
            assert await asyncio.gather(*calls) == [b""] * 60
        assert receiver.budget.peak <= receiver.budget.capacity


async def test_a_message_that_never_comes():
    """Calls without a whole message end after a while; who comes meanwhile is asked back, and taken soon."""
    async with receiving(max_body=4 * MIB, seconds=0.4, patience=0.1) as receiver, contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", receiver.address.port)
            stack.callback(writer.close)
            writer.write(call(METHODS["traces"]) + frame(DATA, 0, 1, b"\x00\x00\x00\x10"))
        await until(lambda: receiver.refused("unavailable") == 18)
        error = await receiver.refusal(request(1))
        assert (error.code(), advice(error)) == (Codes.UNAVAILABLE, (1, 1))
        await until(lambda: receiver.refused("deadline_exceeded") == 2)
        assert await receiver.export(request(1)) == b""


async def test_a_call_without_a_message(receiver):
    """INVALID_ARGUMENT: there is nothing to answer."""

    async def nothing():
        for never in ():
            yield never

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await receiver.channel.stream_unary(METHODS["traces"])(nothing())
    assert error.value.code() is Codes.INVALID_ARGUMENT
    assert receiver.refused("invalid_argument") == 1


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


async def test_a_token_is_asked_for():
    """UNAUTHENTICATED without it, in words; a new one is good at once, and the old one for a while."""
    async with receiving(token=Secret("first")) as receiver:
        for given in (None, "Bearer wrong", "Basic first", "first"):
            metadata = (("authorization", given),) if given else ()
            error = await receiver.refusal(request(1), metadata=metadata)
            assert error.code() is Codes.UNAUTHENTICATED
            assert "authorization" in error.details()
        assert receiver.refused("unauthenticated") == 4
        await receiver.export(request(1), metadata=(("authorization", "Bearer first"),))
        receiver.receiver.change(Limits(MIB, MIB), Receive(token=Secret("second")))
        for token in ("first", "second"):
            await receiver.export(request(1), metadata=(("authorization", f"Bearer {token}"),))
    assert len(receiver.relay.submitted) == 3


async def test_a_unix_socket(tmp_path):
    """Telemetry may come over a Unix socket, which only this user may open, and which does not stay behind."""
    path = tmp_path / "otlp.sock"
    async with receiving(address=ListenAddress.parse(f"unix:{path}")) as receiver:
        assert await receiver.export(request(1)) == b""
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_taken_port_is_one_sentence(receiver):
    """Two never share a port, and the error names it and the setting."""
    with pytest.raises(PortInUse, match=rf"traces\.receive\.grpc.*{receiver.address.port}"):
        async with receiving(address=receiver.address):
            pytest.fail("two listeners on one port")


async def test_nobody_listens_afterwards():
    """The port is free again at once."""
    async with receiving() as receiver:
        address = receiver.address
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
    async with receiving(address=address) as receiver:
        assert await receiver.export(request(1)) == b""


def issue(authority, folder, name="localhost"):
    """Write a certificate and its key for a listener; returns the `tls` section."""
    issued = authority.ca.issue_cert(name)
    cert, key = folder / "tls.crt", folder / "tls.key"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    return ReceiveTls(cert=str(cert), key=str(key))


def trusting(authority, pair=None):
    """Credentials of a client."""
    cert, key = (part.read_bytes() for part in pair) if pair else (None, None)
    return grpc.ssl_channel_credentials(authority.root.read_bytes(), key, cert)


async def taken_over_tls(receiver, credentials):
    """Whether a client with these credentials gets through, on a connection of its own."""
    async with dialled(f"localhost:{receiver.address.port}", credentials) as channel:
        try:
            return await channel.unary_unary(METHODS["traces"])(request(1)) == b""
        except grpc.aio.AioRpcError as error:
            return error.code() is not Codes.UNAVAILABLE


async def test_tls_and_its_rotation(tmp_path):
    """Only TLS is answered; files that change count from the next connection on, files that are wrong do not."""
    (tmp_path / "new").mkdir()
    old, new = Authority.new(tmp_path), Authority.new(tmp_path / "new")
    async with receiving(tls=issue(old, tmp_path), credentials=trusting(old)) as receiver:
        assert await taken_over_tls(receiver, trusting(old))
        assert not await taken_over_tls(receiver, None)
        assert not await taken_over_tls(receiver, trusting(new))
        (tmp_path / "tls.crt").write_text("half a certifi")
        assert await taken_over_tls(receiver, trusting(old))
        issue(new, tmp_path)
        assert await taken_over_tls(receiver, trusting(new))
        assert not await taken_over_tls(receiver, trusting(old))


async def test_clients_show_their_certificates(tmp_path):
    """With `client_ca` nobody gets in without one of its certificates; its file may change too."""
    (tmp_path / "new").mkdir()
    authority, other = Authority.new(tmp_path), Authority.new(tmp_path / "new")
    roots = tmp_path / "clients.pem"
    roots.write_bytes(authority.root.read_bytes())
    files = issue(authority, tmp_path)
    tls = ReceiveTls(cert=files.cert, key=files.key, client_ca=str(roots))
    async with receiving(tls=tls, credentials=trusting(authority)) as receiver:
        assert await taken_over_tls(receiver, trusting(authority, authority.client()))
        assert not await taken_over_tls(receiver, trusting(authority))
        assert not await taken_over_tls(receiver, trusting(authority, other.client()))
        roots.write_bytes(other.root.read_bytes())
        assert await taken_over_tls(receiver, trusting(authority, other.client()))


async def test_a_wrong_certificate_is_one_sentence(tmp_path):
    """A listener that cannot speak TLS does not open, and says which file is at fault."""
    (tmp_path / "tls.crt").write_text("nothing")
    with pytest.raises(CannotListen, match=r"traces\.receive\.grpc: .*tls\.crt"):
        async with receiving(tls=ReceiveTls(cert=str(tmp_path / "tls.crt"))):
            pytest.fail("it listens")


async def test_large_messages_do_not_hold_up_the_loop():
    """Reading one of 8 MiB takes the loop some milliseconds, whoever sends it."""
    async with receiving(max_body=8 * MIB, memory=16 * MIB) as receiver:
        receiver.receiver._take = _nothing  # checking it is another's work
        body, turns = exactly(8 * MIB), []
        sending = asyncio.create_task(_elsewhere(receiver.target, body))
        while not sending.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - before)
        assert await sending == 0
    assert max(turns) < 0.05


async def _nothing(signal, body, headers, share):
    with share:
        return 0, ""


async def _elsewhere(target, body):
    """Send from another process, whose work does not count."""
    script = (
        "import sys, grpc; c = grpc.insecure_channel(sys.argv[1], [('grpc.max_send_message_length', -1)]);"
        "c.unary_unary(sys.argv[2])(sys.stdin.buffer.read())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, target, METHODS["traces"], stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(body)
    return process.returncode
