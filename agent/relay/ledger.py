"""What became of each span: received = delivered + rejected upstream + dropped + queued, for every destination."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.relay.queue import Queue
from exporters.base import Sample

TRANSPORTS = ("http",)
REFUSED = ("no_destination", "queue_full", "stopping")  #: why spans that we could count were not taken
REFUSED_CODES = ("400", "404", "405", "408", "413", "415", "500", "503")  #: answers to requests that we could not count
REJECTED = ("invalid", "too_large", "partial_success", "answer", "status")  #: why an upstream refused spans for good
DROPPED = ("removed", "shutdown")  #: why we gave spans up
#: Why an attempt is made again: the upstream's status, or how far we came.
RETRIES = ("429", "502", "503", "504", "auth", "connect", "disconnect", "dns", "protocol", "timeout", "tls")

_OTHER = "other"


def _zeros(labels: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys((*labels, _OTHER), 0))


@dataclass(slots=True)
class Account:
    """The spans of one destination. `queue` holds those that are neither delivered nor given up."""

    queue: Queue
    accepted: int = 0
    delivered: int = 0
    rejected: Counter[str] = field(default_factory=lambda: _zeros(REJECTED))
    dropped: Counter[str] = field(default_factory=lambda: _zeros(DROPPED))
    retries: Counter[str] = field(default_factory=lambda: _zeros(RETRIES))  #: attempts, not spans
    partial: int = 0  #: answers with partial_success
    inflight: int = 0  #: requests on their way

    def balanced(self) -> bool:
        """Whether every accepted span is accounted for. Never False: a test's question, and a bug report's."""
        settled = self.delivered + self.rejected.total() + self.dropped.total()
        return self.accepted == settled + self.queue.spans


class Ledger:
    """The numbers of the whole pipeline. Labels outside the closed sets are counted as `other`."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.received = Counter(dict.fromkeys(TRANSPORTS, 0))
        self.refused = Counter(dict.fromkeys(REFUSED, 0))
        self.refused_requests = Counter({(transport, code): 0 for transport in TRANSPORTS for code in REFUSED_CODES})

    def samples(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        """The outrider_otlp_* metrics, each there from the start."""
        yield "outrider_otlp_received_spans_total", _by_label((), self.received)
        yield "outrider_otlp_refused_spans_total", _by_label((), self.refused)
        requests = [Sample(labels, count) for labels, count in self.refused_requests.items()]
        yield "outrider_otlp_refused_requests_total", requests
        accounts = self.accounts.items()
        for name, read in _PER_DESTINATION.items():
            yield f"outrider_otlp_{name}", [Sample((dest,), read(account)) for dest, account in accounts]
        for name, counts in _PER_REASON.items():
            samples = [sample for dest, account in accounts for sample in _by_label((dest,), counts(account))]
            yield f"outrider_otlp_{name}", samples


def count(counts: Counter[str], label: str, number: int) -> None:
    """Add to a closed set of labels; a plug-in's own word becomes `other`, so that series stay bounded."""
    counts[label if label in counts else _OTHER] += number


def _by_label(first: tuple[str, ...], counts: Counter[str]) -> list[Sample]:
    return [Sample((*first, label), number) for label, number in counts.items()]


_PER_DESTINATION: Final[Mapping[str, Callable[[Account], float]]] = {
    "delivered_spans_total": lambda account: account.delivered,
    "queue_spans": lambda account: account.queue.spans,
    "queue_bytes": lambda account: account.queue.bytes,
    "queue_oldest_seconds": lambda account: account.queue.oldest_seconds(),
    "inflight_requests": lambda account: account.inflight,
    "partial_success_total": lambda account: account.partial,
}
_PER_REASON: Final[Mapping[str, Callable[[Account], Counter[str]]]] = {
    "rejected_upstream_spans_total": lambda account: account.rejected,
    "dropped_spans_total": lambda account: account.dropped,
    "retries_total": lambda account: account.retries,
}
