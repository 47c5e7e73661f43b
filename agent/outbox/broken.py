"""The alert about a receiver that refuses alerts for good: the others are told, since it will not say so itself."""

from collections.abc import Mapping
from dataclasses import replace

from agent.alerting.identity import identity
from exporters.base import Alert, Severity

ALERT_NAME = "OutriderReceiverBroken"


def broken(receiver: str, reason: str, labels: Mapping[str, str], now: float) -> Alert:
    """It begins. `labels` are the service and the file's own; `reason` is of the small set of `Permanent`."""
    labels = {**labels, "alertname": ALERT_NAME, "severity": Severity.TICKET.value, "receiver": receiver}
    texts = {
        "summary": f"{labels.get('service', '')} cannot alert {receiver}: it refuses for good ({reason})".lstrip(),
        "description": "What it refused is not sent to it again. The agent's log has its answer in full.",
    }
    return Alert(ALERT_NAME, Severity.TICKET, now, identity(labels), labels=labels, annotations=texts)


def mended(alert: Alert, now: float, what: str = "takes alerts again") -> Alert:
    """It is over."""
    summary = f"{alert.labels.get('service', '')} receiver {alert.labels['receiver']} {what}".lstrip()
    return replace(alert, resolved_at=max(now, alert.started_at), annotations={"summary": summary})
