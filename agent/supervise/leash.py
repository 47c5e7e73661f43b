"""How the supervisor and the agent speak: a pair of sockets, so no port, no file and no credential is needed.

The agent tells how long its file wants to drain, a line of seconds each time one comes into force. The supervisor says
`drain`, and `end` once the service is gone. When the supervisor dies, the agent sees the end of the stream and stops.
"""

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio  # 10 MB that the supervisor does without

VARIABLE = "OUTRIDER_LEASH"  #: the number of the agent's end, in its environment only
DRAIN, END = b"drain\n", b"end\n"
_LONGEST = 4096  #: bytes read at once; what is said is a few


class Leash:
    """The supervisor's end. Nothing here waits, and an agent that is gone is no error."""

    def __init__(self) -> None:
        self._sock, self.other = socket.socketpair()
        self._sock.setblocking(False)
        self._heard = b""

    def say(self, word: bytes) -> None:
        """Say `DRAIN` or `END`."""
        with suppress(OSError):
            self._sock.send(word)

    def told(self) -> float | None:
        """The last seconds of drain that the agent told; None when it has not told any yet."""
        with suppress(OSError):
            while heard := self._sock.recv(_LONGEST):
                self._heard = (self._heard + heard)[-_LONGEST:]
        whole = self._heard.rpartition(b"\n")[0].splitlines()
        try:
            return float(whole[-1]) if whole else None
        except ValueError:
            return None

    def close(self) -> None:
        """The agent is gone."""
        self._sock.close()
        self.other.close()


class Led:
    """The agent's end; it does nothing in an agent that nobody leads."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        number = environment.get(VARIABLE, "")
        self._sock = socket.socket(fileno=int(number)) if number.isdigit() else None
        if self._sock is not None:
            self._sock.setblocking(False)
            os.set_inheritable(self._sock.fileno(), False)

    def tell(self, drain: float) -> None:
        """Say how long the file in force wants to drain, in seconds."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.send(b"%.3f\n" % drain)

    def obey(
        self,
        loop: "asyncio.AbstractEventLoop",
        drain: Callable[[], object],
        end: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        """From now on call what is said; `gone` when the supervisor is."""
        sock = self._sock
        if sock is None:
            return
        words = {DRAIN.strip(): drain, END.strip(): end}

        def hear() -> None:
            try:
                heard = sock.recv(_LONGEST)
            except BlockingIOError:
                return
            except OSError:
                heard = b""
            for word in heard.splitlines():
                words.get(word, lambda: None)()
            if not heard:
                loop.remove_reader(sock)
                gone()

        loop.add_reader(sock, hear)
