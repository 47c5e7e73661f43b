"""The agent's own traces: a span for each attempt of a probe, sent by OpenTelemetry's own exporter.

The exporter blocks and tries again for seconds, so all of it lives in the SDK's thread, behind a bounded queue; it is
imported only where spans are really sent. As with any SDK, OTEL_EXPORTER_OTLP_HEADERS and _CERTIFICATE of the agent's
environment hold for it.
"""

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from config.net.text import clean

if TYPE_CHECKING:
    from exporters.own_spans_sdk import Pipe

log = logging.getLogger(__name__)

SHUTDOWN = 2.0  #: seconds at the end for spans that wait
TOLD_EVERY = 60.0  #: seconds between two lines about the same trouble

_SAMPLED = "-01"  # the end of a traceparent whose span is sent


class Attempted(NamedTuple):
    """An attempt, as its span tells it: no secrets, nothing that only some may see.

    `started` and `ended` are Unix seconds. `phases`: seconds of each, in their order. `failed` says why, or "".
    """

    name: str
    traceparent: str
    started: float
    ended: float
    attributes: Mapping[str, str]
    phases: Mapping[str, float]
    failed: str = ""


class OwnSpans:
    """Gives attempts their ids, and sends the spans of a share of them to `url`, which ends in /v1/traces."""

    def __init__(
        self,
        url: str,
        sample: float,
        resource: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        chance: random.Random | None = None,
        every: float = 5.0,  # seconds between two requests
    ) -> None:
        self._url, self._sample, self._every = url, sample, every
        self._resource, self._headers = dict(resource), dict(headers or {})
        self._chance = chance or random.Random()
        self._pipe: Pipe | None = None

    async def open(self) -> None:
        """Get ready to send, in a thread. Where no share is sent there is nothing to do; never raises."""
        if self._sample <= 0 or self._pipe is not None:
            return
        try:
            self._pipe = await asyncio.to_thread(self._open)
        except Exception as error:  # noqa: BLE001 - a variable of the environment that the SDK cannot read, say
            log.warning("own spans are not sent: %s", clean(f"{type(error).__name__}: {error}"))

    def begin(self) -> str:
        """The traceparent (W3C Trace Context) of a new attempt: sampled where its span will be sent."""
        trace, span = self._chance.getrandbits(128) or 1, self._chance.getrandbits(64) or 1
        sampled = self._sample > 0 and self._chance.random() < self._sample
        return f"00-{trace:032x}-{span:016x}{_SAMPLED if sampled else '-00'}"

    def send(self, attempted: Attempted) -> None:
        """Queue the span of an attempt that is over, if it is one of the share; never waits."""
        if self._pipe is not None and attempted.traceparent.endswith(_SAMPLED):
            self._pipe.send(attempted)

    async def aclose(self, seconds: float = SHUTDOWN) -> None:
        """Send what waits, for at most so long; the rest is given up."""
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            pipe.close()
            with contextlib.suppress(RuntimeError):  # nobody waited so long
                loop.call_soon_threadsafe(closed.set)

        # A thread of a pool would be waited for at the end of the process.
        threading.Thread(target=close, name="own-spans-close", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                await closed.wait()
        except TimeoutError:
            log.warning("own spans that still waited are given up: the upstream did not take them within %g s", seconds)
        finally:
            pipe.abandon()

    def _open(self) -> "Pipe":
        from exporters.own_spans_sdk import Pipe  # noqa: PLC0415 - the SDK only where it is used

        return Pipe(self._url, self._headers, self._resource, self._every)


class Seldom(logging.Handler):
    """What the SDK logs becomes one warning a minute, in one line, without a traceback."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._next = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, in whatever thread."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + TOLD_EVERY
        log.warning("own spans: %s", clean(record.getMessage()))
