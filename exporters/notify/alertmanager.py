"""Alerts to Alertmanager as leases: said again while they fire, never said to be over.

Alertmanager folds alerts with the same labels. If each replica also told it when an alert is over, the first healthy
one would end the alert of all the others. So every replica repeats what fires for it and then falls silent; the alert
ends when the last of them has been silent for Alertmanager's own `resolve_timeout` (5 minutes unless configured).
`startsAt` and `endsAt` are left out, and so both run on Alertmanager's clock. A replica's own may be wrong: when it is
fast every alert would be refused, and when it is slow every alert would be born resolved.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

import msgspec

from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, Secret, Url
from exporters.base import Alert, Notifier, Permanent, Retryable
from exporters.notify.post import MAX_TIMEOUT, Poster, post_problems, url_problem

PATH = "/api/v2/alerts"
MAX_RESEND = 75.0  #: a quarter of Alertmanager's resolve_timeout: three lost repeats do not end an alert

# Refusals that may be the fault of one alert. A wrong token or path is that of all: it would be a request for each.
_OF_ONE = frozenset({"refused", "too_large"})

_log = logging.getLogger(__name__)


class AlertmanagerOptions(Options, frozen=True):
    """Every member of one Alertmanager cluster: members do not pass alerts on to each other."""

    urls: Annotated[tuple[Url, ...], msgspec.Meta(description="base URL of each member; not of a balancer")]
    headers: Annotated[dict[str, Secret], msgspec.Meta(description="sent with every request")] = msgspec.field(
        default_factory=dict
    )
    tls: TlsOptions = TlsOptions()
    timeout: Annotated[Duration, msgspec.Meta(description="for one attempt at one member")] = Duration(10)
    resend: Annotated[Duration, msgspec.Meta(description="how often what fires is said again")] = Duration(60)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if not self.urls:
            yield "urls", "names no member; write for example [http://alertmanager:9093]"
        for position, url in enumerate(self.urls):
            problem = url_problem(url)
            if problem:
                yield f"urls[{position}]", problem
            elif "?" in url.reveal() or url.path.rstrip("/").endswith(PATH):
                yield f"urls[{position}]", f"is not a base URL; leave out {PATH} and what follows it"
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not between 0s and {MAX_TIMEOUT:g}s; write for example 10s"
        if not 1 <= self.resend <= MAX_RESEND:
            yield "resend", f"is not between 1s and {MAX_RESEND:g}s; Alertmanager forgets after 5 minutes of silence"
        yield from post_problems(self.headers, self.urls)


class AlertmanagerNotifier(Notifier[AlertmanagerOptions]):
    """Posts what fires to every member at once; one that is down does not hold up the others."""

    options_type = AlertmanagerOptions
    lease: ClassVar[bool] = True

    def __init__(self, options: AlertmanagerOptions) -> None:
        super().__init__(options)
        self.resend = float(options.resend)  # type: ignore[misc]  # the class names the default
        self._poster = Poster(
            headers=options.headers, tls=options.tls, timeout=options.timeout, connections=max(1, len(options.urls))
        )
        self._failing: set[Url] = set()

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Raises Retryable or Permanent when no member took them; one is enough, the next repeat reaches the rest."""
        firing = [alert for alert in alerts if alert.firing]
        if not firing:
            return
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._tell(url, firing)) for url in self.options.urls]
        failures = [failure for task in tasks if (failure := task.result()) is not None]
        if len(failures) == len(tasks):
            raise next((failure for failure in failures if isinstance(failure, Retryable)), failures[0])

    async def aclose(self) -> None:
        """Close the connections. Safe twice."""
        await self._poster.aclose()

    async def _tell(self, url: Url, alerts: Sequence[Alert]) -> Retryable | Permanent | None:
        """One member; returns how it failed."""
        failure = await self._post(url, alerts)
        if isinstance(failure, Permanent) and failure.reason in _OF_ONE and len(alerts) > 1:
            # A member stores the good alerts of a batch it refuses, and does not say which: ask one by one.
            refused = [found for alert in alerts if (found := await self._post(url, [alert])) is not None]
            failure = refused[0] if refused else None
        self._remember(url, failure)
        return failure

    async def _post(self, url: Url, alerts: Sequence[Alert]) -> Retryable | Permanent | None:
        body = json.dumps([_posted(alert) for alert in alerts], separators=(",", ":")).encode()
        try:
            await self._poster.post(url.reveal().rstrip("/") + PATH, body)
        except (Retryable, Permanent) as failure:
            return failure
        return None

    def _remember(self, url: Url, failure: Exception | None) -> None:
        """Log edges only: a member that is down for a night is one line."""
        if failure is None and url in self._failing:
            self._failing.discard(url)
            _log.info("Alertmanager %s takes alerts again", url)
        elif failure is not None and url not in self._failing:
            self._failing.add(url)
            _log.warning("Alertmanager %s does not take alerts: %s", url, failure)


def _posted(alert: Alert) -> dict[str, object]:
    labels = {"alertname": alert.name, "severity": alert.severity.value, **alert.labels}
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": dict(alert.annotations),
    }
