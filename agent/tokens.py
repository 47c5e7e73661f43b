"""A bearer token, of replicas, senders or heartbeats, and its rotation: nobody is shut out while the files change."""

import hmac
import time
from collections.abc import Callable

from config.types import Secret

#: Seconds for which the token before is still good; kubelet renews a mounted secret within two minutes.
ROTATION = 300.0


class Tokens:
    """The token in force and, for a while, the one before it. None: anyone may come in."""

    def __init__(self, current: Secret | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._current = _text(current)
        self._before: str | None = None
        self._until = 0.0

    def rotate(self, new: Secret | None) -> None:
        """Put another token in force; the same one again changes nothing.

        Only a token stays good for a while: where none was set before, nobody comes in without one from now on.
        """
        text = _text(new)
        if text == self._current:
            return
        self._before, self._until = self._current, self._clock() + ROTATION
        self._current = text

    @property
    def needed(self) -> bool:
        """Whether one must be presented."""
        return self._current is not None

    def accepts(self, authorization: str | None) -> bool:
        """Whether a request with this `Authorization` header may come in."""
        if not self.needed:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        presented = given.strip().encode("utf-8", "surrogateescape")
        # Every good one is compared, in full: the time it takes tells nothing about any of them.
        fits = [hmac.compare_digest(presented, token.encode("utf-8", "surrogateescape")) for token in self._good()]
        return scheme.lower() == "bearer" and any(fits)

    def offered(self) -> tuple[dict[str, str], ...]:
        """Headers to ask with, one set after the other while the answer is 401."""
        return tuple({"Authorization": f"Bearer {token}"} for token in self._good()) or ({},)

    def _good(self) -> list[str]:
        good = [] if self._current is None else [self._current]
        if self._before is not None and self._clock() < self._until:
            good.append(self._before)
        return good


def _text(token: Secret | None) -> str | None:
    return token.reveal() or None if token is not None else None
