"""Senders without a network, and workers for a while."""

import asyncio
from contextlib import asynccontextmanager

from exporters.base import Delivery, Permanent
from tests.agent.pipeline import ended


class Script:
    """A sender that raises or returns what the test lists, then accepts.

    `bad` in a body is refused for good, and so is what has more bytes than `largest`.
    """

    def __init__(self, *replies, bad=None, largest=None):
        self.replies = list(replies)
        self.bad = bad
        self.largest = largest
        self.at = []
        self.bodies = []
        self.headers = []
        self.signals = []
        self.taken = []
        self.closed = 0

    async def send(self, body, signal="traces", headers=()):
        self.at.append(asyncio.get_running_loop().time())
        self.bodies.append(body)
        self.signals.append(signal)
        self.headers.append(headers)
        if self.bad and self.bad in body:
            raise Permanent("invalid", "poison")
        if self.largest is not None and len(body) > self.largest:
            raise Permanent("too_large", f"more than {self.largest}")
        reply = self.replies.pop(0) if self.replies else Delivery()
        if isinstance(reply, Exception):
            raise reply
        self.taken.append(body)
        return reply

    async def aclose(self):
        self.closed += 1


@asynccontextmanager
async def running(target):
    """A lane or a destination works meanwhile; the books of a lane balance at the end."""
    task = asyncio.create_task(target.run())
    try:
        yield task
    finally:
        await ended(task)
        assert target.account.balanced()
