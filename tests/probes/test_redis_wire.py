"""The `redis` probe against peers that are no Redis, or a broken or hostile one."""

import asyncio
import random

import psutil
import pytest

from config.types import Url
from probes.redis import RedisProbe
from tests.probes.attempts import attempts, nothing_left, values, verdict
from tests.probes.stubs import flood, silence, stub


def playing(port, seconds=20.0, **options):
    """Attempts at a stub, with a password."""
    return attempts(RedisProbe, seconds, url=Url.parse(f"redis://:hunter2@127.0.0.1:{port}"), **options)


async def once(play, seconds=20.0, **options):
    """One fresh attempt at a server that plays this; nothing may be left of it."""
    async with stub(play) as port, nothing_left(), playing(port, seconds, **options) as attempt:
        return await attempt(fresh=True)


def answering(**answers):
    """A server that answers each command by its name, `+OK` where nothing is said."""

    async def play(reader, writer):
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].decode())
            answer = answers.get(words[0], b"+OK\r\n")
            if not answer:
                return
            writer.write(answer)

    return play


INFO = b"# Server\r\nredis_version:7.4.1\r\nused_memory:500\r\nmaxmemory:0\r\nrole:master\r\nodd line\r\n"
BULK = b"$%d\r\n%b\r\n" % (len(INFO), INFO)


@pytest.mark.case("B06")
@pytest.mark.parametrize(
    ("pong", "expected"),
    [
        (b"+PONG\r\n", ("pass", "ok")),
        (b"-ERR out of order\r\n", ("fail", "protocol")),
        (b"-LOADING Redis is loading the dataset in memory\r\n", ("fail", "loading")),
        (b"-NOAUTH Authentication required.\r\n", ("fail", "auth")),
        (b"-NOPERM this user has no permissions to run the 'ping' command\r\n", ("fail", "auth")),
        (b"-MASTERDOWN Link with MASTER is down\r\n", ("fail", "link_down")),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", ("warn", "writes_refused")),
        (b"-READONLY You can't write against a read only replica.\r\n", ("fail", "read_only")),
        (b"-BUSY Redis is busy running a script.\r\n", ("fail", "throttled")),
        (b"-DENIED Redis is running in protected mode\r\n", ("fail", "auth")),
        (b"+HELLO\r\n", ("fail", "protocol")),
        (b":1\r\n", ("fail", "protocol")),
        (b"$-1\r\n", ("fail", "protocol")),
        (b"", ("fail", "connection_reset")),
    ],
)
async def test_answers_to_ping(pong, expected):
    """What PING is answered with decides outcome and reason."""
    seen = await once(answering(PING=pong, INFO=BULK))
    assert verdict(seen) == expected


async def test_little_info():
    """A server that hides its limits is measured by what it tells, without a warning."""
    seen = await once(answering(PING=b"+PONG\r\n", INFO=BULK))
    assert set(values(seen)) == {"ping", "used_memory"}
    assert seen.measurement.facts == {"version": "7.4.1", "role": "master"}


@pytest.mark.parametrize(
    ("info", "expected"),
    [(b"-ERR unknown command 'info'\r\n", ("warn", "unreadable")), (b":7\r\n", ("warn", "unreadable"))],
)
async def test_no_info(info, expected):
    """A proxy without INFO is a warning; who needs a role cannot be served."""
    play = answering(PING=b"+PONG\r\n", INFO=info)
    assert verdict(await once(play)) == expected
    assert verdict(await once(play, role="master")) == ("fail", "protocol")


async def test_role_not_told():
    """A wanted role that the server does not tell is a wrong one."""
    seen = await once(answering(PING=b"+PONG\r\n", INFO=b"$0\r\n\r\n"), role="replica")
    assert verdict(seen) == ("fail", "wrong_role")


async def test_append_only_file_broken():
    """A server that says it cannot write its file is a warning."""
    text = INFO + b"aof_last_write_status:err\r\n"
    seen = await once(answering(PING=b"+PONG\r\n", INFO=b"$%d\r\n%b\r\n" % (len(text), text)))
    assert verdict(seen) == ("warn", "writes_refused")


async def test_lost_write():
    """A key that reads back as another value fails the write check."""
    play = answering(PING=b"+PONG\r\n", GET=b"$5\r\nother\r\n")
    assert verdict(await once(play, write_check=True)) == ("fail", "assertion")
    play = answering(PING=b"+PONG\r\n", SET=b"-MOVED 7365 10.0.0.7:6379\r\n", GET=b"$-1\r\n")
    assert verdict(await once(play, write_check=True)) == ("fail", "wrong_role")


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        (b"-WRONGPASS invalid username-password pair\r\n", "auth"),
        (b"-ERR invalid password\r\n", "auth"),
        (b"-ERR Client sent AUTH, but no password is set\r\n", "auth"),
        (b"-ERR AUTH <password> called without any password configured for the default user.\r\n", "auth"),
        (b"-ERR unknown command `AUTH`, with args beginning with: `hunter2`, \r\n", "protocol"),
        (b"-ERR unknown command 'AUTH', with args beginning with: 'hunter2' \r\n", "protocol"),
    ],
)
async def test_login_refused(auth, reason):
    """A refused login is told by its reason; a server that repeats the password does not make us show it."""
    seen = await once(answering(AUTH=auth))
    assert verdict(seen) == ("fail", reason)
    assert seen.phase == "auth"
    assert "hunter2" not in seen.detail


async def test_refused_and_closed():
    """A server that says why and closes at once is told by what it said."""

    async def play(reader, writer):
        writer.write(b"-ERR max number of clients reached\r\n")
        await writer.drain()
        writer.close()

    assert verdict(await once(play)) == ("fail", "too_many_connections")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*1000000000\r\n",
        b"$-7\r\n",
        b"$abc\r\n",
        b":" + b"9" * 40 + b"\r\n",
        b"$3\r\nabcdef\r\n",
        b"\0\0\0\x15E\r\n",
        b"_\r\n",
    ],
    ids=["http", "array", "negative", "no number", "long number", "longer than said", "postgres", "resp3"],
)
async def test_garbage(answer):
    """What is not Redis is told as such, at once."""

    async def play(reader, writer):
        await reader.read(65536)
        writer.write(answer)
        await silence(reader)

    assert verdict(await once(play)) == ("fail", "protocol")


async def test_noise():
    """Random bytes at any point end in a failure, never in a broken probe."""
    chance = random.Random(7)
    openings = [b"", b"+OK\r\n", b"+OK\r\n+OK\r\n", b"+OK\r\n+OK\r\n$20\r\n"]
    noise = [openings[number % 4] + chance.randbytes(chance.randrange(1, 200)) for number in range(80)]

    async def play(reader, writer):
        await reader.read(65536)
        writer.write(noise[0])

    async with stub(play) as port, nothing_left(), playing(port) as attempt:
        while noise:
            assert (await attempt(fresh=True)).outcome == "fail"
            noise.pop(0)


@pytest.mark.parametrize("end", ["closes", "stalls"])
@pytest.mark.parametrize(
    ("before", "phase"), [(b"", "auth"), (b"+OK\r\n+O", "auth"), (b"+OK\r\n+OK\r\n$4\r\nPO", "ping")]
)
async def test_ends_in_the_middle(before, phase, end):
    """Closed or stalled at any point: connection_reset at once, or read_timeout in time."""

    async def play(reader, writer):
        await reader.read(65536)
        writer.write(before)
        if end == "stalls":
            await silence(reader)
        elif phase == "ping":
            await reader.read(65536)

    seen = await once(play, seconds=1.0 if end == "stalls" else 20.0)
    assert verdict(seen) == ("fail", "connection_reset" if end == "closes" else "read_timeout")
    assert seen.phase == phase


async def test_drip():
    """A byte at a time keeps nobody waiting beyond the deadline."""

    async def play(reader, writer):
        await reader.read(65536)
        writer.write(b"+")
        while True:
            writer.write(b"O")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert verdict(await once(play, seconds=0.5)) == ("fail", "read_timeout")


@pytest.mark.parametrize(
    ("before", "reason"),
    [(b"$1000000000\r\n", "body_too_large"), (b"+", "protocol"), (b"$1048576\r\n", "protocol")],
    ids=["string", "line", "string of the limit"],
)
async def test_flood(before, reason):
    """An answer of 1 GB is not taken in: the reason is told, and memory stays flat."""
    let_through = []

    async def play(reader, writer):
        await reader.read(65536)
        writer.write(before)
        let_through.append(await flood(writer))

    before_bytes = psutil.Process().memory_info().rss
    assert verdict(await once(play)) == ("fail", reason)
    assert psutil.Process().memory_info().rss - before_bytes < 24 << 20
    assert let_through[0] < 32 << 20  # what the kernel's buffers hold between two processes' hands


async def test_cancelled_anywhere():
    """Cancelled at any point, an attempt leaves no socket and no task."""

    async def play(reader, writer):
        await reader.read(65536)
        writer.write(b"+OK\r\n+OK\r\n")
        await silence(reader)

    async with stub(play) as port, nothing_left(), playing(port, seconds=5.0) as attempt:
        for pause in range(12):
            check = asyncio.create_task(attempt(fresh=pause % 2 == 0))
            for _ in range(pause):
                await asyncio.sleep(0)
            check.cancel()
            with pytest.raises(asyncio.CancelledError):
                await check
