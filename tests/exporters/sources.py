"""Fake sources: one that says something in every family of the contract, one that says what it is told."""

from collections.abc import Iterable
from dataclasses import dataclass

from exporters.base import Exemplar, Histogram, Sample
from exporters.contract import METRICS, Metric
from exporters.families import facts_family, reading_family, service_family, span_duration_family
from exporters.prometheus import LEFT_OFF

LABELS = {
    "probe": ("orders-db", "cache"),
    "type": ("postgres", "redis"),
    "state": ("up", "degraded"),
    "path": ("fresh", "pooled"),
    "phase": ("connect", ""),
    "outcome": ("fail", "pass"),
    "reason": ("connect_refused", "ok"),
    "transport": ("http", "grpc"),
    "code": ("503", "429"),
    "dest": ("gateway", "spare"),
    "service": ("checkout", "checkout-worker"),
    "slo": ("requests", "freshness"),
    "pair": ("page-quick", "page-slow"),
    "window": ("5m", "1h"),
    "runbook_url": ("https://runbooks.example/checkout", ""),
    "alert": ("SloBurn", "SloBudgetSpent"),
    "severity": ("page", "ticket"),
    "receiver": ("oncall", "fleet"),
    "task": ("relay", "outbox"),
    "group": ("orders", "reports"),
    "said": ("ok", "fail"),
    "identity": ("9f86d081884c7d65", "60303ae22b998861"),
    "route": ("/orders/{id}", "_other"),
    "kind": ("server", "consumer"),
    "status": ("ok", "error"),
    "system": ("postgresql", "redis"),
    "peer": ("db.internal:5432", "_other"),
    "signal": ("metrics", "logs"),
    "version": ("0.1.0",),
    "python": ("3.11.7",),
}

EXEMPLAR = Exemplar((("trace_id", "5b8efff798038103d269b633813fc60c"), ("span_id", "eee19b7ec3c1b174")), 0.25, 1.5)

MADE_BY_RULE = (
    (
        reading_family("postgres", "connections_used", "ratio", "gauge", "", "Connections in use, of those usable."),
        [Sample(("orders-db",), 0.31)],
    ),
    (
        reading_family("postgres", "deadlocks", "", "counter", "", "Deadlocks the server has broken."),
        [Sample(("orders-db",), 2)],
    ),
    (
        reading_family("redis", "memory_used", "bytes", "gauge", "slot", "Memory the server uses."),
        [Sample(("cache", "a"), 1048576), Sample(("cache", 'b "quoted" \\ line\nend'), 2**53)],
    ),
    (
        reading_family("http", "certificate_expiry", "seconds", "gauge", "", "Until the first certificate expires."),
        [Sample(("app",), 604800.5)],
    ),
    (
        reading_family("http", "content_length", "bytes", "gauge", "", "Length of the answer's body."),
        [Sample(("app",), 17)],
    ),
    (reading_family("http", "redirects", "", "gauge", "", "Redirects followed."), [Sample(("app",), 0)]),
    (reading_family("http", "status", "", "gauge", "", "Status code of the answer."), [Sample(("app",), 200)]),
    (facts_family("postgres", ("version", "role")), [Sample(("orders-db", "18.6", "primary"), 1)]),
    (
        span_duration_family((0.1, 0.3, float("inf"))),
        [Histogram(("checkout", "server", ""), (1, 2, 3), 0.75, (None, EXEMPLAR, None))],
    ),
    (service_family(("team", "app.kubernetes.io/part-of")), [Sample(("checkout", "payments", "shop"), 1)]),
)


@dataclass
class Told:
    """Says the pairs it was given."""

    pairs: Iterable[tuple[str | Metric, Iterable[Sample | Histogram]]]

    def samples(self):
        """Those pairs."""
        return self.pairs


class Everything:
    """Two series in every family of the contract, and one family of each rule."""

    def samples(self):
        """Every family but the one the page adds itself."""
        for metric in METRICS.values():
            if metric.name != LEFT_OFF:
                yield metric.name, list(self.series(metric))
        yield from MADE_BY_RULE

    def series(self, metric):
        """One series per known value of the labels, all different."""
        for row in range(min((len(LABELS[name]) for name in metric.labels), default=1)):
            labels = tuple(LABELS[name][row] for name in metric.labels)
            if metric.kind == "histogram":
                counts = tuple(range(1 + row, 1 + row + len(metric.buckets)))
                yield Histogram(labels, counts, 0.25 + row)
            else:
                yield Sample(labels, 1 + row)
