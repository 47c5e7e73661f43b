"""The way `redis`: every replica leaves word in a key that expires, and reads what some others left.

`outrider:{SERVICE}:peer:IDENTITY` holds a replica's document. Its time to live runs from the moment the document was
written, and what is left of it tells how old the document is: no clock of two machines is compared. The sorted set
`outrider:{SERVICE}:peers` lists the replicas by the moment their word expires, on the server's clock; so nothing ever
walks over the keys of a Redis that others use too.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Any

import msgspec

from agent.peers.way import LONGEST, SAMPLE, Hearing, Missed, Outcome
from agent.peers.wire import LIMIT, read
from agent.readiness.fleet import FRESH_REFRESHES, PeerView
from config.net.retry import Backoff
from config.net.text import clean
from config.net.tls import TlsFileError, TlsOptions, client_context
from config.types import Url
from probes.redis.connection import Answer, Connection, Overrun, ProtocolError, ServerError
from probes.redis.options import RedisOptions
from probes.redis.reasons import of_server
from probes.stopwatch import Stopwatch

GOODBYE = 1.0  #: seconds to take our word back when we stop
_KEPT = "600000"  # ms that the list outlives its last replica
_AGAIN = Backoff(base=0.5, cap=10.0)


class _Kept(msgspec.Struct):
    """What a document in Redis says beside a view: ms for which it was left."""

    ttl: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)] = 0


_kept = msgspec.json.Decoder(_Kept)


class RedisWay:
    """One kept connection, made anew when it breaks, later each time; three round trips a look."""

    def __init__(
        self,
        url: Url,
        service: str,
        identity: str,
        refresh: float,
        own: Callable[[], Mapping[str, Any]],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        """`own`: the document of this replica now; `refresh`: seconds between two looks."""
        self._place = RedisOptions(url=url).place()
        self._prefix = f"outrider:{{{service}}}:peer"
        self._name = "-".join(f"outrider:{service}".split())  # CLIENT SETNAME refuses spaces
        self._index = f"outrider:{{{service}}}:peers"
        self._identity = identity
        self._ttl = max(1, round(FRESH_REFRESHES * refresh * 1000))
        self._own = own
        self._clock, self._chance = clock, chance or random.Random()
        self._link: Connection | None = None
        self._failures, self._again = 0, 0.0
        self._left_word = False

    async def look(self, hearing: Hearing) -> None:
        """Leave word, and read what some others left; nothing while it is too early to try again."""
        if self._clock() < self._again:
            return
        try:
            async with asyncio.timeout(LONGEST):
                await self._round(await self._connected(), hearing)
        except ServerError as error:
            await self._failed(hearing, Outcome.REFUSED, of_server(error)[1])
        except (ProtocolError, Overrun) as error:
            await self._failed(hearing, Outcome.MALFORMED, f"this is not Redis: {error}")
        except TimeoutError:
            await self._failed(hearing, Outcome.FAILED, f"no answer within {LONGEST:g} s")
        except (OSError, EOFError, TlsFileError) as error:
            await self._failed(hearing, Outcome.FAILED, str(error) or "it closed the connection")
        except BaseException:
            await self._drop()  # half of an exchange may be on its way: nobody else can use this connection
            raise
        else:
            self._failures = 0

    async def aclose(self) -> None:
        """Take our word back, so that nobody waits for us, and close."""
        if self._left_word:
            self._left_word = False
            with contextlib.suppress(OSError, EOFError, TlsFileError, ServerError, ProtocolError, Overrun):
                async with asyncio.timeout(GOODBYE):
                    link = await self._connected()
                    await link.ask(("DEL", self._key(self._identity)), ("ZREM", self._index, self._identity))
        leaving, self._link = self._link, None
        if leaving is not None:
            await leaving.aclose()

    async def _round(self, link: Connection, hearing: Hearing) -> None:
        # The server's time is asked for before our document is made, and the document expires counted from it: it looks
        # rather older than it is, however long it takes to arrive.
        when, known = await link.ask(("TIME",), ("ZCARD", self._index))
        listed = await self._leave_word(link, _milliseconds(when), _number(known), hearing)
        others = (text for text in dict.fromkeys(listed) if text and len(text) <= 64 and text != self._identity)
        chosen = list(islice(others, SAMPLE))
        asked_at = self._clock()
        # First what is left of its time, then the document: one that is written in between looks older, not younger.
        commands = [(("PTTL", key), ("GETRANGE", key, "0", str(LIMIT))) for key in map(self._key, chosen)]
        answers = await link.ask(*(command for pair in commands for command in pair))
        for identity, left, body in zip(chosen, answers[::2], answers[1::2], strict=True):
            self._take(identity, left, body, asked_at, hearing)

    async def _leave_word(self, link: Connection, now: int, known: int, hearing: Hearing) -> list[str | None]:
        """Write our document; returns some identities from the list, at random."""
        body = msgspec.json.encode({**self._own(), "ttl": self._ttl}).decode()
        key, index, until = self._key(self._identity), self._index, str(now + self._ttl)
        # We are on the list, or will be when it is read: one more place. Two more ranks: ours, and one beyond the end.
        places = range(known + 1)
        ranks = map(str, self._chance.sample(places, min(SAMPLE + 2, len(places))))
        answers = await link.ask(
            ("SET", key, body, "PX", str(self._ttl)),
            ("PEXPIREAT", key, until),
            ("ZADD", index, until, self._identity),
            ("ZREMRANGEBYSCORE", index, "-inf", str(now)),
            ("PEXPIRE", index, _KEPT),
            ("ZCARD", index),
            *(("ZRANGE", index, rank, rank) for rank in ranks),
        )
        written, size, listed = answers[:5], answers[5], answers[6:]
        refused = next((answer for answer in written if isinstance(answer, ServerError)), None)
        if refused is not None:  # we can still hear the others
            why = f"{self._shown}: this replica cannot leave word: {of_server(refused)[1]}"
            hearing.miss(Missed(Outcome.REFUSED, why))
        self._left_word = self._left_word or refused is None
        hearing.count(max(0, _number(size) - (refused is None)))
        return [text for answer in listed if isinstance(answer, tuple) for text in answer]

    def _take(self, identity: str, left: Answer, body: Answer, asked_at: float, hearing: Hearing) -> None:
        """One replica's word; one whose key is gone has left."""
        if left == -2 or not body:
            return
        try:
            view = self._read(identity, _text(body).encode(), _number(left), asked_at)
        except (ValueError, RecursionError) as error:
            why = f"{self._shown}: what replica {clean(identity, 64)} left is not a view: {error}"
            hearing.miss(Missed(Outcome.MALFORMED, why))
        except ServerError as error:
            hearing.miss(Missed(Outcome.REFUSED, f"{self._shown}: {of_server(error)[1]}"))
        else:
            hearing.hear(view)

    def _read(self, identity: str, body: bytes, left: int, asked_at: float) -> PeerView:
        """The view in a document that has `left` ms to live. Raises ValueError."""
        ago = max(0, (_kept.decode(body).ttl or self._ttl) - left) / 1000
        view = read(body, asked_at - ago)
        if view.identity != identity:
            raise ValueError("it is signed by another")
        return view

    def _key(self, identity: str) -> str:
        return f"{self._prefix}:{identity}"

    @property
    def _shown(self) -> str:
        return self._place.path or f"{self._place.host}:{self._place.port}"

    async def _connected(self) -> Connection:
        link = self._link
        if link is not None and not link.closed:
            return link
        await self._drop()
        context = client_context(TlsOptions()) if self._place.secure else None
        self._link = link = await Connection.open(self._place, context, "", self._name, Stopwatch(self._clock))
        return link

    async def _failed(self, hearing: Hearing, outcome: Outcome, why: str) -> None:
        await self._drop()
        self._failures += 1
        self._again = self._clock() + _AGAIN.wait(self._failures, self._chance.random)
        hearing.miss(Missed(outcome, f"{self._shown}: {why}"))

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.discard()


def _milliseconds(answer: Answer) -> int:
    """What TIME says: seconds, and microseconds."""
    if isinstance(answer, ServerError):
        raise answer
    match answer:
        case (str(seconds), str(micros)) if (seconds + micros).isascii() and (seconds + micros).isdigit():
            return int(seconds) * 1000 + int(micros) // 1000
    raise ProtocolError("TIME is not answered with a time")


def _number(answer: Answer) -> int:
    if isinstance(answer, ServerError):
        raise answer
    if not isinstance(answer, int):
        raise ProtocolError("a text came where a number belongs")
    return answer


def _text(answer: Answer) -> str:
    if isinstance(answer, ServerError):
        raise answer
    if not isinstance(answer, str):
        raise ProtocolError("a number came where a text belongs")
    return answer
