"""The way `dns`: one name with an address for each replica, such as a headless Service."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from agent.peers.book import Base
from agent.peers.way import Missed, Outcome
from config.net.resolve import Address, resolve
from config.net.text import clean

EVERY = 10.0  #: seconds between two look-ups, while somebody answers

Resolve = Callable[[str, int], Awaitable[list[Address]]]


class Named:
    """Looks the name up, IPv4 and IPv6. A look-up that fails changes nothing, and is tried again in the next round."""

    def __init__(
        self,
        host: str,
        port: int,
        timeout: float,
        *,
        resolve: Resolve = resolve,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`port` of the public listeners; `timeout` seconds for one look-up."""
        self._host, self._port = host, port
        self._timeout = timeout
        self._resolve = resolve
        self._clock = clock
        self._found_at: float | None = None

    async def find(self, *, lonely: bool) -> Sequence[Base]:
        """The addresses, when it is time to ask for them. Raises Missed."""
        now = self._clock()
        if self._found_at is not None and now - self._found_at < EVERY and not lonely:
            return ()
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._resolve(self._host, self._port)
        except TimeoutError:
            raise Missed(Outcome.FAILED, f"{self._host} is not resolved within {self._timeout:g} s") from None
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, socket.gaierror) else str(error)
            raise Missed(Outcome.FAILED, f"{self._host} cannot be resolved: {clean(said or '')}") from error
        self._found_at = now
        return [Base(f"http://{address}", address.family) for address in found]
