"""Where the `redis` probe's URL may point: sockets, databases, TLS; and what cannot be right in it."""

import asyncio
import ssl

import pytest
import trustme

from agent.demo.servers import Valkey
from config.net.tls import TlsOptions
from config.types import Duration, Url
from probes.redis import RedisOptions, RedisProbe, WriteCheck
from tests.probes.attempts import attempts, nothing_left, verdict
from tests.probes.stubs import stub

pytest_plugins = ("tests.servers",)


def probing(server, *, seconds=20.0, service="checkout", url="", **options):
    """Attempts at a real server."""
    return attempts(RedisProbe, seconds, service, url=Url.parse(url or server.url), **options)


async def test_unix_socket(tmp_path):
    """A URL may name a socket, and its database in the query."""
    path = tmp_path / "s"
    with Valkey(settings={"unixsocket": str(path)}) as server:
        async with probing(server, url=f"unix://{path}?db=3") as attempt:
            assert verdict(await attempt()) == ("pass", "ok")
            assert attempt.probe.options.place().database == 3
        async with probing(server, url=f"unix://{path}away") as attempt:
            assert verdict(await attempt()) == ("fail", "not_found")


async def test_database(valkey):
    """The database of the URL is chosen; one that does not exist is told as not_found."""
    async with probing(valkey, url=valkey.url.replace("/0", "/2")) as attempt:
        assert verdict(await attempt()) == ("pass", "ok")
    async with nothing_left(), probing(valkey, url=valkey.url.replace("/0", "/999")) as attempt:
        assert verdict(await attempt()) == ("fail", "not_found")


@pytest.fixture
async def tls(valkey, tmp_path):
    """The shared server behind a TLS listener; (port, file of the authority)."""
    authority = trustme.CA()
    roots = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(roots)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("cache.example", "127.0.0.1").configure_cert(context)

    async def relay(reader, writer):
        inward, outward = await asyncio.open_connection("127.0.0.1", valkey.port)
        try:

            async def pump(source, sink):
                while piece := await source.read(65536):
                    sink.write(piece)

            await asyncio.wait(
                {asyncio.create_task(pump(reader, outward)), asyncio.create_task(pump(inward, writer))},
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            outward.transport.abort()

    async with stub(relay, context) as port:
        yield port, str(roots)


async def test_tls(tls):
    """rediss:// verifies the server against the roots that are given, and for the name that is given."""
    port, roots = tls
    for options, expected in (
        (TlsOptions(ca=roots), ("pass", "ok")),
        (TlsOptions(ca=roots, server_name="cache.example"), ("pass", "ok")),
        (TlsOptions(verify=False), ("pass", "ok")),
        (TlsOptions(), ("fail", "tls_untrusted")),
        (TlsOptions(ca=roots, server_name="other.example"), ("fail", "tls_name_mismatch")),
        (TlsOptions(ca="/nowhere.pem"), ("fail", "config")),
    ):
        async with attempts(RedisProbe, url=Url.parse(f"rediss://127.0.0.1:{port}"), tls=options) as attempt:
            seen = await attempt()
            assert verdict(seen) == expected, options
            assert seen.phase in ("", "tls")
            assert expected[0] == "fail" or "tls" in seen.measurement.phases


async def test_tls_against_plain(valkey):
    """rediss:// towards a server without TLS fails in the handshake, in time."""
    async with nothing_left(), probing(valkey, seconds=1.0, url=valkey.url.replace("redis", "rediss", 1)) as attempt:
        seen = await attempt()
    assert seen.phase == "tls"
    assert seen.reason.value in ("connect_timeout", "tls_handshake", "connection_reset")


@pytest.mark.parametrize(
    ("url", "options", "key"),
    [
        ("http://cache", {}, "url"),
        ("redis://cache/orders", {}, "url"),
        ("unix://", {}, "url"),
        ("redis://cache", {"tls": TlsOptions(verify=False)}, "tls"),
    ],
)
def test_options(url, options, key):
    """What cannot be right is refused with what would be."""
    ((found, text),) = RedisOptions(url=Url.parse(url), **options).problems()
    assert found == key
    assert "write" in text


def test_options_of_the_write_check():
    """A key that would be gone before it is read is refused."""
    ((key, text),) = WriteCheck(ttl=Duration(0.5)).problems()
    assert key == "ttl"
    assert "1s" in text


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://:pw@cache:6380/4", "cache:6380/4"),
        ("rediss://cache", "cache:6379/0"),
        ("valkey://u:pw@[::1]/", "::1:6379/0"),
        ("unix:///run/redis.sock?db=2", "/run/redis.sock"),
    ],
)
def test_target(url, target):
    """The target is shown without its secrets."""
    assert RedisProbe.target(RedisOptions(url=Url.parse(url))) == target
