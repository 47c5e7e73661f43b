"""Alerts to PagerDuty: Events API v2 (https://developer.pagerduty.com/docs/events-api-v2-overview)."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from config.net.text import clean, rfc3339
from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, Secret, Url
from exporters.base import Alert, Notifier, Severity
from exporters.notify.post import MAX_TIMEOUT, Poster, url_problem
from exporters.notify.wording import details, fit, link, paragraph

MAX_SUMMARY = 1024  #: characters that the API takes
MAX_BODY = 512_000  #: bytes; it takes 512 KB

_ABOUT: Final = ("slo", "probe", "destination")  #: the label that says what an alert is about
_SEVERITY: Final = {Severity.PAGE: "critical", Severity.TICKET: "warning"}
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_FIELD, _DETAIL, _DETAILS = 255, 10_000, 100


class PagerDutyOptions(Options, frozen=True):
    """Which service is called, and where PagerDuty lives."""

    routing_key: Annotated[Secret, msgspec.Meta(description="integration key of an Events API v2 integration")]
    url: Annotated[
        Url, msgspec.Meta(description="https://events.eu.pagerduty.com/v2/enqueue for accounts in the EU")
    ] = Url("https://events.pagerduty.com/v2/enqueue")
    tls: TlsOptions = TlsOptions()
    timeout: Annotated[Duration, msgspec.Meta(description="for one attempt as a whole")] = Duration(10)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        if not _ROUTING_KEY.fullmatch(self.routing_key.reveal()):
            yield (
                "routing_key",
                "is not 32 letters and digits; take the integration key of an Events API v2 integration",
            )
        problem = url_problem(self.url)
        if problem:
            yield "url", problem
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not between 0s and {MAX_TIMEOUT:g}s; write for example 10s"


class PagerDutyNotifier(Notifier[PagerDutyOptions]):
    """Triggers and resolves. Sending either again is safe: PagerDuty folds by `dedup_key`, the alert's own key."""

    options_type = PagerDutyOptions

    def __init__(self, options: PagerDutyOptions) -> None:
        super().__init__(options)
        secrets = [options.routing_key]
        self._poster = Poster(headers={}, tls=options.tls, timeout=options.timeout, secrets=secrets)

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Raises Retryable or Permanent at the first alert that is not taken."""
        for alert in alerts:
            await self._poster.post(self.options.url, pagerduty_body(alert, self.options.routing_key))

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        await self._poster.aclose()


def pagerduty_body(alert: Alert, routing_key: Secret) -> bytes:
    """The same bytes at every attempt. Too large a body loses its details, not its call."""
    event: dict[str, object] = {
        "routing_key": routing_key.reveal(),
        "event_action": "trigger" if alert.firing else "resolve",
        "dedup_key": alert.key,
    }
    if not alert.firing:  # needs no more; and what is not there cannot be refused while the incident stays open
        return _encoded(event)
    runbook = link(alert)
    event |= {"client": "Outrider", "links": [{"href": runbook, "text": "Runbook"}] if runbook else []}
    body = _encoded(event | {"payload": _payload(alert) | {"custom_details": _details(alert)}})
    if len(body) > MAX_BODY:
        body = _encoded(event | {"payload": _payload(alert) | {"custom_details": {"left_out": "too large"}}})
    return body


def _payload(alert: Alert) -> dict[str, object]:
    summary = paragraph(alert.annotations.get("summary", ""), MAX_SUMMARY) or _field(alert.name) or "an alert"
    service = _field(alert.labels.get("service", ""))
    payload = {
        "summary": summary,
        "source": service or "outrider",
        "severity": _SEVERITY[alert.severity],
        "timestamp": rfc3339(alert.started_at),
        "component": _field(next((alert.labels[key] for key in _ABOUT if key in alert.labels), "")),
        "group": service,
        "class": _field(alert.name),
    }
    return {key: text for key, text in payload.items() if text}


def _details(alert: Alert) -> dict[str, object]:
    texts = {"description": alert.annotations.get("description", "")} | details(alert)
    found: dict[str, object] = {
        clean(key): paragraph(text, _DETAIL) for key, text in list(texts.items())[:_DETAILS] if text
    }
    return found | {"labels": {clean(key): _field(text) for key, text in list(alert.labels.items())[:_DETAILS] if text}}


def _field(text: str) -> str:
    return fit(clean(text, _FIELD), _FIELD)


def _encoded(event: dict[str, object]) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
