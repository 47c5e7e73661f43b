"""The `postgres` probe against peers that are no PostgreSQL, or a broken or hostile one."""

import asyncio
import os
import random

import psutil
import pytest

from config.types import Url
from probes.postgres import PostgresProbe
from tests.probes.attempts import attempts, nothing_left, verdict
from tests.probes.stubs import flood, silence, stub


def message(kind, body=b""):
    """One message of the protocol."""
    return kind + (4 + len(body)).to_bytes(4, "big") + body


def parameter(name, value):
    """A parameter the server reports."""
    return message(b"S", name + b"\0" + value + b"\0")


def fatal(code, text=b"no"):
    """A FATAL ErrorResponse."""
    return message(b"E", b"SFATAL\0C" + code + b"\0M" + text + b"\0\0")


AUTH_OK = message(b"R", bytes(4))
READY = message(b"Z", b"I")
GREETING = AUTH_OK + parameter(b"server_version", b"16.1") + message(b"K", bytes(8)) + READY
SELECT_DONE = message(b"C", b"SELECT 1\0") + READY


async def opening(reader, writer):
    """Refuse TLS, as a server without it does, and take the startup packet."""
    await reader.readexactly(8)
    writer.write(b"N")
    await reader.read(65536)


def playing(port, seconds=20.0, query=""):
    """Attempts at a stub."""
    return attempts(PostgresProbe, seconds, dsn=Url.parse(f"postgresql://me:hunter2@127.0.0.1:{port}/x{query}"))


async def once(play, seconds=20.0, query=""):
    """One fresh attempt at a server that plays this; nothing may be left of it."""
    async with stub(play) as port, nothing_left(), playing(port, seconds, query) as attempt:
        return await attempt(fresh=True)


@pytest.mark.case("B01")
async def test_lets_us_in_and_answers():
    """`R` ok and an answer to SELECT 1 count as reachable: only statistics that make no sense are missed."""

    async def play(reader, writer):
        await opening(reader, writer)
        writer.write(GREETING)
        while asked := await reader.read(65536):
            refuse = message(b"E", b"SERROR\0C0A000\0Mnot here\0\0") + READY
            writer.write(refuse if b"BEGIN" in asked else SELECT_DONE)

    assert verdict(await once(play)) == ("warn", "unreadable")


@pytest.mark.case("B02")
@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (b"57P03", b"the database system is starting up", "starting_up"),
        (b"57P03", b"the database system is shutting down", "stopping"),
        (b"57P01", b"terminating connection", "stopping"),
        (b"53300", b"sorry, too many clients already", "too_many_connections"),
        (b"28P01", b"password authentication failed", "auth"),
        (b"28000", b"no pg_hba.conf entry", "auth"),
        (b"3D000", b"database does not exist", "not_found"),
        (b"42501", b"permission denied for database", "auth"),
        (b"08P01", b"unsupported startup parameter", "protocol"),
        (b"XX000", b"out of luck\x1b[31m\r\n", "query"),
    ],
)
async def test_fatal(code, text, reason):
    """The SQLSTATE of a FATAL decides the reason; the text is shown cleaned, beside its code."""

    async def play(reader, writer):
        await opening(reader, writer)
        writer.write(fatal(code, text))
        await silence(reader)

    seen = await once(play)
    assert verdict(seen) == ("fail", reason)
    assert seen.phase == "auth"
    assert code.decode() in seen.detail
    assert "\x1b" not in seen.detail


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+PONG\r\n",
        b"E" + fatal(b"53300")[1:],
        b"N" + message(b"R", (99).to_bytes(4, "big")),
        b"N" + message(b"R", (10).to_bytes(4, "big") + b"XX\0\0"),
        b"NR\xff\xff\xff\xff" + bytes(8),
        b"NR" + bytes(12),
        b"N" + AUTH_OK + parameter(b"server_version", b"potato") + READY,
        b"N" + AUTH_OK + parameter(b"\xff\xfe", b"\xff") + READY,
        b"N" + GREETING + message(b"D", b"\0\5"),
    ],
    ids=["http", "redis", "error before TLS", "auth 99", "sasl", "negative", "zero", "version", "encoding", "row"],
)
async def test_garbage(answer):
    """What is not PostgreSQL is told as such, at once, without a traceback and with every socket closed."""

    async def play(reader, writer):
        await reader.readexactly(8)
        writer.write(answer[:1])
        if answer[:1] == b"N":
            await reader.read(65536)
        writer.write(answer[1:])
        await silence(reader)

    assert verdict(await once(play)) == ("fail", "protocol")


async def test_noise():
    """Random bytes at any point end in a failure, never in a broken probe."""
    chance = random.Random(7)
    openings = [b"", b"N", b"N" + AUTH_OK, b"N" + GREETING]
    noise = [openings[number % 4] + chance.randbytes(chance.randrange(1, 200)) for number in range(80)]

    async def play(reader, writer):
        await reader.readexactly(8)
        writer.write(noise[0][:1])
        await reader.read(65536)
        writer.write(noise[0][1:])

    async with stub(play) as port, nothing_left(), playing(port) as attempt:
        while noise:
            assert (await attempt(fresh=True)).outcome == "fail"
            noise.pop(0)


@pytest.mark.parametrize(
    ("before", "phase"), [(b"", "auth"), (b"N", "auth"), (b"N" + AUTH_OK, "auth"), (b"N" + GREETING, "query")]
)
@pytest.mark.parametrize("end", ["closes", "stalls"])
async def test_ends_in_the_middle(before, phase, end):
    """Closed or stalled at any point of the handshake: connection_reset at once, or read_timeout in time."""

    async def play(reader, writer):
        await reader.readexactly(8)
        if before:
            writer.write(before[:1])
            await reader.read(65536)
            writer.write(before[1:])
            if phase == "query":
                await reader.read(65536)
        if end == "stalls":
            await silence(reader)

    seen = await once(play, seconds=1.0 if end == "stalls" else 20.0)
    assert verdict(seen) == ("fail", "connection_reset" if end == "closes" else "read_timeout")
    assert seen.phase == phase


async def test_drip():
    """A byte at a time keeps nobody waiting beyond the deadline."""

    async def play(reader, writer):
        await opening(reader, writer)
        for byte in GREETING:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)
        await silence(reader)

    assert verdict(await once(play, seconds=0.5)) == ("fail", "read_timeout")


@pytest.mark.parametrize(
    "before",
    [b"R\x7f\xff\xff\xff", GREETING + b"D\x7f\xff\xff\xff", GREETING + b"N\x7f\xff\xff\xff"],
    ids=["handshake", "row", "notice"],
)
async def test_flood(before):
    """A message of 2 GiB is cut off after 1 MiB, by its reason, and memory stays flat."""
    let_through = []

    async def play(reader, writer):
        await opening(reader, writer)
        writer.write(before)
        let_through.append(await flood(writer))

    before_bytes = psutil.Process().memory_info().rss
    assert verdict(await once(play)) == ("fail", "body_too_large")
    assert psutil.Process().memory_info().rss - before_bytes < 24 << 20
    assert let_through[0] < 32 << 20  # what the kernel's buffers hold between two processes' hands


async def test_many_small_messages():
    """A flood of small messages is cut off as well."""

    async def play(reader, writer):
        await opening(reader, writer)
        writer.write(GREETING)
        await reader.read(65536)
        notice = message(b"N", b"SNOTICE\0C00000\0Mhello\0\0") * 1000
        while True:
            writer.write(notice)
            await writer.drain()

    assert verdict(await once(play, seconds=5.0)) == ("fail", "body_too_large")


async def test_no_tls_after_all():
    """A handshake that is no TLS after the server agreed to it is told as such, where TLS is demanded."""

    async def play(reader, writer):
        await reader.readexactly(8)
        writer.write(b"S")
        await reader.read(65536)
        writer.write(os.urandom(5) + b"this is not TLS")
        await silence(reader)

    seen = await once(play, query="?sslmode=require")
    assert verdict(seen) == ("fail", "tls_handshake")
    assert seen.phase == "tls"


@pytest.mark.parametrize("query", ["", "?sslmode=require", "?sslmode=require&sslnegotiation=direct"])
@pytest.mark.parametrize("agrees", [b"N", b"S"], ids=["plain", "tls"])
async def test_cancelled_anywhere(query, agrees):
    """Cancelled at any point, an attempt leaves no socket, no task and no error that nobody took."""

    async def play(reader, writer):
        await reader.readexactly(8)
        writer.write(agrees)
        await reader.read(65536)
        writer.write(GREETING)
        await silence(reader)

    async with stub(play) as port, nothing_left(), playing(port, seconds=5.0, query=query) as attempt:
        for pause in range(12):
            check = asyncio.create_task(attempt(fresh=pause % 2 == 0))
            for _ in range(pause):
                await asyncio.sleep(0)
            check.cancel()
            await asyncio.wait({check})
            assert check.cancelled() or check.result().outcome == "fail"
