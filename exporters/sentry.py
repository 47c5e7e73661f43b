"""Exceptions of the service to Sentry, through its own SDK: loaded only where SENTRY_DSN is set."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol

log = logging.getLogger(__name__)

EVERY = 60.0  #: seconds between two events of one group
GROUPS = 200  #: that are remembered, and that wait
FAREWELL = 2.0  #: seconds that the end waits for what is on its way

_MISSING = "SENTRY_DSN is set, and the extra for it is not installed; add `outrider[sentry]`, or take the variable away"
_WRONG = "SENTRY_DSN is no DSN; copy the one of the project's settings, such as https://KEY@o1.ingest.sentry.io/2"


class Group(Protocol):
    """Exceptions of one type in one route; the texts hold no secrets any more, times are Unix seconds."""

    @property
    def type(self) -> str:
        """The exception's class."""

    @property
    def route(self) -> str:
        """Of the request it ended; "" where none was seen."""

    @property
    def service(self) -> str:
        """Where it was raised."""

    @property
    def message(self) -> str:
        """The newest one's."""

    @property
    def count(self) -> int:
        """How many so far."""

    @property
    def last_seen(self) -> float:
        """When the newest came."""

    @property
    def traces(self) -> tuple[str, ...]:
        """Ids of traces that show it, newest last."""


class Client(Protocol):
    """What is used of the SDK's client. Both may block."""

    def capture_event(self, event: dict[str, Any]) -> object:
        """Queue one event."""

    def close(self, timeout: float) -> None:
        """Send what is queued, and stop."""


class Sentry:
    """Tells Sentry of each group when it first comes, and then at most once a minute, with the count so far."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: dict[tuple[str, str, str], Group] = {}
        self._sent: dict[tuple[str, str, str], float] = {}  # when; the one told last comes last
        self._came = asyncio.Event()

    def seen(self, group: Group) -> None:
        """A group that just grew. Returns at once; what does not fit is told when it comes again."""
        key = (group.type, group.route, group.service)
        if key in self._waiting or len(self._waiting) < GROUPS:
            self._waiting[key] = group
            self._came.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._came.wait()
            self._came.clear()
            await self._send_due()
            if self._waiting:
                await asyncio.sleep(1.0)
                self._came.set()

    async def aclose(self) -> None:
        """Send what waits and is due, as far as two seconds allow."""
        await self._send_due()
        await asyncio.to_thread(self._client.close, FAREWELL)

    def due(self, now: float) -> list[Group]:
        """The groups that wait and may be told at `now` (seconds); they count as told."""
        keys = [key for key in self._waiting if key not in self._sent or now - self._sent[key] >= EVERY]
        for key in keys:
            self._sent.pop(key, None)
            self._sent[key] = now
        while len(self._sent) > GROUPS:
            del self._sent[next(iter(self._sent))]
        return [self._waiting.pop(key) for key in keys]

    async def _send_due(self) -> None:
        for group in self.due(asyncio.get_running_loop().time()):
            await asyncio.to_thread(self._client.capture_event, event(group))  # it serializes, and takes locks


def event(group: Group) -> dict[str, Any]:
    """One event: Sentry makes an issue of each type in each route, whatever the message says."""
    tags = {"service": group.service, "route": group.route, "trace_id": group.traces[-1] if group.traces else ""}
    return {
        "level": "error",
        "platform": "other",
        "logger": "outrider",
        "timestamp": datetime.fromtimestamp(group.last_seen, UTC).isoformat().replace("+00:00", "Z"),
        "transaction": group.route,
        "exception": {"values": [{"type": group.type, "value": group.message}]},
        "fingerprint": [group.type, group.route],
        "tags": {name: value for name, value in tags.items() if value},
        "extra": {"count": group.count, "traces": list(group.traces)},
    }


async def from_environment(environ: Mapping[str, str], tell: Callable[[str], None] = log.warning) -> Sentry | None:
    """The way to Sentry where SENTRY_DSN is set; None without it, and, told in words, where it cannot be used."""
    dsn = environ.get("SENTRY_DSN", "").strip()
    if not dsn:
        return None
    try:
        return Sentry(await asyncio.to_thread(_client, dsn))
    except ImportError:
        tell(_MISSING)
    except ValueError:
        tell(_WRONG)  # not the error's own text, which may hold the key
    return None


def _client(dsn: str) -> Client:
    """The SDK, and nothing of what it would do to this process: no hooks, no breadcrumbs, no traces, no sessions."""
    sdk = import_module("sentry_sdk")
    client: Client = sdk.Client(
        dsn=dsn,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        attach_stacktrace=False,
        send_client_reports=False,
        max_breadcrumbs=0,
        traces_sample_rate=0,
        shutdown_timeout=FAREWELL,
    )
    return client
