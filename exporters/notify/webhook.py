"""Alerts to any HTTP endpoint, signed as Standard Webhooks 1.0 says (https://www.standardwebhooks.com)."""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from config.net.text import rfc3339
from config.net.tls import TlsOptions
from config.options import Options
from config.types import Duration, Secret, Url
from exporters.base import Alert, Notifier
from exporters.notify.document import document
from exporters.notify.post import MAX_TIMEOUT, Poster, post_problems, url_problem

PREFIX = "whsec_"
_UNRESOLVED = "0001-01-01T00:00:00Z"  # Go's zero time: what Alertmanager writes for an alert without an end


class WebhookOptions(Options, frozen=True):
    """Where to post, and how the receiver can tell that it was us."""

    url: Annotated[Url, msgspec.Meta(description="http:// or https://; any 2xx answer is success")]
    secret: Annotated[Secret | None, msgspec.Meta(description="whsec_ and base64 of 24 to 64 bytes; signs")] = None
    old_secret: Annotated[
        Secret | None, msgspec.Meta(description="signs too while receivers change from it to `secret`")
    ] = None
    format: Annotated[
        Literal["native", "alertmanager"],
        msgspec.Meta(description="alertmanager: the body of Alertmanager's own webhooks, for receivers made for those"),
    ] = "native"
    headers: Annotated[dict[str, Secret], msgspec.Meta(description="sent with every request")] = msgspec.field(
        default_factory=dict
    )
    tls: TlsOptions = TlsOptions()
    timeout: Annotated[Duration, msgspec.Meta(description="for one attempt as a whole")] = Duration(15)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Rules over several keys."""
        problem = url_problem(self.url)
        if problem:
            yield "url", problem
        if not 0 < self.timeout <= MAX_TIMEOUT:
            yield "timeout", f"is not between 0s and {MAX_TIMEOUT:g}s; write for example 15s"
        if self.old_secret is not None and self.secret is None:
            yield "old_secret", "has no `secret` beside it; write the new one there"
        for key, secret in (("secret", self.secret), ("old_secret", self.old_secret)):
            if secret is not None and _key(secret) is None:
                yield key, f"is no signing secret; write {PREFIX} and base64 of 24 to 64 random bytes"
        yield from post_problems(self.headers, [self.url])


class WebhookNotifier(Notifier[WebhookOptions]):
    """One POST per alert and event. The id stays the same over attempts, so that a receiver can tell repeats."""

    options_type = WebhookOptions

    def __init__(self, options: WebhookOptions) -> None:
        super().__init__(options)
        self._keys = [key for secret in (options.secret, options.old_secret) if secret and (key := _key(secret))]
        self._poster = Poster(headers=options.headers, tls=options.tls, timeout=options.timeout)

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Raises Retryable or Permanent at the first alert that is not taken."""
        for alert in alerts:
            body = native_body(alert) if self.options.format == "native" else alertmanager_body(alert)
            await self._poster.post(self.options.url, body, self._headers(alert, body))

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        await self._poster.aclose()

    def _headers(self, alert: Alert, body: bytes) -> dict[str, str]:
        id_, at = event_id(alert), int(time.time())
        headers = {"webhook-id": id_, "webhook-timestamp": str(at)}
        if self._keys:
            headers["webhook-signature"] = " ".join(signature(key, id_, at, body) for key in self._keys)
        return headers


def event_id(alert: Alert) -> str:
    """One id for one event: this alert, in this episode, fires or is resolved. No dots: the signature uses them."""
    what = f"{alert.key}\0{alert.started_at!r}\0{alert.firing}"
    return f"msg_{sha256(what.encode()).hexdigest()[:32]}"


def signature(key: bytes, id_: str, at: int, body: bytes) -> str:
    """One element of `webhook-signature`; `at` is the time of the attempt in whole seconds."""
    digest = hmac.digest(key, f"{id_}.{at}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def native_body(alert: Alert) -> bytes:
    """Outrider's own body; the same bytes at every attempt."""
    at = alert.started_at if alert.resolved_at is None else alert.resolved_at
    event = {
        "type": f"slo.alert.{'firing' if alert.firing else 'resolved'}",
        "timestamp": rfc3339(at),
        "data": document(alert),
    }
    return json.dumps(event, separators=(",", ":")).encode()


def alertmanager_body(alert: Alert) -> bytes:
    """The body of an Alertmanager webhook (version 4) with this one alert."""
    status = "firing" if alert.firing else "resolved"
    labels, annotations = dict(alert.labels), dict(alert.annotations)
    message = {
        "version": "4",
        "groupKey": alert.key,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "outrider",
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(alert.started_at),
                "endsAt": _UNRESOLVED if alert.resolved_at is None else rfc3339(alert.resolved_at),
                "generatorURL": "",
                "fingerprint": alert.key[:16],
            }
        ],
    }
    return json.dumps(message, separators=(",", ":")).encode()


def _key(secret: Secret) -> bytes | None:
    """The bytes to sign with; None when the text is no such secret."""
    text = secret.reveal()
    if not text.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if 24 <= len(key) <= 64 else None
