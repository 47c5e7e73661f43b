"""Which senders and notifiers ship with Outrider: one line each."""

from config.options import Options
from config.registry import Registry
from exporters.base import Notifier


def _not_a_notifier(found: object) -> str:
    return "" if isinstance(found, type) and issubclass(found, Notifier) else "is not a subclass of outrider.Notifier"


def _not_a_sender(found: object) -> str:
    """SpanSender is a protocol, so what counts is what the class can do."""
    options = getattr(found, "options_type", None)
    able = isinstance(found, type) and hasattr(found, "send") and hasattr(found, "aclose")
    fits = able and isinstance(options, type) and issubclass(options, Options)
    return "" if fits else "is not a span sender: a class with `options_type`, `send` and `aclose`"


SENDERS = Registry(
    noun="destination type",
    builtin={"otlp_http": "exporters.otlp.http:OtlpHttpSender", "otlp_grpc": "exporters.otlp.grpc:OtlpGrpcSender"},
    group="outrider.senders",
    fault=_not_a_sender,
)
NOTIFIERS = Registry(
    noun="receiver type",
    builtin={
        "alertmanager": "exporters.notify.alertmanager:AlertmanagerNotifier",
        "email": "exporters.notify.email:EmailNotifier",
        "log": "exporters.notify.log:LogNotifier",
        "pagerduty": "exporters.notify.pagerduty:PagerDutyNotifier",
        "slack": "exporters.notify.slack:SlackNotifier",
        "teams": "exporters.notify.teams:TeamsNotifier",
        "webhook": "exporters.notify.webhook:WebhookNotifier",
    },
    group="outrider.notifiers",
    fault=_not_a_notifier,
)
