"""Bodies: small, JSON, soon there, or refused with what would be right."""

import asyncio
import contextlib
import json

import pytest

from agent.web import listeners
from agent.web.api import body
from config.types.address import ListenAddress
from tests.agent.web.conftest import dial

PATH = b"/api/v1/override"
GOOD = b'{"ready": false, "for": "10m", "reason": "new disk"}'
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture
async def port(world):
    """Of a real admin listener."""
    async with listeners.admin(world.desk(), ListenAddress("127.0.0.1", 0)) as listener:
        yield listener.port


async def post(port, sent, fields=JSON, length=None, *, last=True):
    """The whole answer to a POST in raw bytes."""
    length = f"Content-Length: {len(sent) if length is None else length}\r\n".encode()
    closing = b"Connection: close\r\n" if last else b""
    async with dial(port) as (reader, writer), asyncio.timeout(60):
        writer.write(b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\n" + fields + length + closing + b"\r\n" + sent)
        return await reader.read()


def parts(answer):
    """Status and document of an answer."""
    head, _, document = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(document)


RIGHT = '; write such as {"ready": false, "for": "10m", "reason": "its disk is being replaced"}'
WRONG = {
    "nothing": (b"", "the body is not JSON"),
    "no JSON": (b"ready=false", "the body is not JSON"),
    "half": (b'{"ready": fal', "the body is not JSON"),
    "no UTF-8": (b'{"ready": true, "for": "1s", "reason": "\xff"}', "the body is not JSON"),
    "lone surrogate": (b'{"ready": true, "for": "1s", "reason": "\\ud800"}', "the body is not JSON"),
    "a list": (b"[1]", "the body does not fit: Expected `object`, got `array`"),
    "deep": (b"[" * 4000, "the body does not fit: Expected `object`, got `array`"),
    "wrong type": (GOOD.replace(b"false", b"1"), "the body does not fit: Expected `bool`, got `int` - at `$.ready`"),
    "missing": (b'{"ready": true}', "the body does not fit: Object missing required field `for`"),
    "unknown": (GOOD[:-1] + b', "se`\\u001b[31mcret": 1}', "the body does not fit: Object contains unknown field"),
    "long": (GOOD.replace(b"new disk", b"x" * 201), "the body does not fit: Expected `str` of length <= 200 - at"),
}


@pytest.mark.parametrize(("sent", "says"), WRONG.values(), ids=WRONG.keys())
async def test_what_does_not_fit(port, sent, says):
    """400 says what is wrong, where, and what would be right, and repeats nothing that was sent."""
    status, problem = parts(await post(port, sent))
    assert status == 400
    assert problem["detail"].startswith(says)
    assert problem["detail"].endswith(RIGHT)
    assert "cret" not in problem["detail"]


@pytest.mark.parametrize("length", ["", "0s", "5", "24h1m", "25h", "-5m", "1.5h", "1d", "10m\\n", "999999999999s"])
async def test_how_long(port, length):
    """From a second to a day, or refused with the right form."""
    status, problem = parts(await post(port, GOOD.replace(b"10m", length.encode())))
    assert status == 400
    wanted = "`for` must be from 1s to 24h, in whole seconds, minutes or hours, such as 30m or 1h30m"
    assert problem["detail"] == wanted


@pytest.mark.parametrize(("length", "seconds"), [("1s", 1), ("90m", 5400), ("1h30m", 5400), ("24h", 86400)])
async def test_how_long_is_read(port, length, seconds):
    """Seconds, minutes and hours."""
    status, told = parts(await post(port, GOOD.replace(b"10m", length.encode())))
    assert (status, told["override"]["seconds_left"]) == (200, seconds)


@pytest.mark.parametrize("why", [b"", b"   ", b"\\n\\u202e"])
async def test_a_reason_says_something(port, why):
    """White space is no reason."""
    status, problem = parts(await post(port, GOOD.replace(b"new disk", why)))
    assert (status, problem["detail"]) == (400, "`reason` says nothing; write why, for whoever wonders")


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: application/x-www-form-urlencoded\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\n",
        JSON + b"Content-Encoding: gzip\r\n",
    ],
)
async def test_only_json(port, world, fields):
    """What a form on a foreign page can send is refused, and so is what would have to be unpacked."""
    assert parts(await post(port, GOOD, fields))[0] == 415


async def test_a_charset_does_no_harm(port):
    """Programs that name UTF-8 beside JSON are understood."""
    assert parts(await post(port, GOOD, b"Content-Type: application/json; charset=utf-8\r\n"))[0] == 200


@pytest.mark.parametrize("size", [body.MOST_BYTES + 1, 20_000, 500_000])
async def test_too_large(port, size):
    """More than 4 KiB is 413, and who sends it all at once reads the answer."""
    status, problem = parts(await post(port, GOOD + b" " * (size - len(GOOD))))
    assert (status, problem["detail"]) == (413, "the body has more than 4096 bytes")


async def test_the_largest(port):
    """4 KiB are taken."""
    assert parts(await post(port, GOOD + b" " * (body.MOST_BYTES - len(GOOD))))[0] == 200


@pytest.mark.parametrize("size", [4000, 5000])
async def test_without_a_length(port, size):
    """A body in chunks is bounded like any other."""
    chunks = b"%x\r\n" % size + GOOD + b" " * (size - len(GOOD)) + b"\r\n0\r\n\r\n"
    async with dial(port) as (reader, writer), asyncio.timeout(60):
        fields = JSON + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        writer.write(b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\n" + fields + chunks)
        assert parts(await reader.read())[0] == (200 if size <= body.MOST_BYTES else 413)


async def test_it_never_comes(port, monkeypatch):
    """Whoever promises a body and does not send it is answered 408, and others are served meanwhile."""
    monkeypatch.setattr(body, "SECONDS", 0.2)
    slow = asyncio.create_task(post(port, GOOD[:10], length=len(GOOD)))
    assert parts(await post(port, GOOD))[0] == 200
    status, problem = parts(await slow)
    assert (status, problem["detail"]) == (408, "the body did not arrive within 0.2 s")


async def test_it_is_cut_short(port, world, caplog):
    """A client that goes away in the middle changes nothing and leaves no traceback."""
    async with dial(port) as (_, writer):
        writer.write(b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 99\r\n\r\n{")
        await writer.drain()
    async with dial(port) as (reader, writer), asyncio.timeout(60):
        writer.write(b"GET " + PATH + b" HTTP/1.0\r\n\r\n")
        assert parts(await reader.read()) == (200, {"override": None})
    assert [record for record in caplog.records if record.exc_info] == []


async def test_asked_first(port):
    """A client that waits for `100 Continue` gets it before its body, and not for one that is too large."""
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n" + JSON
    async with dial(port) as (reader, writer), asyncio.timeout(60):
        writer.write(head + f"Content-Length: {len(GOOD)}\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(GOOD)
        assert parts(await reader.read())[0] == 200
    async with dial(port) as (reader, writer), asyncio.timeout(60):
        writer.write(head + b"Content-Length: 100000\r\n\r\n")
        assert parts(await reader.read())[0] == 413


async def test_the_connection_goes_on(port):
    """After a body that was taken, or refused and read, the next request on the same connection is answered."""
    request = b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\n" + JSON
    async with dial(port) as (reader, writer), asyncio.timeout(60):
        for sent, status in ((GOOD, b"200"), (b"[]" + b" " * 4000, b"400"), (GOOD, b"200")):
            writer.write(request + f"Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == status
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            await reader.readexactly(int(length.split()[1]))


async def test_a_head_without_end_is_cut_off_here_too(port):
    """That bodies are read does not let heads grow: 240 KB of fields are dropped, first or second on a connection."""
    fields = b"".join(b"X%02d: %s\r\n" % (number, b"a" * 4000) for number in range(60))
    for first in (b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"):
        async with dial(port) as (reader, writer), asyncio.timeout(60):
            if first:
                writer.write(first)
                await reader.readuntil(b"ok")
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + fields)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
