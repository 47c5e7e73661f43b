"""One alert as a document for machines: the same keys wherever Outrider writes one of its own."""

from config.net.text import rfc3339
from exporters.base import Alert


def document(alert: Alert) -> dict[str, object]:
    """Ready for JSON. `key` is the same for the same alert on every replica; `resolved_at` is None while it fires."""
    return {
        "alertname": alert.name,
        "service": alert.labels.get("service", ""),
        "slo": alert.labels.get("slo", ""),
        "severity": alert.severity.value,
        "key": alert.key,
        "started_at": rfc3339(alert.started_at),
        "resolved_at": None if alert.resolved_at is None else rfc3339(alert.resolved_at),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
    }
