"""Whatever a server does wrong, an attempt ends in time, with the right reason, and leaves nothing behind."""

import asyncio
import gc
import gzip
import resource
import socket
import time

import psutil
import pytest

from config.types import Url
from probes.base import ProbeContext, ProbeFailed
from probes.http import HttpOptions, HttpProbe
from probes.http.options import Expect
from probes.reason import Reason
from tests.probes.look import look
from tests.probes.pki import Authority
from tests.probes.wire import Attempt, Stub, answering, dripping, flooding, saying, serve

OK = b"HTTP/1.1 200 OK\r\n"
NINE = OK + b"Content-Length: 9\r\n\r\n"
MIB = 1 << 20


def chunked(*parts):
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("script", "reason", "phase"),
    [
        pytest.param(saying(), Reason.CONNECTION_RESET, "processing", id="closes-silently"),
        pytest.param(saying(then="reset"), Reason.CONNECTION_RESET, "processing", id="resets"),
        pytest.param(saying(b"HTTP/1.1 200 OK\r\nCont"), Reason.CONNECTION_RESET, "transfer", id="half-a-header"),
        pytest.param(saying(NINE + b"abc"), Reason.CONNECTION_RESET, "transfer", id="half-a-body"),
        pytest.param(
            saying(NINE + b"abc", then="reset"),
            Reason.CONNECTION_RESET,
            "transfer",
            id="resets-within-the-body",
        ),
        pytest.param(saying(chunked(b"5\r\nab")), Reason.CONNECTION_RESET, "transfer", id="half-a-chunk"),
        pytest.param(saying(chunked(b"zz\r\nab"), then="hang"), Reason.PROTOCOL, "transfer", id="bad-chunk"),
        pytest.param(
            saying(chunked(b"2\r\nab\r\n"), b"zz\r\nab", then="hang", pause=0.05),
            Reason.PROTOCOL,
            "transfer",
            id="bad-chunk-later",
        ),
        pytest.param(saying(b"\x00\x01\x02garbage\r\n\r\n", then="hang"), Reason.PROTOCOL, "transfer", id="garbage"),
        pytest.param(saying(b"SSH-2.0-OpenSSH_9.2\r\n", then="hang"), Reason.PROTOCOL, "transfer", id="ssh"),
        pytest.param(saying(b"<html>hello</html>", then="hang"), Reason.PROTOCOL, "transfer", id="no-headers"),
        pytest.param(saying(b"HTTP/1.1 0 X\r\n\r\n", then="hang"), Reason.PROTOCOL, "transfer", id="status-0"),
        pytest.param(saying(OK + b"Content-Length: -5\r\n\r\n"), Reason.PROTOCOL, "transfer", id="length-negative"),
        pytest.param(
            saying(OK + b"Content-Length: 5\r\nContent-Length: 2\r\n\r\nhi"),
            Reason.PROTOCOL,
            "transfer",
            id="two-lengths",
        ),
        pytest.param(saying(OK + b"X: " + b"a" * 100_000), Reason.PROTOCOL, "transfer", id="long-header"),
        pytest.param(saying(OK + b"X: a\r\n" * 5000), Reason.PROTOCOL, "transfer", id="many-headers"),
        pytest.param(saying(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), Reason.PROTOCOL, "transfer", id="interim-only"),
        pytest.param(
            answering(body=b"junk", headers={"Content-Encoding": "gzip"}), Reason.PROTOCOL, "transfer", id="bad-gzip"
        ),
        pytest.param(
            answering(body=gzip.compress(b"text")[:-3], headers={"Content-Encoding": "gzip"}),
            Reason.PROTOCOL,
            "transfer",
            id="half-a-gzip",
        ),
    ],
)
async def test_broken_answers(script, reason, phase):
    """Every broken answer has its reason and the phase it died in, which is not that of the deadline."""
    found = await look(script)
    assert (found.reason, found.phase) == (reason, phase)
    assert found.detail


async def never(peer):
    await peer.hang()


@pytest.mark.parametrize(
    ("script", "phase"),
    [
        pytest.param(never, "processing", id="never-answers", marks=pytest.mark.case("N01")),
        pytest.param(saying(NINE, then="hang"), "transfer", id="no-body"),
        pytest.param(saying(OK, then="hang"), "transfer", id="no-end-of-headers"),
        pytest.param(
            dripping(OK + b"Content-Length: 1000000\r\n\r\n"), "transfer", id="R30", marks=pytest.mark.case("R30")
        ),
        pytest.param(dripping(OK + b"X: "), "transfer", id="drips-headers"),
        pytest.param(dripping(chunked(), b"1\r\nx\r\n"), "transfer", id="drips-chunks"),
    ],
)
async def test_too_slow(script, phase):
    """A server that is too slow in any way costs the timeout, and not more."""
    started = time.monotonic()
    found = await look(script, seconds=0.8)
    took = time.monotonic() - started
    assert (found.reason, found.phase) == (Reason.READ_TIMEOUT, phase)
    assert took < 20  # the server would go on for ever
    assert sum(found.measurement.phases.values()) <= took


async def test_nobody_listens():
    """A closed port is refused, in the phase connect."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = await look(answering(), url=f"http://127.0.0.1:{port}/")
    assert (found.reason, found.phase) == (Reason.CONNECT_REFUSED, "connect")


async def test_nobody_accepts():
    """A full backlog never connects: that is a timeout of the phase connect."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        filling = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            filling.append(client)
        await asyncio.sleep(0.05)
        found = await look(answering(), url=f"http://127.0.0.1:{address[1]}/", seconds=0.5)
        for client in filling:
            client.close()
    assert (found.reason, found.phase) == (Reason.CONNECT_TIMEOUT, "connect")


async def test_no_such_name():
    """A name that does not exist is told as such, in the phase resolve."""
    found = await look(answering(), url="http://does-not-exist.invalid/")
    assert found.phase == "resolve"
    assert found.reason in (Reason.DNS_NXDOMAIN, Reason.DNS_SERVFAIL)  # the second where there is no name server


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(b"\r\n", b"x" * 65536, id="until-close"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n", id="chunks"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000, id="tiny-chunks"),
        pytest.param(b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(4 * MIB)), id="bombs"),
        pytest.param(
            b"Content-Encoding: deflate\r\n\r\nx\x9c", b"\x00\x00\x00\xff\xff" * 13_000, id="blocks-of-nothing"
        ),
        pytest.param(b"Content-Length: 1073741824\r\n\r\n", b"x" * 65536, id="a-long-length"),
    ],
)
async def test_a_flood_costs_no_memory(head, piece):
    """A gigabyte in any wrapping stops at the limit; memory stays flat, and so does the processor."""
    await look(answering(body=b"x" * MIB))  # warm
    before, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = await look(flooding(OK + head, piece), seconds=60, expect=Expect(body="never"))
    assert found.reason is Reason.BODY_TOO_LARGE
    assert found.values["uncompressed_length"] <= MIB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 * 1024  # KiB
    assert time.process_time() - cpu < 3


@pytest.mark.case("R29")
async def test_a_bomb_stops_at_the_limit():
    """A kilobyte that would become a megabyte and more ends at the limit."""
    body = gzip.compress(bytes(64 * MIB))
    found = await look(answering(body=body, headers={"Content-Encoding": "gzip"}))
    assert found.reason is Reason.BODY_TOO_LARGE
    assert found.values["uncompressed_length"] == MIB


async def test_interim_answers_without_end():
    """A flood of interim answers is not collected."""
    found = await look(flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000), seconds=60)
    assert found.reason is Reason.PROTOCOL


@pytest.mark.case("R28")
async def test_hostile_texts_are_cut():
    """What a server says is told short, on one line, and can be encoded."""
    body = b"\x1b[31m\nforged line\xff" + b"x" * 5000
    found = await look(answering(body=body), expect=Expect(body="good"))
    assert len(found.detail) < 250
    assert found.detail.isprintable()


def sockets(process=None):
    return len((process or psutil.Process()).net_connections("all"))


async def until(condition, seconds=60.0):
    """Wait for what must become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("script", [never, dripping(OK + b"Content-Length: 99\r\n\r\n")], ids=["silent", "dripping"])
async def test_a_cancelled_check_leaves_nothing(script):
    """A cancelled check ends at once, and its socket with it."""
    async with serve(script) as stub:
        before = sockets()
        probe = HttpProbe(HttpOptions(url=Url.parse(stub.url())), ProbeContext("web"))
        task = asyncio.create_task(probe.check(Attempt()))
        await until(lambda: stub.connections)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await until(lambda: sockets() <= before)


async def test_many_attempts_leave_nothing():
    """A hundred attempts, good and bad, leave as many descriptors open as there were."""
    async with serve(answering()) as stub:
        await attempts(stub, 1)  # a loop opens descriptors of its own when it is first used
    before = psutil.Process().num_fds()
    for script in (answering(body=b"ok"), saying(), saying(b"junk\r\n\r\n"), saying(OK, then="reset")):
        async with serve(script) as stub:
            await attempts(stub, 25)
    await until(lambda: psutil.Process().num_fds() <= before)


async def attempts(stub: Stub, count: int):
    probe = HttpProbe(HttpOptions(url=Url.parse(stub.url())), ProbeContext("web"))
    for number in range(count):
        try:
            await probe.check(Attempt(number))
        except ProbeFailed:
            continue


async def test_the_next_address_is_tried():
    """Of a name with several addresses, one that refuses costs only its own part."""
    async with serve(answering(body=b"ok")) as stub:
        probe = HttpProbe(HttpOptions(url=Url.parse(stub.url(host="localhost"))), ProbeContext("web"))
        measurement = await probe.check(Attempt())  # ::1 refuses where localhost has it
    assert measurement.phases["connect"] > 0


async def test_a_redirect_that_is_no_text():
    """A Location of bytes that are not UTF-8 is no address."""
    found = await look(answering(302, lines=b"Location: /\xff\r\n"), follow_redirects=1)
    assert found.reason is Reason.STATUS
    assert found.connections == 1


async def test_bad_handshakes_leave_nothing(tmp_path):
    """Certificates refused and handshakes broken off leave no socket, and nothing that nobody took."""
    untaken = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: untaken.append(context))
    strange = Authority.new(tmp_path).server("localhost")
    for script, tls in ((answering(), strange), (saying(b"no TLS"), None), (never, None)):
        async with serve(script, tls) as stub:
            before = sockets()
            probe = HttpProbe(HttpOptions(url=Url.parse(stub.url(scheme="https"))), ProbeContext("web"))
            for number in range(5):
                with pytest.raises(ProbeFailed):
                    await probe.check(Attempt(number, timeout=0.1))
        await until(lambda before=before: sockets() <= before)
    gc.collect()
    await asyncio.sleep(0)
    assert not untaken
