"""One attempt over gRPC when all is not well: silence, resets, dead names, outages and certificates."""

import asyncio
import resource
import socket
from contextlib import asynccontextmanager

import pytest

from config.net.grpc_core import grpc
from config.net.resolve import Address
from config.net.tls import TlsOptions
from config.types import Duration
from exporters.base import Delivery, Retryable
from exporters.otlp import grpc as sending_over_grpc
from exporters.otlp.grpc_line import target
from tests.agent import upstream_grpc
from tests.agent.spans import request, until
from tests.agent.upstream_grpc import Reply
from tests.exporters.otlp.attempts import attempt, outcome, sending
from tests.probes.pki import Authority


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with upstream_grpc.listening() as listening:
        yield listening


@pytest.mark.case("E19")
async def test_no_answer_in_time(upstream):
    """A silent upstream ends the attempt at `timeout`, and does not keep the next one waiting."""
    upstream.script.append(Reply(delay=30))
    async with sending(upstream.url, timeout=Duration(0.3)) as sender:
        found = await attempt(sender, request(1))
        assert (type(found), found.reason) == (Retryable, "timeout")
        while await attempt(sender, request(1)) != Delivery():
            assert upstream.inflight, "the first request is still waiting"


async def test_a_slow_signal_holds_up_no_other(upstream):
    """A request that fails does not cut another one that shares its connection."""
    upstream.script.append(Reply(delay=0.4))
    async with sending(upstream.url, timeout=Duration(30)) as sender:
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
    ("answer", "seconds", "reason"),
    [(_reset, 30, "disconnect"), (_shout, 30, "protocol"), (_say_nothing, 0.5, "timeout")],
)
async def test_no_grpc(answer, seconds, reason):
    """Whoever did not answer may not have taken it: told apart, and never final."""
    async with raw(answer) as url, sending(url, timeout=Duration(seconds)) as sender:
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
