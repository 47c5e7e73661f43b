"""The HTTP probe: one request over a new connection, and everything that may be wrong with its answer."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from yarl import URL

from config.types.address import is_loopback
from probes.base import Attempt, Measurement, Probe, ProbeContext, ProbeFailed, ReadingSpec
from probes.classify import classify
from probes.http.look import Look
from probes.http.options import HttpOptions
from probes.http.request import Request
from probes.http.rules import Rules
from probes.reason import Reason
from probes.stopwatch import Stopwatch

# Our own deadline strikes a moment before the framework's, so that a late answer still says in which phase it was.
_EARLY = 0.02  # seconds, or a twentieth of what is left


class HttpProbe(Probe[HttpOptions]):
    """Sends one HTTP/1.1 request over a new connection, times its phases, and checks status, headers, body and JSON.

    The environment's proxies are never used, redirects are followed only where asked for, and no more than `max_body`
    bytes of an answer are ever held.
    """

    options_type = HttpOptions
    readings: ClassVar[Mapping[str, ReadingSpec]] = {
        "status": ReadingSpec("Status code of the last answer."),
        "content_length": ReadingSpec("Size of the body on the wire.", "bytes"),
        "uncompressed_length": ReadingSpec("Size of the body after decompression.", "bytes"),
        "redirects": ReadingSpec("Redirects followed."),
        "certificate_expiry": ReadingSpec(
            "Time until the server's certificate expires, below 0 when it has; told even when it was refused.",
            "seconds",
        ),
    }
    facts: ClassVar[tuple[str, ...]] = ("http_version", "tls_version", "certificate_issuer")

    def __init__(self, options: HttpOptions, context: ProbeContext) -> None:
        super().__init__(options, context)
        self._rules = Rules.compile(options.expect)
        body = options.body.reveal().encode() if options.body is not None else b""
        self._request = Request.first(options, body)

    @classmethod
    def default_when_down(cls, options: HttpOptions) -> str:
        """Another host's failing does not mean that this replica cannot serve."""
        return "unready" if is_loopback(options.url.host) else "degraded"

    @classmethod
    def target(cls, options: HttpOptions) -> str:
        """The URL without user, query and fragment."""
        return str(URL(options.url.reveal()).with_user(None).with_query(None).with_fragment(None))

    async def check(self, attempt: Attempt) -> Measurement:
        """One request and its redirects."""
        return self.measured(await self.look(attempt))

    async def look(self, attempt: Attempt, *, keep: bool = False) -> Look:
        """Look once; `keep`: hold the body. Raises ProbeFailed, with what was measured until then."""
        left = attempt.seconds_left
        left -= min(_EARLY, left / 20)
        watch, deadline = Stopwatch(time.monotonic), time.monotonic() + left
        look = Look(self.options, self._rules, watch, deadline, self.context.family, keep=keep)
        try:
            async with asyncio.timeout(left):
                await look.run(self._first().traced(attempt.traceparent))
        except ProbeFailed as failed:
            failed.phase = failed.phase or look.watch.phase
            failed.measurement = self.measured(look)
            raise
        except (OSError, EOFError) as error:
            phase = look.watch.phase
            reason, detail = classify(error, phase)
            raise ProbeFailed(reason, detail, phase=phase, measurement=self.measured(look)) from error
        return look

    def _first(self) -> Request:
        if not self.options.body_file:
            return self._request
        try:
            body = Path(self.options.body_file).read_bytes()
        except OSError as error:
            raise ProbeFailed(Reason.CONFIG, f"body_file cannot be read: {error.strerror}") from error
        return Request.first(self.options, body)

    def measured(self, look: Look) -> Measurement:
        """What one look found."""
        readings = tuple(self.reading(name, value) for name, value in look.values())
        look.watch.stop()
        return Measurement(readings, look.watch.seconds, look.facts, look.concerns, look.detail)
