"""One attempt over gRPC against a real server: what it sends, and what it makes of each answer."""

import asyncio
import resource
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.demo.servers import Rotel
from config.convert import convert
from config.errors import Problems
from config.net.grpc_core import grpc
from config.net.resolve import Address
from config.net.tls import TlsOptions
from config.types import Duration, Secret, Url
from config.yaml import parse
from exporters.base import Delivery, Permanent, Retryable
from exporters.otlp import grpc as sending_over_grpc
from exporters.otlp.grpc import METHODS, RETRYABLE, OtlpGrpcOptions, OtlpGrpcSender
from exporters.otlp.grpc_line import MOST_COMPRESSED, target
from exporters.otlp.status import MAX_ANSWER
from tests.agent import upstream_grpc
from tests.agent.spans import request, until
from tests.agent.upstream import partial
from tests.agent.upstream_grpc import Reply
from tests.probes.pki import Authority


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with upstream_grpc.listening() as listening:
        yield listening


@asynccontextmanager
async def sending(url, **options):
    """A sender to this address."""
    sender = OtlpGrpcSender(OtlpGrpcOptions(endpoint=Url(url), **options))
    try:
        yield sender
    finally:
        await sender.aclose()
        await sender.aclose()


async def attempt(sender, *args):
    """What one attempt returns or raises."""
    try:
        return await sender.send(*args)
    except (Retryable, Permanent) as error:
        return error


async def outcome(upstream, reply, **options):
    """What one attempt returns or raises when the upstream replies so."""
    upstream.always = reply
    async with sending(upstream.url, **options) as sender:
        return await attempt(sender, request(5))


async def test_a_request_is_sent_as_it_is(upstream):
    """The body unchanged, with the metadata of the file and of the request, the latter in place of the former."""
    body = request(5)
    headers = {"X-Tenant": Secret("blue"), "Team": Secret("red")}
    async with sending(upstream.url, headers=headers) as sender:
        assert await sender.send(body, "traces", (("x-tenant", "green"), ("outrider-hops", "2"))) == Delivery()
    (arrival,) = upstream.arrivals
    assert (arrival.signal, arrival.body) == ("trace", body)
    told = {name: arrival.metadata[name] for name in ("x-tenant", "team", "outrider-hops")}
    assert told == {"x-tenant": "green", "team": "red", "outrider-hops": "2"}
    assert arrival.metadata["user-agent"].startswith("outrider ")


async def test_each_signal_has_its_service(upstream):
    """Metrics and logs go where OTLP takes them, over the same connection."""
    async with sending(upstream.url) as sender:
        for signal in METHODS:
            assert await sender.send(b"", signal) == Delivery()
    assert [arrival.signal for arrival in upstream.arrivals] == ["trace", "metrics", "logs"]


async def test_headers_that_only_http_can_carry(upstream):
    """What metadata cannot hold is percent-encoded or left out; it never fails the request."""
    headers = (
        ("x-tenant", "blå 100%"),
        ("x~odd", "1"),
        ("grpc-timeout", "1n"),
        ("raw-bin", "AAEC/w"),
        ("bad-bin", "?"),
    )
    async with sending(upstream.url) as sender:
        assert await sender.send(request(1), "traces", headers) == Delivery()
    told = upstream.arrivals[0].metadata
    assert (told["x-tenant"], told["raw-bin"]) == ("bl%C3%A5 100%", b"\x00\x01\x02\xff")
    assert not {"x~odd", "bad-bin", "grpc-x"} & set(told)


async def test_gzip_when_asked(upstream):
    """A compressed body comes out as it was, and is asked to be merged small; what is large goes as it is."""
    async with sending(upstream.url, compression="gzip") as sender:
        assert sender.merge_bytes < MOST_COMPRESSED
        for body in (request(2000), request(10, filler=MOST_COMPRESSED // 10)):
            await sender.send(body)
            assert upstream.arrivals[-1].body == body
    async with sending(upstream.url) as sender:
        assert sender.merge_bytes is None


async def test_compressing_does_not_hold_up_the_loop(upstream):
    """The library compresses in our thread, so a body that would take long is sent as it is."""
    body = request(2000, filler=1000)
    async with sending(upstream.url, compression="gzip") as sender:
        await sender.send(request(1))
        task, longest = asyncio.create_task(sender.send(body)), 0.0
        while not task.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)
        assert await task == Delivery()
    assert longest < 0.03  # compressed it would be 30 ms and more on a fast machine


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(), Delivery(), id="empty"),
        pytest.param(Reply(body=b"\xff\xff"), Delivery(), id="not-protobuf"),
        pytest.param(Reply(body=partial(3, "limits").body), Delivery(3, "limits"), id="some-rejected"),
        pytest.param(Reply(body=partial(0, "old\nversion").body), Delivery(0, "old version"), id="warning"),
        pytest.param(Reply(body=partial(-4, "?").body), Delivery(0, "?"), id="negative"),
    ],
)
async def test_success(upstream, reply, expected):
    """OK is a delivery, and partial_success is what the upstream says of it."""
    assert await outcome(upstream, reply) == expected


RETRIED = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
REASONS = {
    "OK": None,
    "DEADLINE_EXCEEDED": "timeout",
    "INVALID_ARGUMENT": "invalid",
    "RESOURCE_EXHAUSTED": "too_large",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
}


@pytest.mark.case("E15")
@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode])
async def test_codes(upstream, code):
    """The specification's list is retried and nothing else; the upstream's own words are in the error."""
    found = await outcome(upstream, Reply(code, "because\nof rain"))
    if code == "OK":
        assert found == Delivery()
        return
    retried = code in RETRIED
    assert type(found) is (Retryable if retried else Permanent)
    assert found.reason == REASONS.get(code, "unavailable" if retried else "status")
    assert str(found) == f"{found.reason}: the upstream answered {code}: because of rain"


def test_all_codes_are_known():
    """No code of the specification is forgotten, and none is made up."""
    assert len(grpc.StatusCode) == 17
    assert set(RETRYABLE) == set(RETRIED)


@pytest.mark.case("E16")
@pytest.mark.parametrize(
    ("details", "legacy", "after"),
    [(5.0, None, 5.0), (None, 5.0, 5.0), (5.0, 2.5, 5.0), (2.5, 5.0, 5.0), (0.0, None, 0.0), (1e6, None, 300.0)],
)
@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
async def test_retry_info(upstream, code, details, legacy, after):
    """In either carrier, the longer of both, clamped; with it, RESOURCE_EXHAUSTED means later."""
    found = await outcome(upstream, Reply(code, details=details, legacy=legacy))
    assert (type(found), found.reason, found.after) == (Retryable, "unavailable", after)


async def test_an_endless_answer_is_not_read(upstream):
    """An answer over the limit is refused, and the spans are not sent again and again."""
    found = await outcome(upstream, Reply(body=bytes(MAX_ANSWER + 1)))
    assert (type(found), found.reason) == (Permanent, "answer")


@pytest.mark.case("E19")
async def test_no_answer_in_time(upstream):
    """A silent upstream ends the attempt at `timeout`, and does not keep the next one waiting."""
    upstream.script.append(Reply(delay=30))
    async with sending(upstream.url, timeout=Duration(0.3)) as sender:
        found = await attempt(sender, request(1))
        assert (type(found), found.reason) == (Retryable, "timeout")
        assert await sender.send(request(1)) == Delivery()


async def test_a_slow_signal_holds_up_no_other(upstream):
    """A request that fails does not cut another one that shares its connection."""
    upstream.script.append(Reply(delay=0.4))
    async with sending(upstream.url, timeout=Duration(3)) as sender:
        slow = asyncio.create_task(attempt(sender, request(1)))
        await until(lambda: upstream.inflight)
        upstream.script.append(Reply("DEADLINE_EXCEEDED"))
        assert (await attempt(sender, b"", "logs")).reason == "timeout"
        assert await sender.send(b"", "metrics") == Delivery()
        assert await slow == Delivery()


@asynccontextmanager
async def raw(answer):
    """A server that speaks no gRPC: `answer(reader, writer)`; yields its address."""
    closing = []

    async def serve(reader, writer):
        closing.append(writer)
        await answer(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"grpc://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in closing:
            writer.close()


async def _reset(reader, writer):
    await reader.read(10)
    writer.transport.abort()


async def _shout(reader, writer):
    await reader.read(10)
    writer.write(b"-ERR unknown command\r\n")


async def _say_nothing(reader, writer):
    await reader.read(10)


@pytest.mark.case("E19")
@pytest.mark.case("E21")
@pytest.mark.parametrize(
    ("answer", "reason"), [(_reset, "disconnect"), (_shout, "protocol"), (_say_nothing, "timeout")]
)
async def test_no_grpc(answer, reason):
    """Whoever did not answer may not have taken it: told apart, and never final."""
    async with raw(answer) as url, sending(url, timeout=Duration(0.5)) as sender:
        found = await attempt(sender, request(1))
    assert (type(found), found.reason) == (Retryable, reason)


class Wire:
    """A TCP forwarder in front of an upstream that can be cut."""

    def __init__(self, port):
        self.upstream = port
        self.open = []

    async def serve(self, reader, writer):
        """One connection, until it is cut."""
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        self.open += [writer, back]

        async def pump(source, sink):
            with_end = False
            try:
                while piece := await source.read(65536):
                    sink.write(piece)
                with_end = True
            except OSError:
                pass
            if with_end:
                sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))

    def cut(self):
        """Reset every connection."""
        for writer in self.open:
            writer.transport.abort()


@pytest.mark.case("E21")
async def test_a_reset_while_waiting_means_try_again(upstream):
    """A connection that breaks with a request on its way is a disconnect, and the next attempt connects anew."""
    wire = Wire(upstream.port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    upstream.script.append(Reply(delay=30))
    async with server, sending(f"grpc://127.0.0.1:{server.sockets[0].getsockname()[1]}") as sender:
        waiting = asyncio.create_task(attempt(sender, request(1)))
        await until(lambda: upstream.inflight)
        wire.cut()
        found = await waiting
        assert (type(found), found.reason) == (Retryable, "disconnect")
        assert await sender.send(request(1)) == Delivery()
        wire.cut()


@pytest.mark.case("E17")
async def test_it_connects_at_once_after_an_outage(upstream):
    """However long nobody was there, the first attempt after that finds the upstream."""
    await upstream.stop()
    async with sending(upstream.url) as sender:
        for _ in range(20):  # gRPC's own patience would be many seconds by now
            assert (await attempt(sender, request(1))).reason == "connect"
        await upstream.start()
        assert await sender.send(request(1)) == Delivery()


@pytest.mark.case("E18")
async def test_a_name_is_looked_up_again(upstream, monkeypatch):
    """A record that fails, then names a dead address, then the right one: each attempt asks anew."""
    answers = [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "127.0.0.2", "127.0.0.1"]

    async def resolve(host, port):
        assert host == "gateway.example"
        answer = answers.pop(0)
        if isinstance(answer, str):
            return [Address(answer, port, socket.AF_INET)]
        raise answer

    monkeypatch.setattr(sending_over_grpc, "resolve", resolve)
    async with sending(f"grpc://gateway.example:{upstream.port}") as sender:
        found = await attempt(sender, request(1))
        assert (type(found), found.reason) == (Retryable, "dns")
        assert "gateway.example cannot be found" in str(found)
        assert (await attempt(sender, request(1))).reason == "connect"
        assert await sender.send(request(1)) == Delivery()
        assert await sender.send(request(1)) == Delivery()
    assert upstream.arrivals[0].metadata is not None
    assert not answers


async def test_a_name_with_addresses_of_both_families(upstream):
    """Localhost is ::1 first, and the upstream listens on 127.0.0.1 alone: found all the same."""
    addresses = [Address("::1", 1, socket.AF_INET6), Address("127.0.0.1", 2, socket.AF_INET)]
    assert target(addresses) == "ipv6:[::1]:1,[::ffff:127.0.0.1]:2"
    assert target(addresses[1:]) == "ipv4:127.0.0.1:2"
    async with sending(f"http://localhost:{upstream.port}") as sender:
        assert await sender.send(request(1)) == Delivery()


async def test_failing_for_long_costs_no_memory(upstream):
    """A new connection for each attempt leaves nothing behind."""
    await upstream.stop()
    async with sending(upstream.url) as sender:
        for _ in range(50):
            await attempt(sender, request(1))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(300):
            await attempt(sender, request(1))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2000  # KiB


async def test_no_proxy_from_the_environment(upstream, monkeypatch):
    """Telemetry goes where the file says."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await outcome(upstream, Reply()) == Delivery()


@asynccontextmanager
async def secure(authority, *names, demand=False, **times):
    """An upstream over TLS with a certificate for these names."""
    issued = authority.ca.issue_cert(*names, **times)
    pair = (issued.private_key_pem.bytes(), b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    credentials = grpc.ssl_server_credentials([pair], authority.root.read_bytes(), require_client_auth=demand)
    async with upstream_grpc.listening(credentials) as listening:
        yield listening


@pytest.mark.case("E23")
async def test_tls_faults_keep_the_spans(tmp_path):
    """Misnamed and untrusted certificates and missing files are told as tls, and tried again."""
    authority = Authority.new(tmp_path)
    for name, options in (
        ("other.example", TlsOptions(ca=str(authority.root))),
        ("localhost", TlsOptions()),
        ("localhost", TlsOptions(ca=str(tmp_path / "missing.pem"))),
    ):
        async with secure(authority, name) as upstream, sending(upstream.url, tls=options) as sender:
            found = await attempt(sender, request(1))
            assert (type(found), found.reason) == (Retryable, "tls")


@pytest.mark.case("E23")
async def test_another_name_is_verified_when_asked(tmp_path):
    """`server_name` stands in for the host, for the certificate and for the upstream."""
    authority = Authority.new(tmp_path)
    options = TlsOptions(ca=str(authority.root), server_name="other.example")
    async with secure(authority, "other.example") as upstream, sending(upstream.url, tls=options) as sender:
        assert await sender.send(request(1)) == Delivery()


@pytest.mark.case("E23")
@pytest.mark.parametrize("together", [False, True], ids=["two-files", "one-file"])
async def test_replaced_certificates_are_picked_up(tmp_path, together):
    """Client certificates are shown, and files that change are read again: a rotation needs no restart."""
    (tmp_path / "old").mkdir()
    old, authority = Authority.new(tmp_path / "old"), Authority.new(tmp_path)
    root = tmp_path / "given.pem"
    root.write_bytes(old.root.read_bytes())
    cert, key = authority.client()
    if together:
        cert.write_bytes(cert.read_bytes() + key.read_bytes())
    options = TlsOptions(ca=str(root), cert=str(cert), key="" if together else str(key))
    async with (
        secure(authority, "localhost", demand=True) as upstream,
        sending(upstream.url, tls=options) as sender,
    ):
        assert (await attempt(sender, request(1))).reason == "tls"
        root.write_bytes(authority.root.read_bytes())
        assert await sender.send(request(1)) == Delivery()


async def test_rotel_takes_it():
    """A real collector is delivered to over gRPC, compressed and not."""
    with Rotel() as rotel:
        for compression in ("gzip", "none"):
            async with sending(rotel.grpc_url, compression=compression) as sender:
                assert await sender.send(request(20)) == Delivery()


def problems(**options):
    return dict(OtlpGrpcOptions(**{"endpoint": Url("grpcs://gateway:4317"), **options}).problems())


@pytest.mark.parametrize(
    "endpoint", ["grpc://gateway:4317", "grpc://gateway", "https://gateway:4317/", "http://[::1]:1"]
)
def test_endpoints_that_are_understood(endpoint):
    """With and without TLS, in OTLP's own spelling too."""
    options = OtlpGrpcOptions(endpoint=Url(endpoint))
    assert not dict(options.problems())
    assert options.secure == endpoint.startswith("https")


def test_options_that_cannot_work_are_refused():
    """Each with what would be right, and never with the value of a header."""
    assert problems() == {}
    for wrong in ("tcp://gateway:4317", "grpc://gateway:4317/v1/traces", "grpc://gateway?x=1", "grpc://me:pw@gateway"):
        assert "endpoint" in problems(endpoint=Url(wrong))
    assert "10s" in problems(timeout=Duration(0))["timeout"]
    assert "`ca`" in problems(tls=TlsOptions(verify=False))["tls.verify"]
    assert "1.3" in problems(tls=TlsOptions(min_version="1.3"))["tls.min_version"]
    assert "grpcs://" in problems(endpoint=Url("grpc://gateway"), tls=TlsOptions(server_name="x"))["tls"]
    found = problems(
        headers={"x y": Secret("a"), "grpc-x": Secret("1"), "te": Secret("1"), "token": Secret("a\nSECRET")}
    )
    assert set(found) == {"headers", "headers.x y", "headers.grpc-x", "headers.te", "headers.token"}
    assert "SECRET" not in str(found)
    assert "ASCII" in problems(headers={"x-tenant": Secret("blå")})["headers.x-tenant"]


@pytest.mark.parametrize(
    ("endpoint", "compression", "compressed"),
    [
        ("grpc://gateway:4317", None, True),
        ("grpc://127.0.0.1:4317", None, False),
        ("grpc://[::1]:4317", None, False),
        ("grpc://localhost:4317", "gzip", True),
        ("grpc://gateway:4317", "none", False),
    ],
)
def test_compression_by_default_only_over_a_network(endpoint, compression, compressed):
    """On the same machine gzip costs more than it saves."""
    assert OtlpGrpcOptions(endpoint=Url(endpoint), compression=compression).compressed is compressed


def test_options_are_read_from_the_file():
    """What a person writes is what the sender gets, and its secrets do not show."""
    text = "{endpoint: 'grpcs://gateway:4317', headers: {authorization: hush}, timeout: 5s, compression: gzip}"
    found = Problems()
    options = convert(parse(text, "test", found), OtlpGrpcOptions, found)
    assert (options.timeout, options.compression) == (5.0, "gzip")
    assert "hush" not in repr(options)


def test_grpc_is_loaded_by_the_first_request_only():
    """A file that names a gRPC upstream can be checked without loading it; senders that are not used cost nothing."""
    script = (
        "import sys; from exporters.otlp.grpc import *;"
        "OtlpGrpcSender(OtlpGrpcOptions(endpoint=Url('grpc://gateway')));"
        "print('grpc' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.check_output([sys.executable, "-c", script], cwd=root, text=True).strip() == "False"
