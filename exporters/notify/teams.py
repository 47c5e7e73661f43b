"""Alerts to a channel of Microsoft Teams: an adaptive card, posted to a workflow that waits for webhook requests."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from config.net.text import clean, rfc3339
from exporters.base import Alert, Notifier, Severity
from exporters.notify.chat import MAX_AGE, ChatOptions
from exporters.notify.post import Poster
from exporters.notify.wording import beside, fit, headline, link, rows

MAX_BODY = 20_000  #: bytes; Microsoft writes 28 KB, a client was refused from 21 KB on

_TITLE, _DESCRIPTION, _DETAILS, _LABELS = 500, 4000, 4000, 2000  # UTF-16 units, as long as they fit


class TeamsNotifier(Notifier[ChatOptions]):
    """One card when an alert fires, one when it is resolved. 202 only means that the workflow began."""

    options_type = ChatOptions
    max_age: ClassVar[float | None] = MAX_AGE

    def __init__(self, options: ChatOptions) -> None:
        super().__init__(options)
        self.send_missed = options.send_missed
        self._poster = Poster(headers={}, tls=options.tls, timeout=options.timeout)

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Raises Retryable or Permanent at the first alert that is not taken."""
        for alert in alerts:
            await self._poster.post(self.options.url, teams_body(alert))

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        await self._poster.aclose()


def teams_body(alert: Alert) -> bytes:
    """The same bytes at every attempt. Where all of it is too much, every text is cut to a half, then to a quarter."""
    body = b""
    for share in (1, 2, 4):
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "msteams": {"width": "full"},
            "body": _body(alert, share),
            "actions": [{"type": "Action.OpenUrl", "title": "Runbook", "url": url}] if (url := link(alert)) else [],
        }
        kind = "application/vnd.microsoft.card.adaptive"
        message = {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
        if len(body) <= MAX_BODY:
            break
    return body


def _body(alert: Alert, share: int) -> list[dict[str, object]]:
    title = fit(headline(alert), _TITLE // share)
    description = fit(clean(alert.annotations.get("description", ""), _DESCRIPTION), _DESCRIPTION // share)
    blocks = [_block(_run(title, size="large", weight="bolder", color=_color(alert)))]
    if description:
        blocks.append(_block(_run(description)))
    blocks += _facts(beside(alert), _DETAILS // share)
    blocks += _facts(alert.labels, _LABELS // share)
    return [*blocks, *_facts({"since": rfc3339(alert.started_at)}, _LABELS)]


def _facts(texts: Mapping[str, str], limit: int) -> list[dict[str, object]]:
    pairs = list(rows(texts, limit))
    return [_block(_run(f"{name}: ", weight="bolder"), _run(text)) for name, text in pairs]


def _block(*runs: dict[str, str]) -> dict[str, object]:
    """A RichTextBlock: unlike a TextBlock or a FactSet it takes no markdown, so no text can make a link or a style."""
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **looks: str) -> dict[str, str]:
    return {"type": "TextRun", "text": text, **looks}


def _color(alert: Alert) -> str:
    if not alert.firing:
        return "good"
    return "attention" if alert.severity is Severity.PAGE else "warning"
