"""The ways `dns` and `urls`: ask other replicas at their public listeners."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import aiohttp
from yarl import URL

from agent.peers.book import Base, Book
from agent.peers.way import LONGEST, SAMPLE, Hearing, Missed, Outcome
from agent.peers.wire import LIMIT, read
from agent.readiness.fleet import PeerView
from agent.tokens import Tokens
from config.net.http import client_session, explain, read_bounded

KEEPALIVE = 6.0  #: seconds a connection rests; less than the 8 s that the other side allows

_REFUSALS = (401, 403)


class Finder(Protocol):
    """Tells where the replicas are."""

    async def find(self, *, lonely: bool) -> Sequence[Base]:
        """The addresses now; empty: nothing new. `lonely`: nobody answered in the last round. Raises Missed."""


class Asker:
    """Asks one replica at a time or several at once, over connections that are kept for a while."""

    def __init__(self, tokens: Tokens, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`timeout`: seconds for one replica, a second try with the token before included."""
        self._tokens = tokens
        self._timeout = timeout
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, base: str) -> PeerView:
        """The view of the replica whose public listener is at `base`. Raises Missed."""
        asked_at = self._clock()
        place = _place(base)
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._get(base)
        except TimeoutError:
            raise Missed(Outcome.FAILED, f"{place} does not answer within {self._timeout:g} s") from None
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise Missed(Outcome.MALFORMED, f"{place} answers with something that is not HTTP") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Missed(Outcome.FAILED, f"{place}: {explain(error)}") from error
        except (ValueError, LookupError) as error:
            raise Missed(Outcome.MALFORMED, f"{place} answers with a body that cannot be read: {error}") from error
        try:
            return read(body, asked_at)
        except ValueError as error:
            raise Missed(Outcome.MALFORMED, f"{place} answers with something else than a view: {error}") from error

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _get(self, base: str) -> bytes:
        if self._session is None:
            self._session = client_session(timeout=self._timeout, connections=SAMPLE + 1, keepalive=KEEPALIVE)
        status = 0
        for headers in self._tokens.offered():
            async with self._session.get(URL(base) / "peerz", headers=headers, allow_redirects=False) as answer:
                status = answer.status
                if status == 200:
                    return await read_bounded(answer, LIMIT)
            if status not in _REFUSALS:
                break
        if status in _REFUSALS:
            raise Missed(Outcome.REFUSED, f"{_place(base)} refuses `readiness.peers.token` ({status})")
        raise Missed(Outcome.FAILED, f"{_place(base)} answers /peerz with {status}")


class HttpWay:
    """Asks random others at their addresses, which a finder tells."""

    def __init__(
        self,
        identity: str,
        finder: Finder,
        asker: Asker,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._book = Book(identity, chance or random.Random())
        self._finder = finder
        self._asker = asker
        self._clock = clock
        self._lonely = False

    async def look(self, hearing: Hearing) -> None:
        """One round: all chosen ones at once, beside a look-up that may hang."""
        known = len(self._book) > 0
        if not known:
            await self._find(hearing)
        async with asyncio.TaskGroup() as group:
            if known:
                group.create_task(self._find(hearing))
            asked = [group.create_task(self._ask(url, hearing)) for url in self._book.choose(self._clock())]
        self._lonely = bool(asked) and not any(task.result() for task in asked)
        if len(self._book):
            hearing.count(self._book.others())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._asker.aclose()

    async def _find(self, hearing: Hearing) -> None:
        try:
            found = await self._finder.find(lonely=self._lonely)
        except Missed as missed:
            hearing.miss(missed)
            return
        if found:
            self._book.update(found)

    async def _ask(self, url: str, hearing: Hearing) -> bool:
        try:
            view = await self._asker.ask(url)
        except Missed as missed:
            hearing.miss(missed)
            return False
        gone = self._book.note(url, view.identity, self._clock())
        if gone is not None:
            hearing.leave(gone)  # an address has one voice: it restarted, or it lies about who it is
        hearing.hear(view)
        return True


def timeout(refresh: float) -> float:
    """Seconds that one request may take where the others are looked at every `refresh` seconds."""
    return min(refresh, LONGEST)


def _place(base: str) -> str:
    """Host and port, for people; never user and password."""
    try:
        url = URL(base)
    except ValueError:
        return "an address that cannot be read"
    return f"{url.host}:{url.port}"
