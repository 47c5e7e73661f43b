"""Asking servers that are no replica: each costs its time, counts as one, and says so."""

import asyncio
import gzip
import time
import tracemalloc

import pytest

from agent.peers.wire import LIMIT
from tests.agent.peers.asking import answering, outcome
from tests.agent.peers.replicas import Replica, listening, secret
from tests.ports import free_port
from tests.probes.stubs import flood, silence, stub


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "said"),
    [
        pytest.param(200, b"<html>", {}, "malformed", "something else than a view", id="a page"),
        pytest.param(200, b"{}", {}, "malformed", "something else than a view", id="another document"),
        pytest.param(200, b" " * (LIMIT + 1), {}, "malformed", "more than 65536 bytes", id="too long"),
        pytest.param(
            200, gzip.compress(b" " * 10**8), {"Content-Encoding": "gzip"}, "malformed", "more than 65536", id="a bomb"
        ),
        pytest.param(200, b"{}", {"Content-Encoding": "br"}, "malformed", "not known", id="unknown encoding"),
        pytest.param(200, b"junk", {"Content-Encoding": "gzip"}, "malformed", "not valid gzip", id="not gzip"),
        pytest.param(404, b"", {}, "failed", "answers /peerz with 404", id="no peers configured there"),
        pytest.param(500, b"", {}, "failed", "answers /peerz with 500", id="a fault there"),
        pytest.param(401, b"", {}, "refused", "refuses `readiness.peers.token` (401)", id="no token"),
        pytest.param(403, b"", {}, "refused", "refuses `readiness.peers.token` (403)", id="wrong token"),
    ],
)
async def test_every_other_answer_is_counted_as_what_it_is(status, body, headers, kind, said):
    """No view, no exception, one count, and a sentence with the place."""
    async with answering(status, body, **headers) as url:
        counted, trouble = await outcome(url)
    assert counted == {kind: 1}
    assert said in trouble
    assert trouble.startswith(url.removeprefix("http://"))


async def test_redirects_are_not_followed():
    """Whoever answers in a replica's place sends our token nowhere else."""
    async with listening(Replica("a", tokens=secret("t"))) as a, answering(302, Location=f"{a.url}/peerz") as url:
        counted, _ = await outcome(url, tokens=secret("t"))
    assert (counted, a.asked) == ({"failed": 1}, 0)


async def test_nobody_there():
    """A closed port is one failed look."""
    counted, trouble = await outcome(f"http://127.0.0.1:{free_port()}")
    assert counted == {"failed": 1}
    assert "connection refused" in trouble


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        pytest.param(lambda reader, writer: silence(reader), "failed", id="takes the request and says nothing"),
        pytest.param(lambda reader, writer: _say(writer, b"HTTP/1.1 200 OK\r\n\r\n", 0.05), "failed", id="drips"),
        pytest.param(lambda reader, writer: _say(writer, b"SSH-2.0-x\r\n" * 9), "malformed", id="is no HTTP server"),
        pytest.param(lambda reader, writer: reader.read(9), "failed", id="closes"),
        pytest.param(
            lambda reader, writer: _say(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
            "malformed",
            id="breaks off",
        ),
    ],
)
async def test_servers_that_are_no_replica(play, kind):
    """Each costs no more than its time, and counts as one."""
    async with stub(play) as port:
        began = time.monotonic()
        counted, _ = await outcome(f"http://127.0.0.1:{port}", seconds=20.0 if kind == "malformed" else 0.4)
    assert counted == {kind: 1}
    assert time.monotonic() - began < 30


async def _say(writer, text, pause=0.0):
    for byte in text if pause else [text]:
        writer.write(bytes([byte]) if pause else byte)
        await asyncio.sleep(pause)


async def test_an_endless_answer_costs_no_memory():
    """A body without an end is read no further than the limit."""

    async def play(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n")
        await flood(writer)

    tracemalloc.start()
    try:
        async with stub(play) as port:
            counted, _ = await outcome(f"http://127.0.0.1:{port}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counted == {"malformed": 1}
    assert peak < 8 << 20
