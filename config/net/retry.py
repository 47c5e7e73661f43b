"""When to try again: full-jitter back-off, and what a Retry-After header asks for.

Pure: chance and time are arguments.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 300.0  #: seconds; what a server may make us wait, at most


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: each wait is a random share of a ceiling that doubles from `base` up to `cap` (seconds).

    AWS's "Exponential Backoff And Jitter" found it to cause the least work when many clients return at once.
    """

    base: float = 1.0
    cap: float = 60.0

    def ceiling(self, failures: int) -> float:
        """The longest wait after this many failures in a row (1 or more)."""
        doublings = min(max(failures, 1) - 1, 62)  # 2**62 seconds is beyond any cap, and still a float
        return min(self.cap, self.base * 2.0**doublings)

    def wait(self, failures: int, chance: Callable[[], float]) -> float:
        """Seconds to wait after this many failures in a row; `chance` returns a number in [0, 1)."""
        return self.ceiling(failures) * chance()


def retry_after(header: str | None, now: float, limit: float = MAX_RETRY_AFTER) -> float | None:
    """Seconds that a Retry-After header asks for, between 0 and `limit`; None when absent or not understood.

    Both forms of RFC 9110 section 10.2.3: seconds, and an HTTP date, which is compared with `now` (Unix time).
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(limit, float(text[:18]))
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(limit, max(0.0, seconds)) if math.isfinite(seconds) else None
