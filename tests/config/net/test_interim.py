"""Interim answers before the answer: some are passed over, a flood of them ends the exchange."""

import asyncio

import aiohttp
import pytest

from config.net.http import client_session, read_bounded
from config.net.interim import MOST_INTERIM
from tests.agent import hostile

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
BODY = CONTINUE * 1000  # what looks like heads, in a body
ANSWER = hostile.OK + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


def without_end(client):
    """Nothing else, for ever."""
    while True:
        client.sendall(CONTINUE * 10_000)


async def got(play):
    """The body of one exchange."""
    with hostile.serving(play) as port:
        async with client_session(timeout=20.0) as session, session.get(f"http://127.0.0.1:{port}/") as answer:
            return await read_bounded(answer, len(BODY))


async def test_some_interim_answers_are_passed_over():
    """The answer after them arrives whole, whatever its body looks like."""
    assert await got(hostile.says((CONTINUE + HINTS) * (MOST_INTERIM // 2) + ANSWER)) == BODY


@pytest.mark.parametrize(
    "play", [without_end, hostile.says(CONTINUE * (MOST_INTERIM + 1) + ANSWER)], ids=["flood", "many"]
)
async def test_too_many_are_not_http(play):
    """The loop turns on, and the exchange ends long before its time."""
    turns, task = 0, asyncio.create_task(got(play))
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
        assert turns < 5000
    with pytest.raises((aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
        await task
