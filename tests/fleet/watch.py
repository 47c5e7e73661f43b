"""Asks every replica for its verdict several times a second, as a balancer would, and keeps what changed."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, Self

EVERY = 0.2  #: seconds between two questions to one replica
_AGAIN = 0.05  # seconds after a connection that failed
_REQUEST = b"GET /readyz HTTP/1.1\r\nHost: fleet\r\nUser-Agent: balancer\r\n\r\n"


class Change(NamedTuple):
    """From `at` (monotonic) on a replica said `word`: ok, degraded, unready, draining; "" when it did not answer."""

    at: float
    word: str


class Watch:
    """One kept connection to each, all in one thread. `changes[n]` is the story of replica n."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self.changes: list[list[Change]] = [[Change(time.monotonic(), "")] for _ in ports]
        self.answers = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_all()), daemon=True)

    def words(self) -> list[str]:
        """What each said last."""
        return [story[-1].word for story in self.changes]

    def since(self, number: int, began: float) -> list[Change]:
        """What one said from `began` on; what it said then comes first."""
        story = list(self.changes[number])
        before = [change for change in story if change.at <= began]
        return before[-1:] + [change for change in story if change.at > began]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(60)

    async def _ask_all(self) -> None:
        asking = [asyncio.create_task(self._ask(number)) for number in range(len(self._ports))]
        while not self._over.is_set():
            await asyncio.sleep(EVERY)
            for task in asking:
                if task.done():
                    task.result()
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, number: int) -> None:
        while True:
            try:
                await self._converse(number)
            except (OSError, EOFError):
                self._note(number, "")
            await asyncio.sleep(_AGAIN)

    async def _converse(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[number])
        try:
            while True:
                began = time.monotonic()
                writer.write(_REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                self._note(number, (await reader.readexactly(length)).decode())
                await asyncio.sleep(max(0.0, began + EVERY - time.monotonic()))
        finally:
            writer.close()

    def _note(self, number: int, word: str) -> None:
        self.answers += bool(word)
        if self.changes[number][-1].word != word:
            self.changes[number].append(Change(time.monotonic(), word))
