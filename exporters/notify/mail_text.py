"""Alerts as one mail: a subject for the lock screen, a text, and the same as small HTML."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from hashlib import sha256
from html import escape

from config.net.text import clean, rfc3339
from exporters.base import Alert
from exporters.notify.mail_address import Mailbox
from exporters.notify.wording import beside

MOST = 50  #: alerts that are told in full

_POLICY = policy.SMTP.clone(cte_type="7bit")  # no server on the way needs 8BITMIME
_KEY = re.compile(r"[A-Za-z0-9._-]{1,200}")
_LINK = re.compile(r"https?://[^\s\x00-\x1f]+")


def mail(alerts: Sequence[Alert], sender: Mailbox, to: Sequence[Mailbox], *, name: str, now: float) -> bytes:
    """One message, ready for DATA but for the dots. `name` is its Message-ID without the brackets.

    What an alert says comes from a file, from spans and from servers: line ends in it cannot make headers.
    """
    message = EmailMessage(policy=_POLICY)
    message["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    message["Subject"] = subject(alerts)
    message["Auto-Submitted"] = "auto-generated"
    told, left = alerts[:MOST], len(alerts) - MOST
    more = f"\n\nand {left} more alerts" if left > 0 else ""
    message.set_content("\n\n\n".join(map(_text, told)) + f"{more}\n")
    body = "<hr>".join(map(_html, told)) + escape(more)
    message.add_alternative(f'<!DOCTYPE html><html><meta charset="utf-8"><body>{body}</body></html>\n', subtype="html")
    return _identity(alerts, name) + _people(sender, to) + message.as_bytes()


def _identity(alerts: Sequence[Alert], name: str) -> bytes:
    """The headers by which a mailer shows all mails of one alert together.

    Written here: the library makes an encoded word of an identifier of 78 characters, which no mailer understands.
    """
    threads = [f"<{_thread(alert.key)}@outrider>" for alert in alerts[:10]]
    lines = (f"Message-ID: <{name}>", f"In-Reply-To: {threads[0]}", "References: " + "\r\n ".join(threads))
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _people(sender: Mailbox, to: Sequence[Mailbox]) -> bytes:
    """Written here too: behind a name beyond ASCII the library encodes the comma, and two addresses become one."""
    shown = ",\r\n ".join(map(_shown, to))
    return f"From: {_shown(sender)}\r\nTo: {shown}\r\n".encode("ascii")


def _thread(key: str) -> str:
    return key if _KEY.fullmatch(key) else sha256(key.encode(errors="replace")).hexdigest()


def _shown(box: Mailbox) -> str:
    if box.name.isascii():
        return formataddr((box.name, box.address))
    name = Header(box.name, "utf-8", header_name="From").encode(linesep="\r\n")
    return f"{name}\r\n <{box.address}>"  # a line with encoded words must be short (RFC 2047, 2)


def subject(alerts: Sequence[Alert]) -> str:
    """`[FIRING] what`, or how many of each."""
    if len(alerts) == 1:
        return clean(f"[{_status(alerts[0])}] {_said(alerts[0])}", 150)
    counts = {word: sum(_status(alert) == word for alert in alerts) for word in ("FIRING", "RESOLVED")}
    marks = ", ".join(f"{word}: {count}" for word, count in counts.items() if count)
    services = sorted({service for alert in alerts if (service := alert.labels.get("service"))})
    return clean(f"[{marks}] {', '.join(services)}", 150)


def _status(alert: Alert) -> str:
    return "FIRING" if alert.firing else "RESOLVED"


def _said(alert: Alert) -> str:
    return alert.annotations.get("summary") or alert.name


def _rows(alert: Alert) -> list[tuple[str, str]]:
    """Names and values, cleaned; the annotations that have no place of their own too."""
    rows = [("severity", alert.severity.value), ("since", rfc3339(alert.started_at))]
    if alert.resolved_at is not None:
        rows.append(("ended", rfc3339(alert.resolved_at)))
    if runbook := alert.annotations.get("runbook_url"):
        rows.append(("runbook_url", runbook))
    rows += [(key, text) for key, text in beside(alert).items() if key != "runbook_url"]
    rows += [(key, text) for key, text in sorted(alert.labels.items()) if key != "severity" and text]
    return [(clean(key, 128), clean(text, 1024)) for key, text in rows]


def _text(alert: Alert) -> str:
    head = f"{_status(alert)}: {clean(_said(alert), 500)}"
    description = clean(alert.annotations.get("description", ""), 4000)
    rows = "\n".join(f"{key}: {text}" for key, text in _rows(alert))
    return "\n\n".join(part for part in (head, description, rows) if part)


def _html(alert: Alert) -> str:
    colour = "#b3261e" if alert.firing else "#1b6e3c"
    mark = f'<b style="color:{colour}">{_status(alert)}</b>'
    description = clean(alert.annotations.get("description", ""), 4000)
    rows = "".join(f"<tr><td>{escape(key)}</td><td>{_cell(text)}</td></tr>\n" for key, text in _rows(alert))
    return f"<p>{mark}: {escape(clean(_said(alert), 500))}</p>\n<p>{escape(description)}</p>\n<table>\n{rows}</table>\n"


def _cell(text: str) -> str:
    shown = escape(text)
    return f'<a href="{shown}">{shown}</a>' if _LINK.fullmatch(text) else shown
