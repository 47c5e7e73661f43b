"""TLS: good certificates pass, bad ones have their reason, and their dates are told either way. On both loops."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time

import pytest

from config.net.tls import TlsOptions
from config.types import Url
from probes.base import ProbeContext, ProbeFailed
from probes.http import HttpOptions, HttpProbe
from probes.http.options import Expect
from probes.reason import Reason
from tests.probes.look import look
from tests.probes.pki import EXPIRED, Authority
from tests.probes.wire import Attempt, answering, pipe, saying, serve

DAY = 86400.0


@pytest.fixture
def authority(tmp_path):
    return Authority.new(tmp_path)


def trusting(authority, **options):
    return TlsOptions(ca=str(authority.root), **options)


@pytest.mark.case("H42")
async def test_a_good_certificate(authority):
    """The name in the URL is asked for and verified; dates, version and issuer are told."""
    asked = []
    server = authority.server("localhost")
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    found = await look(answering(body=b"ok"), tls=server, host="localhost", **client(trusting(authority)))
    assert found.passed
    assert asked == ["localhost"]
    assert found.values["certificate_expiry"] > DAY
    assert found.measurement.facts["tls_version"] == "TLSv1.3"
    assert found.measurement.facts["certificate_issuer"]


def client(tls, **options):
    """`look` calls the server's side tls; this is the probe's."""
    return {"options": {"tls": tls, **options}}


@pytest.mark.case("H44")
async def test_phases(authority):
    """All five phases are told, none below 0, together no longer than the attempt."""
    started = time.monotonic()
    found = await look(
        answering(body=b"ok"), tls=authority.server("localhost"), host="localhost", **client(trusting(authority))
    )
    took = time.monotonic() - started
    phases = found.measurement.phases
    assert list(phases) == ["resolve", "connect", "tls", "processing", "transfer"]
    assert all(seconds >= 0 for seconds in phases.values())
    assert sum(phases.values()) <= took


@pytest.mark.parametrize(
    ("kind", "reason", "left"),
    [
        pytest.param("expired", Reason.TLS_EXPIRED, EXPIRED.timestamp(), marks=pytest.mark.case("T05"), id="expired"),
        pytest.param("not_yet", Reason.TLS_NOT_YET_VALID, None, id="not-yet-valid"),
        pytest.param("other", Reason.TLS_NAME_MISMATCH, None, id="wrong-name"),
        pytest.param("strange", Reason.TLS_UNTRUSTED, None, marks=pytest.mark.case("H40"), id="untrusted"),
    ],
)
async def test_bad_certificates(authority, tmp_path, kind, reason, left):
    """A bad certificate is down with its reason, and its last day is still told."""
    server = {
        "expired": lambda: authority.expired("localhost"),
        "not_yet": lambda: authority.not_yet("localhost"),
        "other": lambda: authority.server("other.test"),
        "strange": lambda: Authority.new(tmp_path).server("localhost"),
    }[kind]()
    trust = trusting(authority) if kind != "strange" else TlsOptions()
    found = await look(answering(body=b"ok"), tls=server, host="localhost", **client(trust))
    assert (found.reason, found.phase) == (reason, "tls")
    assert found.detail.startswith("certificate refused: ")
    assert not found.requests
    expiry = found.values["certificate_expiry"]
    if left is not None:
        assert expiry == pytest.approx(left - time.time(), abs=5)
    else:
        assert expiry > DAY


@pytest.mark.case("H40")
async def test_verification_off(authority):
    """With `verify: false` any certificate does, and its last day is told."""
    server = authority.expired("other.test")
    rules = Expect(tls=True)
    found = await look(
        answering(body=b"ok"), tls=server, host="localhost", **client(TlsOptions(verify=False), expect=rules)
    )
    assert found.passed
    assert found.values["certificate_expiry"] < 0


@pytest.mark.case("T02")
async def test_an_address_without_its_name(authority):
    """A certificate for a name is not one for the address."""
    found = await look(answering(), tls=authority.server("localhost"), **client(trusting(authority)))
    assert found.reason is Reason.TLS_NAME_MISMATCH


@pytest.mark.case("T03")
async def test_server_name(authority):
    """`server_name` is verified in place of the host."""
    server = authority.server("inside.test")
    found = await look(answering(), tls=server, **client(trusting(authority, server_name="inside.test")))
    assert found.passed


@pytest.mark.case("H41")
async def test_tls_options_on_plain_http():
    """TLS options do nothing for http, whatever they name."""
    assert (await look(answering(), **client(TlsOptions(ca="/nowhere/root.pem")))).passed


async def test_a_missing_file_is_our_fault(authority):
    """A file of the `tls` section that cannot be read is a fault of the configuration."""
    found = await look(answering(), tls=authority.server("localhost"), **client(TlsOptions(ca="/nowhere/root.pem")))
    assert found.reason is Reason.CONFIG
    assert found.detail.startswith("tls.ca: /nowhere/root.pem cannot be read")


@contextlib.contextmanager
def openssl_server(context):
    """A blocking server: it sends the alerts that asyncio's keeps to itself. Gives its URL."""

    def serve_one():
        connection, _ = listening.accept()
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
            try:
                tls.do_handshake()
                tls.recv(1000)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                # Closing with unread bytes would send a reset, which can overtake the alert.
                tls.shutdown(socket.SHUT_WR)
                while socket.socket.recv(tls, 1000):
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_one)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(10)


async def fetch(url, tls):
    probe = HttpProbe(HttpOptions(url=Url.parse(url), tls=tls), ProbeContext("web"))
    return await probe.check(Attempt())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.case("T14")
async def test_a_client_certificate_is_demanded(authority, version):
    """Without a client certificate the server's alert is told; in 1.3 it comes only with the first read."""
    server = authority.server("127.0.0.1", demand=True)
    server.maximum_version = version
    with openssl_server(server) as url, pytest.raises(ProbeFailed) as raised:
        await fetch(url, trusting(authority))
    assert raised.value.reason is Reason.TLS_HANDSHAKE
    assert "alert" in raised.value.detail
    cert, key = authority.client()
    with openssl_server(server) as url:
        assert await fetch(url, trusting(authority, cert=str(cert), key=str(key)))


async def test_no_common_version(authority):
    """A server that speaks only an older version fails the handshake, and says so."""
    server = authority.server("127.0.0.1")
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    with openssl_server(server) as url, pytest.raises(ProbeFailed) as raised:
        await fetch(url, trusting(authority, min_version="1.3"))
    assert (raised.value.reason, raised.value.phase) == (Reason.TLS_HANDSHAKE, "tls")
    assert "protocol version" in raised.value.detail


async def plain_http(peer):
    await peer.reader.read(100)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def hello_then_close(peer):
    await peer.reader.read(100)


async def hello_then_reset(peer):
    await peer.reader.read(100)
    peer.reset()


@pytest.mark.parametrize(
    ("script", "reason", "said"),
    [
        pytest.param(plain_http, Reason.TLS_HANDSHAKE, "not TLS", id="speaks-http"),
        pytest.param(hello_then_close, Reason.CONNECTION_RESET, "", marks=pytest.mark.case("H27"), id="closes"),
        pytest.param(hello_then_reset, Reason.CONNECTION_RESET, "", marks=pytest.mark.case("H27"), id="resets"),
    ],
)
async def test_a_port_without_tls(script, reason, said):
    """A port that answers in clear text is told so; one that closes is not said to be without TLS."""
    async with serve(script) as stub:
        probe = HttpProbe(HttpOptions(url=Url.parse(stub.url(scheme="https"))), ProbeContext("web"))
        with pytest.raises(ProbeFailed) as raised:
            await probe.check(Attempt())
    assert (raised.value.reason, raised.value.phase) == (reason, "tls")
    assert said in raised.value.detail
    assert ("not TLS" in raised.value.detail) is bool(said)


async def test_a_handshake_that_never_ends():
    """A port that accepts and says nothing costs the timeout, and has connected."""

    async def silent(peer):
        await peer.hang()

    async with serve(silent) as stub:
        probe = HttpProbe(HttpOptions(url=Url.parse(stub.url(scheme="https"))), ProbeContext("web"))
        with pytest.raises(ProbeFailed) as raised:
            await probe.check(Attempt(timeout=1.0))
    assert (raised.value.reason, raised.value.phase) == (Reason.CONNECT_TIMEOUT, "tls")
    assert raised.value.measurement.phases["connect"] > 0


async def test_a_second_look_that_hangs(authority):
    """When the second look at a bad certificate hangs, the first one's reason is still told, in time."""
    async with serve(answering(), authority.expired("127.0.0.1")) as target:

        async def only_once(peer):
            if front.connections > 1:
                await peer.hang()
                return
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
            try:
                await asyncio.gather(pipe(peer.reader, writer), pipe(reader, peer.writer))
            finally:
                writer.close()

        async with serve(only_once) as front:
            probe = HttpProbe(
                HttpOptions(url=Url.parse(front.url(scheme="https")), tls=trusting(authority)), ProbeContext("web")
            )
            with pytest.raises(ProbeFailed) as raised:
                await probe.check(Attempt(timeout=2.0))
            assert front.connections == 2
    assert raised.value.reason is Reason.TLS_EXPIRED
    assert "certificate_expiry" not in [reading.name for reading in raised.value.measurement.readings]


async def test_the_certificate_is_read_at_every_attempt(authority, tmp_path):
    """A private root that is replaced on disk is trusted at the next attempt."""
    other = Authority.new(tmp_path / "..")
    async with serve(answering(body=b"ok"), other.server("127.0.0.1")) as stub:
        probe = HttpProbe(
            HttpOptions(url=Url.parse(stub.url(scheme="https")), tls=trusting(authority)), ProbeContext("web")
        )
        with pytest.raises(ProbeFailed, match="tls_untrusted"):
            await probe.check(Attempt())
        other.root.replace(authority.root)
        assert await probe.check(Attempt())


async def test_half_a_body_over_tls(authority):
    """A connection that ends within the body is told so under TLS too."""
    script = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    found = await look(script, tls=authority.server("127.0.0.1"), **client(trusting(authority)))
    assert (found.reason, found.phase) == (Reason.CONNECTION_RESET, "transfer")
