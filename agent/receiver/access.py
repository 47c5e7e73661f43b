"""The token that senders must present, and its rotation: none is shut out while the files change one by one."""

import hmac
import time
from collections.abc import Callable

from config.types import Secret

#: Seconds for which the token before is still good; kubelet renews a mounted secret within two minutes.
ROTATION = 300.0


class Access:
    """Who may send. None: anyone who reaches the listener. `clock` is in seconds."""

    def __init__(self, token: Secret | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._current = _bytes(token)
        self._before = b""
        self._until = 0.0

    def rotate(self, token: Secret | None) -> None:
        """Put another token in force; the one before stays good for a while. The same one again changes nothing."""
        new = _bytes(token)
        if new != self._current:
            self._before, self._until = self._current, self._clock() + ROTATION
            self._current = new

    def accepts(self, authorization: str | None) -> bool:
        """Whether a request with this `Authorization` header may send."""
        if not self._current:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        presented = given.strip().encode("utf-8", "surrogateescape")
        # Every good one is compared, in full: the time it takes tells nothing about any of them.
        good = [self._current, self._before] if self._before and self._clock() < self._until else [self._current]
        fits = [hmac.compare_digest(presented, token) for token in good]
        return scheme.lower() == "bearer" and any(fits)


def _bytes(token: Secret | None) -> bytes:
    return token.reveal().encode("utf-8", "surrogateescape") if token else b""
