"""Names to addresses, in a few threads of our own: a stuck resolver must not eat the loop's default executor."""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

Family = socket.AddressFamily

THREADS = 8  #: lookups at once; further ones wait, and each waits no longer than its caller's own deadline


@dataclass(frozen=True, slots=True)
class Address:
    """One address to connect to, as text and with its port."""

    host: str
    port: int
    family: Family

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.family is socket.AF_INET6 else f"{self.host}:{self.port}"


class _Lookups:
    """A pool of daemon threads running getaddrinfo, at most one lookup of the same question at a time.

    Not a ThreadPoolExecutor: that one is joined when the interpreter exits, so a resolver that hangs for 30 seconds
    would hold up a shutdown as long.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._threads = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread, as soon as one is free. `work` must not raise."""
        with self._lock:
            self._waiting.append(work)
            if self._idle >= len(self._waiting) or self._threads >= self._size:
                self._lock.notify()
                return
            self._threads += 1
            number = self._threads
        threading.Thread(target=self._serve, name=f"resolve-{number}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._lock:
                while not self._waiting:
                    self._idle += 1
                    self._lock.wait()
                    self._idle -= 1
                work = self._waiting.popleft()
            work()


@dataclass(slots=True)
class Resolver:
    """Asks the system's resolver; nothing is cached, because a moved name is one of the things to notice.

    Callers that ask the same at the same moment share one lookup, so one stuck name holds one thread.
    """

    size: int = THREADS
    lookup: Callable[..., Iterable[Any]] = socket.getaddrinfo
    _pool: _Lookups = field(init=False)
    _running: dict[tuple[str, int, int], asyncio.Future[list[Address]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = _Lookups(self.size)

    async def resolve(self, host: str, port: int, family: int = socket.AF_UNSPEC) -> list[Address]:
        """The addresses of `host`, in the system's order; at once when it is an address already.

        Raises socket.gaierror. Waits as long as its caller lets it: put it under a timeout.
        """
        literal = _literal(host, port, family)
        if literal is not None:
            return [literal]
        loop = asyncio.get_running_loop()
        question = (host, port, family)
        answer = self._running.get(question)
        if answer is None or answer.get_loop() is not loop:
            answer = loop.create_future()
            self._running[question] = answer
            answer.add_done_callback(lambda done: self._forget(question, done))
            self._ask(question, loop, answer)
        return await asyncio.shield(answer)  # a caller that gives up must not take the answer from the others

    def _ask(
        self, question: tuple[str, int, int], loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[Address]]
    ) -> None:
        host, port, family = question

        def work() -> None:
            found: list[Address] | Exception
            try:
                found = _unique(self.lookup(host, port, family=family, type=socket.SOCK_STREAM))
            except UnicodeError:
                found = socket.gaierror(socket.EAI_NONAME, "the name is not one that DNS can hold")
            except Exception as error:  # noqa: BLE001 - it belongs to the caller, in the loop
                found = error
            try:
                loop.call_soon_threadsafe(_settle, answer, found)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        self._pool.submit(work)

    def _forget(self, question: tuple[str, int, int], done: asyncio.Future[list[Address]]) -> None:
        if self._running.get(question) is done:
            del self._running[question]
        if not done.cancelled():
            done.exception()  # nobody may be waiting any more; that is no reason for a warning


def _settle(answer: asyncio.Future[list[Address]], found: list[Address] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def _literal(host: str, port: int, family: int) -> Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    own = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    if family not in (socket.AF_UNSPEC, own):
        raise socket.gaierror(socket.EAI_NODATA, f"{host} is not an address of the wanted family")
    return Address(host, port, own)


def _unique(found: Iterable[Any]) -> list[Address]:
    addresses = (
        Address(str(where[0]), int(where[1]), Family(family))
        for family, _, _, _, where in found
        if family in (socket.AF_INET, socket.AF_INET6)
    )
    return list(dict.fromkeys(addresses))


#: The process's own: threads are few and shared, whoever asks.
resolver = Resolver()
resolve = resolver.resolve
