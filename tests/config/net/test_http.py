"""The sessions that Outrider sends with."""

import gzip
import random
import zlib

import aiohttp
import pytest
from aiohttp import web

from config.net.http import Client, client_session, read_bounded
from config.net.inflate import Malformed, TooLarge
from config.net.tls import TlsOptions
from tests.probes.pki import Authority
from tests.probes.wire import answering, serve

NOISE = random.Random(2).randbytes(5000)


async def fetch(body: bytes, encoding: str = "", limit: int = 10_000, lines: bytes = b"") -> bytes:
    headers = {"Content-Encoding": encoding} if encoding else {}
    async with (
        serve(answering(body=body, headers=headers, lines=lines)) as stub,
        client_session() as session,
        session.get(stub.url()) as response,
    ):
        return await read_bounded(response, limit)


@pytest.mark.parametrize(
    ("encoding", "encode"), [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_bodies_are_read_in_any_encoding(encoding, encode):
    """A body comes back as it was, however it travelled."""
    assert await fetch(encode(NOISE), encoding) == NOISE


@pytest.mark.parametrize(("encoding", "encode"), [("", bytes), ("gzip", gzip.compress)])
async def test_the_limit_is_on_what_comes_out(encoding, encode):
    """A body beyond the limit is an error, compressed or not."""
    with pytest.raises(TooLarge):
        await fetch(encode(NOISE), encoding, limit=len(NOISE) - 1)


async def test_a_truncated_gzip_body():
    """A gzip body that is cut short is an error, which aiohttp itself does not see."""
    with pytest.raises(Malformed):
        await fetch(gzip.compress(NOISE)[:-5], "gzip")


async def test_an_unknown_encoding():
    """An encoding that is not known is an error, rather than text that is not."""
    with pytest.raises(LookupError, match="'br'"):
        await fetch(NOISE, "br")


async def test_an_empty_body_has_no_encoding():
    """An empty body is empty, whatever its header says."""
    assert await fetch(b"", "gzip") == b""


async def test_environment_proxies_are_ignored(monkeypatch):
    """What is configured is where it goes: HTTP_PROXY is for other programs."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await fetch(b"direct") == b"direct"


async def test_names_and_private_roots(tmp_path):
    """Names go through the bounded resolver, and TLS options reach the connection."""
    authority = Authority.new(tmp_path)
    async with (
        serve(answering(body=b"hello"), authority.server("localhost")) as stub,
        client_session(tls=TlsOptions(ca=str(authority.root))) as session,
        session.get(stub.url(host="localhost", scheme="https")) as response,
    ):
        assert await read_bounded(response, 100) == b"hello"


async def test_a_replaced_file_makes_new_connections(tmp_path, aiohttp_server):
    """A connection made with roots that are no longer in the file is not used again; without a change it is."""
    (tmp_path / "other").mkdir()
    authority, other = Authority.new(tmp_path), Authority.new(tmp_path / "other")
    root = tmp_path / "given.pem"
    root.write_bytes(authority.root.read_bytes())
    client = Client(tls=TlsOptions(ca=str(root)), timeout=5, connections=1)

    async def post(url):
        async with client.post(url, b"", {}) as answer:
            return answer.status

    async def page(_):
        return web.Response()

    app = web.Application()
    app.router.add_post("/", page)
    server = await aiohttp_server(app, ssl=authority.server("localhost"))
    url = f"https://localhost:{server.port}/"
    assert await post(url) == 200
    session = client._session
    assert await post(url) == 200
    assert client._session is session
    root.write_bytes(other.root.read_bytes())
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await post(url)
    await client.aclose()


async def test_a_session_times_out():
    """A server that never answers costs the timeout, and no more."""

    async def hang(peer):
        await peer.request()
        await peer.hang()

    async with serve(hang) as stub, client_session(timeout=0.05) as session:
        with pytest.raises(TimeoutError):
            await session.get(stub.url())


async def test_no_cookies_are_kept(aiohttp_server):
    """A cookie that a server sets is not sent back."""
    seen = []

    async def page(request):
        seen.append(request.headers.get("Cookie"))
        response = web.Response()
        response.set_cookie("a", "b")
        return response

    app = web.Application()
    app.router.add_get("/", page)
    server = await aiohttp_server(app)
    async with client_session() as session:
        for _ in range(2):
            async with session.get(server.make_url("/")):
                pass
    assert seen == [None, None]
