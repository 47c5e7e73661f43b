"""What a chat is told late: that something was firing, once it is over for too long to be told as news."""

from dataclasses import replace

from config.net.text import rfc3339
from exporters.base import Alert


def missed(alert: Alert) -> Alert:
    """The end of `alert` in words for those who never heard of its beginning."""
    if alert.resolved_at is None:
        return alert
    said = alert.annotations.get("summary", alert.name)
    when = f"{rfc3339(alert.started_at)} to {rfc3339(alert.resolved_at)}"
    summary = f"was firing from {when}, and could not be told then: {said}"
    return replace(alert, annotations={**alert.annotations, "summary": summary})
