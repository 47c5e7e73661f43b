"""Alerts into the agent's own log: one line each."""

import json
import logging
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec

from config.net.text import clean
from config.options import Options
from exporters.base import Alert, Notifier
from exporters.notify.document import document

_log = logging.getLogger("outrider.alerts")


class LogOptions(Options, frozen=True):
    """How the line is written."""

    format: Annotated[Literal["text", "json"], msgspec.Meta(description="what the message itself is")] = "text"


class LogNotifier(Notifier[LogOptions]):
    """Writes one line per alert: a warning when it fires, a notice when it is resolved."""

    options_type = LogOptions
    spoken: ClassVar[bool] = False

    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Never fails."""
        for alert in alerts:
            level = logging.WARNING if alert.firing else logging.INFO
            _log.log(level, "%s", _json(alert) if self.options.format == "json" else _text(alert))


def _text(alert: Alert) -> str:
    said = alert.annotations.get("summary", alert.name)
    if alert.firing and (cause := alert.annotations.get("root_cause")):
        said = f"{clean(said, 500)}; likely root cause: {cause}"
    return clean(f"alert {'firing' if alert.firing else 'resolved'} ({alert.severity}): {said}", 1000)


def _json(alert: Alert) -> str:
    return json.dumps({"status": "firing" if alert.firing else "resolved", **document(alert)})
