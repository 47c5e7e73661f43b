"""Upstreams that do what a test tells them, in a thread: one that speaks HTTP, and one that is rude."""

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.agent.upstream import Upstream
from tests.pipeline.ends import HOST, ids_of


class Scripted(Upstream):
    """As in the relay's own tests; what it is to do is set from the test's thread."""

    def delivered(self) -> Counter[int]:
        """How often each span arrived in a request that was answered 200."""
        taken = [each for each in tuple(self.arrivals) if each.status == 200 and each.signal == "traces"]
        return Counter(number for each in taken for number in ids_of(each.body))


@contextmanager
def scripted() -> Iterator[Scripted]:
    """One that listens while the block runs."""
    one, loop = Scripted(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(one.start(), loop).result()
        yield one
    finally:
        asyncio.run_coroutine_threadsafe(one.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def rude(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server whose every connection is `behave`'s, once a request has begun to come; yields its port."""
    listening = socket.create_server((HOST, 0))
    open_now: list[socket.socket] = []

    def serve(one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            one.recv(65536)
            behave(one)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = listening.accept()
                open_now.append(one)
                threading.Thread(target=serve, args=(one,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for one in open_now:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
