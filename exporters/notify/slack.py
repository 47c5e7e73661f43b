"""Alerts to a channel of Slack by an incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from config.net.text import rfc3339
from exporters.base import Alert, Notifier, Severity
from exporters.notify.chat import MAX_AGE, ChatOptions
from exporters.notify.post import Poster
from exporters.notify.wording import beside, fit, headline, link, paragraph, rows, units

#: Slack's control characters: whatever is not escaped may call a whole channel (`<!channel>`).
ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: UTF-16 units. Slack takes 150 in a header and 3000 in a section; a total of about 13,000, which it does not document,
#: is refused too (slackapi/bolt-js issue 2509). The sum of these is below 10,000.
MAX_TEXT, MAX_HEADER, MAX_DESCRIPTION, MAX_DETAILS, MAX_LABELS, MAX_LINK = 500, 150, 3000, 2500, 2000, 1500


class SlackNotifier(Notifier[ChatOptions]):
    """One message when an alert fires, one when it is resolved: a webhook's message cannot be changed later."""

    options_type = ChatOptions
    max_age: ClassVar[float | None] = MAX_AGE

    def __init__(self, options: ChatOptions) -> None:
        super().__init__(options)
        self.send_missed = options.send_missed
        self._poster = Poster(headers={}, tls=options.tls, timeout=options.timeout)

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Raises Retryable or Permanent at the first alert that is not taken."""
        for alert in alerts:
            await self._poster.post(self.options.url, slack_body(alert), yes=b"ok")

    async def aclose(self) -> None:
        """Close the connection. Safe twice."""
        await self._poster.aclose()


def slack_body(alert: Alert) -> bytes:
    """The same bytes at every attempt. Plain text where it can be: `*` and `_` in a name are no style."""
    title = f"{_light(alert)} {headline(alert)}"
    parts = (
        paragraph(alert.annotations.get("description", ""), MAX_DESCRIPTION),
        _lines(beside(alert), MAX_DETAILS),
        _lines(alert.labels, MAX_LABELS),
        f"since {rfc3339(alert.started_at)}",
    )
    limits = (MAX_DESCRIPTION, MAX_DETAILS, MAX_LABELS, MAX_LABELS)
    blocks: list[dict[str, object]] = [{"type": "header", "text": _plain(title, MAX_HEADER)}]
    blocks += [
        {"type": "section", "text": _plain(part, limit)} for part, limit in zip(parts, limits, strict=True) if part
    ]
    if runbook := link(alert):
        blocks.append({"type": "section", "text": _linked(runbook)})
    message = {"text": fit(title, MAX_TEXT, ESCAPES), "blocks": blocks}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def _light(alert: Alert) -> str:
    if not alert.firing:
        return "\N{LARGE GREEN CIRCLE}"
    return "\N{LARGE RED CIRCLE}" if alert.severity is Severity.PAGE else "\N{LARGE ORANGE CIRCLE}"


def _plain(text: str, limit: int) -> dict[str, object]:
    return {"type": "plain_text", "text": fit(text, limit, ESCAPES)}


def _linked(url: str) -> dict[str, object]:
    escaped = "".join(ESCAPES.get(character, character) for character in url)
    if units(escaped) > MAX_LINK:  # half a link leads nowhere
        return _plain(url, MAX_LINK)
    return {"type": "mrkdwn", "text": f"<{escaped}|Runbook>", "verbatim": True}


def _lines(texts: Mapping[str, str], limit: int) -> str:
    return "\n".join(f"{name}: {text}" for name, text in rows(texts, limit))
