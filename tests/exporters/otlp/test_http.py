"""One attempt against a real server: what it sends, and what it makes of each answer."""

import asyncio
import gzip
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from google.rpc.status_pb2 import Status

from config.convert import convert
from config.errors import Problems
from config.net.tls import TlsOptions
from config.types import Duration, Secret, Url
from config.yaml import parse
from exporters.base import Delivery, Permanent, Retryable
from exporters.otlp.http import OtlpHttpOptions, OtlpHttpSender
from exporters.otlp.status import JSON, MAX_ANSWER, PROTOBUF, answer, encode
from tests.agent import upstream as scriptable
from tests.agent.spans import request
from tests.agent.upstream import Reply, partial
from tests.probes.pki import Authority


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with scriptable.listening() as listening:
        yield listening


@asynccontextmanager
async def sending(url, **options):
    """A sender to this base URL."""
    sender = OtlpHttpSender(OtlpHttpOptions(endpoint=Url(url), **options))
    try:
        yield sender
    finally:
        await sender.aclose()
        await sender.aclose()


async def outcome(upstream, reply, **options):
    """What one attempt returns or raises when the upstream replies so."""
    upstream.always = reply
    async with sending(upstream.url, **options) as sender:
        try:
            return await sender.send(request(5))
        except (Retryable, Permanent) as error:
            return error


async def test_a_request_is_posted_as_it_is(upstream):
    """The body unchanged, with its content type and the headers of the file."""
    body = request(5)
    async with sending(upstream.url + "/", headers={"X-Tenant": Secret("blue")}) as sender:
        assert await sender.send(body) == Delivery()
    (arrival,) = upstream.arrivals
    assert arrival.body == body
    assert arrival.headers["Content-Type"] == PROTOBUF
    assert arrival.headers["X-Tenant"] == "blue"
    assert arrival.headers["User-Agent"] == "outrider"
    assert "Content-Encoding" not in arrival.headers


@pytest.mark.parametrize("spans", [1, 20_000], ids=["small", "large"])
async def test_gzip_when_asked(upstream, spans):
    """A compressed body is one gzip member that inflates to what was given."""
    body = request(spans)
    async with sending(upstream.url, compression="gzip") as sender:
        await sender.send(body)
    (arrival,) = upstream.arrivals
    assert arrival.headers["Content-Encoding"] == "gzip"
    assert int(arrival.headers["Content-Length"]) < len(body)
    assert arrival.body == body


async def test_a_large_request_keeps_its_length(upstream):
    """Megabytes go out in slices, but not chunked: some receivers refuse that."""
    body = request(10, filler=300_000)
    async with sending(upstream.url) as sender:
        await sender.send(body)
    assert upstream.arrivals[0].body == body
    assert upstream.arrivals[0].headers["Content-Length"] == str(len(body))
    assert "Transfer-Encoding" not in upstream.arrivals[0].headers


async def test_connections_are_kept(upstream):
    """One connection serves one request after the other, also after an error."""
    ports = set()

    async def traces(request):
        ports.add(request.transport.get_extra_info("peername")[1])
        await request.read()
        return web.Response(status=503 if len(ports) == 1 else 200, body=b"busy")

    app = web.Application()
    app.router.add_post("/v1/traces", traces)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with sending(f"http://127.0.0.1:{runner.addresses[0][1]}") as sender:
        for _ in range(3):
            with pytest.raises(Retryable):
                await sender.send(request(1))
    await runner.cleanup()
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(), Delivery(), id="empty"),
        pytest.param(Reply(201, b"created", content_type="text/plain"), Delivery(), id="201-text"),
        pytest.param(Reply(204), Delivery(), id="204"),
        pytest.param(Reply(200, b"\xff\xff"), Delivery(), id="not-protobuf"),
        pytest.param(partial(3, "limits"), Delivery(3, "limits"), id="some-rejected"),
        pytest.param(partial(0, "old\nversion"), Delivery(0, "old version"), id="warning"),
        pytest.param(partial(-4, "?"), Delivery(0, "?"), id="negative"),
    ],
)
async def test_success(upstream, reply, expected):
    """Any 2xx is a delivery, and partial_success is what the upstream says of it."""
    assert await outcome(upstream, reply) == expected


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        *((status, Retryable, str(status)) for status in (429, 502, 503, 504)),
        *((status, Permanent, "auth") for status in (401, 403)),
        *((status, Permanent, "invalid") for status in (400, 422)),
        (413, Permanent, "too_large"),
        *((status, Permanent, "status") for status in (302, 404, 405, 408, 415, 500, 501, 505)),
    ],
)
async def test_statuses(upstream, status, kind, reason):
    """The specification's list is retried and nothing else; the upstream's own words are in the error."""
    body = Status(message="because\nof rain").SerializeToString()
    error = await outcome(upstream, Reply(status, body))
    assert (type(error), error.reason) == (kind, reason)
    assert str(error) == f"{reason}: the upstream answered {status}: because of rain"


@pytest.mark.parametrize(
    ("header", "after"), [("3", 3.0), ("0", 0.0), ("1000000000", 300.0), ("-5", None), ("soon", None), (None, None)]
)
async def test_retry_after(upstream, header, after):
    """Both kinds of throttling carry their advice, clamped to five minutes."""
    for status in (429, 503):
        headers = {"Retry-After": header} if header else {}
        assert (await outcome(upstream, Reply(status, headers=headers))).after == after


@pytest.mark.case("E16")
@pytest.mark.parametrize(
    ("header", "detail", "after"), [("5", 2.0, 5.0), ("2", 5.0, 5.0), (None, 5.0, 5.0), ("2", None, 2.0)]
)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_retry_info_in_the_body(upstream, header, detail, after, content_type):
    """Advice may stand in the body too, and the longer of both counts."""
    body, _ = encode("busy", content_type, detail)
    headers = {"Retry-After": header} if header else {}
    error = await outcome(upstream, Reply(503, body, headers, content_type))
    assert (error.after, str(error)) == (after, "503: the upstream answered 503: busy")


@asynccontextmanager
async def taking():
    """An upstream that takes every signal; yields its base URL and what came: path, headers, body."""
    came = []

    async def take(request):
        came.append((request.path, request.headers, await request.read()))
        return web.Response(body=answer(2, "left out"), content_type=PROTOBUF)

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", came
    finally:
        await runner.cleanup()


async def test_each_signal_has_its_path():
    """Metrics and logs go where OTLP takes them, and their partial success is understood."""
    async with taking() as (url, came), sending(f"{url}/otlp/") as sender:
        for signal in ("traces", "metrics", "logs"):
            assert await sender.send(b"", signal) == Delivery(2, "left out")
    assert [path for path, _, _ in came] == ["/otlp/v1/traces", "/otlp/v1/metrics", "/otlp/v1/logs"]


async def test_headers_of_the_request_go_along():
    """They take the place of the file's own of that name, however it is written."""
    async with taking() as (url, came), sending(url, headers={"X-Tenant": Secret("blue")}) as sender:
        await sender.send(b"", "traces", (("x-tenant", "green"), ("outrider-hops", "1")))
        await sender.send(b"")
    (_, first, _), (_, second, _) = came
    assert (first.getall("X-Tenant"), first["Outrider-Hops"]) == (["green"], "1")
    assert second.getall("X-Tenant") == ["blue"]
    assert "Outrider-Hops" not in second


async def test_redirects_are_not_followed(upstream):
    """Spans and credentials go where the file says, nowhere else."""
    error = await outcome(upstream, Reply(307, headers={"Location": upstream.url + "/elsewhere"}))
    assert (type(error), len(upstream.arrivals)) == (Permanent, 1)


@pytest.mark.parametrize("status", [200, 503])
async def test_an_endless_answer_is_not_read(upstream, status):
    """An answer over the limit ends a success as refused; an error is decided by its status alone."""
    reply = Reply(status, gzip.compress(bytes(MAX_ANSWER + 1)), {"Content-Encoding": "gzip"})
    error = await outcome(upstream, reply)
    assert (type(error), error.reason) == ((Permanent, "answer") if status == 200 else (Retryable, "503"))


async def test_an_answer_in_gzip_is_read(upstream):
    """We say that we take gzip, so we do."""
    reply = partial(2, "packed")
    reply.body, reply.headers = gzip.compress(reply.body), {"Content-Encoding": "gzip"}
    assert await outcome(upstream, reply) == Delivery(2, "packed")


@pytest.mark.parametrize(
    ("reply", "seconds", "reason"),
    [
        (Reply(reset="before"), 30, "disconnect"),
        (Reply(reset="during"), 30, "disconnect"),
        (Reply(delay=60), 0.3, "timeout"),
    ],
    ids=["reset", "reset-in-the-answer", "silent"],
)
async def test_no_whole_answer_means_try_again(upstream, reply, seconds, reason):
    """Whoever did not answer may not have taken it."""
    error = await outcome(upstream, reply, timeout=Duration(seconds))
    assert (type(error), error.reason) == (Retryable, reason)


async def test_nobody_there(upstream):
    """A refused connection and an unknown name are told apart, and neither is final."""
    await upstream.stop()
    assert (await outcome(upstream, Reply())).reason == "connect"
    async with sending("http://nothing.invalid:4318", timeout=Duration(5)) as sender:
        with pytest.raises(Retryable, match=r"^dns: "):
            await sender.send(b"")


async def test_not_http():
    """A server of another kind is no upstream yet, so the spans are kept."""

    async def shout(reader, writer):
        await reader.read(100)
        writer.write(b"-ERR unknown command\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server, sending(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as sender:
        with pytest.raises(Retryable, match=r"^protocol: "):
            await sender.send(request(1))


@asynccontextmanager
async def secure(context):
    """An upstream over TLS that takes everything; yields its port and the names of its clients."""
    clients = []

    async def traces(request):
        await request.read()
        clients.append(request.transport.get_extra_info("peercert"))
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", traces)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1], clients
    await runner.cleanup()


@pytest.mark.case("E23")
async def test_tls_faults_keep_the_spans(tmp_path):
    """Expired, misnamed and untrusted certificates are told as tls, and tried again: an operator can mend them."""
    authority = Authority.new(tmp_path)
    trust = TlsOptions(ca=str(authority.root))
    for context, options in (
        (authority.expired("localhost"), trust),
        (authority.server("other.example"), trust),
        (authority.server("localhost"), TlsOptions()),
        (authority.server("localhost"), TlsOptions(ca=str(tmp_path / "missing.pem"))),
    ):
        async with secure(context) as (port, _), sending(f"https://localhost:{port}", tls=options) as sender:
            with pytest.raises(Retryable, match=r"^tls: "):
                await sender.send(request(1))


@pytest.mark.case("E23")
async def test_replaced_certificates_are_picked_up(tmp_path):
    """After a failure the files are read again: a rotation needs no restart."""
    (tmp_path / "old").mkdir()
    old, authority = Authority.new(tmp_path / "old"), Authority.new(tmp_path)
    root = tmp_path / "given.pem"
    root.write_bytes(old.root.read_bytes())
    context = authority.server("localhost", demand=True)
    cert, key = authority.client()
    options = TlsOptions(ca=str(root), cert=str(cert), key=str(key))
    async with secure(context) as (port, clients), sending(f"https://localhost:{port}", tls=options) as sender:
        with pytest.raises(Retryable, match=r"^tls: "):
            await sender.send(request(1))
        root.write_bytes(authority.root.read_bytes())
        assert await sender.send(request(1)) == Delivery()
        assert clients[0]["subjectAltName"]


def problems(**options):
    return dict(OtlpHttpOptions(**{"endpoint": Url("https://gateway:4318"), **options}).problems())


def test_options_that_cannot_work_are_refused():
    """Each with what would be right, and never with the value of a header."""
    assert problems() == {}
    assert "http://host:4318" in problems(endpoint=Url("grpc://gateway:4317"))["endpoint"]
    assert "appended" in problems(endpoint=Url("http://gateway:4318/v1/traces"))["endpoint"]
    assert "query" in problems(endpoint=Url("http://gateway:4318?key=1"))["endpoint"]
    assert "`headers`" in problems(endpoint=Url("http://me:pass@gateway:4318"))["endpoint"]
    assert "10s" in problems(timeout=Duration(0))["timeout"]
    found = problems(headers={"x y": Secret("a"), "content-length": Secret("1"), "token": Secret("a\r\nb: SECRET")})
    assert set(found) == {"headers", "headers.content-length", "headers.token"}
    assert "SECRET" not in str(found)


@pytest.mark.parametrize(
    ("endpoint", "compression", "compressed"),
    [
        ("http://gateway:4318", None, True),
        ("http://127.0.0.1:4318", None, False),
        ("http://[::1]:4318", None, False),
        ("http://localhost:4318", "gzip", True),
        ("http://gateway:4318", "none", False),
    ],
)
def test_compression_by_default_only_over_a_network(endpoint, compression, compressed):
    """On the same machine gzip costs more than it saves."""
    assert OtlpHttpOptions(endpoint=Url(endpoint), compression=compression).compressed is compressed


def test_options_are_read_from_the_file():
    """What DESIGN's example writes is what the sender gets, and its secrets do not show."""
    text = "{endpoint: 'https://gateway:4318', headers: {authorization: hush}, timeout: 5s, compression: gzip}"
    found = Problems()
    options = convert(parse(text, "test", found), OtlpHttpOptions, found)
    assert (options.timeout, options.compression) == (5.0, "gzip")
    assert options.headers["authorization"].reveal() == "hush"
    assert "hush" not in repr(options)
