import asyncio
import contextlib
import gzip

from agent.web import listeners, metrics
from config.types.address import ListenAddress
from exporters.base import Sample
from tests.agent.web.conftest import ask, dial


class Source:
    """Numbers, and how often they were asked for."""

    def __init__(self, probes=1):
        self.asked = 0
        self.probes = probes

    def samples(self):
        self.asked += 1
        yield "outrider_ready", [Sample((), 1.0)]
        yield "outrider_probe_up", [Sample((f"probe-{n}", "http"), 1.0) for n in range(self.probes)]


async def test_page(public, admin, world):
    """Both listeners show the same numbers, as text or OpenMetrics, plain or compressed."""
    world.answers["sources"] = [Source()]
    for client in (public, admin):
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert "\noutrider_ready 1.0\n" in await answer.text()
    accept = {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"}
    async with public.get("/metrics", headers=accept) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert (await answer.text()).endswith("# EOF\n")


async def test_compression_only_on_request(raw, world):
    """A client that does not say gzip gets plain text."""
    world.answers["sources"] = [Source()]
    assert b"\noutrider_ready 1.0\n" in await raw(b"GET /metrics HTTP/1.0\r\n\r\n")
    _, _, body = (await raw(b"GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")).partition(b"\r\n\r\n")
    assert b"\noutrider_ready 1.0\n" in gzip.decompress(body)


async def test_simultaneous_scrapes_share_one_page(public, world):
    """However many scrape at once, the sources are asked once; the next scrape asks anew."""
    source = Source(probes=2000)
    world.answers["sources"] = [source]

    async def scrape():
        async with public.get("/metrics", headers={"Accept-Encoding": "identity"}) as answer:
            return await answer.read()

    pages = await asyncio.gather(*(scrape() for _ in range(8)))
    assert len(set(pages)) == 1
    assert source.asked < 8
    before = source.asked
    await scrape()
    assert source.asked == before + 1


async def test_too_many_scrapes(public, world, monkeypatch):
    """Beyond a bound, scrapes are turned away instead of piling up."""
    monkeypatch.setattr(metrics, "AT_ONCE", 0)
    async with public.get("/metrics") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_reader_that_does_not_read(world, monkeypatch):
    """A scraper that takes no bytes is dropped after its time, and keeps no place."""
    monkeypatch.setattr(metrics, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(metrics, "AT_ONCE", 1)
    # Larger than what the kernel takes for a peer on the same machine.
    monkeypatch.setattr(metrics.exposition, "page", lambda *_, **__: _long_page())
    async with (
        listeners.public(world.desk(), ListenAddress("127.0.0.1", 0)) as listener,
        dial(listener.port, limit=1024) as (reader, writer),
        asyncio.timeout(60),
    ):
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.0 200 OK\r\n"
        scrape = b"HEAD /metrics HTTP/1.0\r\n\r\n"
        assert (await ask(listener.port, scrape)).startswith(b"HTTP/1.0 503")
        while not (await ask(listener.port, scrape)).startswith(b"HTTP/1.0 200"):
            pass
        received = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                received += len(chunk)
        assert received < LONG


async def test_reader_that_goes_away(world, monkeypatch, caplog):
    """A scraper that hangs up in the middle is no fault of ours: not a line in the log."""
    monkeypatch.setattr(metrics, "AT_ONCE", 1)
    monkeypatch.setattr(metrics.exposition, "page", lambda *_, **__: _long_page())
    async with listeners.public(world.desk(), ListenAddress("127.0.0.1", 0)) as listener, asyncio.timeout(60):
        async with dial(listener.port, limit=1024) as (reader, writer):
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            await reader.readline()
        scrape = b"HEAD /metrics HTTP/1.0\r\n\r\n"
        while not (await ask(listener.port, scrape)).startswith(b"HTTP/1.0 200"):
            pass
    assert caplog.messages == []


LONG = 32_000_000  # bytes


async def _long_page():
    return bytes(LONG), "text/plain"


async def test_source_that_fails(public, world):
    """A source that breaks costs its own numbers, not the page."""

    class Broken:
        def samples(self):
            raise RuntimeError

    world.answers["sources"] = [Broken(), Source()]
    async with public.get("/metrics") as answer:
        assert (answer.status, "outrider_ready 1.0" in await answer.text()) == (200, True)
