"""What became of each span: received = delivered + rejected upstream + dropped + queued, for every destination."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.relay.entry import Signal
from agent.relay.queue import Queue
from agent.relay.store import Deltas, LaneKey
from exporters.base import Sample

TRANSPORTS = ("http", "json", "grpc")
REFUSED = ("no_destination", "queue_full", "stopping")  #: why spans that we could count were not taken
#: Answers to requests that we could not count: HTTP statuses, and gRPC's codes for the transport of that name.
REFUSED_CODES = ("400", "401", "403", "404", "405", "408", "413", "415", "500", "503")
REFUSED_GRPC = (
    "cancelled",
    "invalid_argument",
    "deadline_exceeded",
    "resource_exhausted",
    "unimplemented",
    "internal",
    "unavailable",
    "unauthenticated",
)
#: Why an upstream refused spans for good.
REJECTED = ("auth", "invalid", "too_large", "partial_success", "answer", "status")
#: Why we gave spans up. `lost`: the disk has them no longer. `too_large`: no upstream takes a span of that size.
DROPPED = ("lost", "queue_full", "removed", "sampled", "shutdown", "too_large", "too_old")
#: Why an attempt is made again: the upstream's status, or how far we came.
RETRIES = (
    *("429", "502", "503", "504"),
    *("auth", "connect", "disconnect", "dns", "protocol", "timeout", "tls", "unavailable"),
)
_WANTED = frozenset({"removed", "sampled", "shutdown"})  # drops that somebody asked for
OUTCOMES = ("accepted", "delivered", "rejected", "dropped")  #: of what is passed through

#: What is counted of each signal, in words.
ITEMS: Final = {Signal.TRACES: "spans", Signal.METRICS: "data points", Signal.LOGS: "log records"}

_OTHER = "other"


def _zeros(labels: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys((*labels, _OTHER), 0))


@dataclass(slots=True)
class Account:
    """The items of one lane. `queue` holds those that are neither delivered nor given up."""

    queue: Queue
    accepted: int = 0
    delivered: int = 0
    rejected: Counter[str] = field(default_factory=lambda: _zeros(REJECTED))
    dropped: Counter[str] = field(default_factory=lambda: _zeros(DROPPED))
    retries: Counter[str] = field(default_factory=lambda: _zeros(RETRIES))  #: attempts, not items
    partial: int = 0  #: answers with partial_success
    inflight: int = 0  #: requests on their way
    recovered: int = 0  #: items that an earlier process had left in the queue
    learnt: int = 0  #: bytes of a merged request that this upstream takes; 0: as far as we know, any

    def book(self, deltas: Deltas) -> None:
        """Add to the numbers."""
        for (kind, reason), number in deltas.items():
            match kind:
                case "accepted":
                    self.accepted += number
                case "delivered":
                    self.delivered += number
                case "rejected":
                    count(self.rejected, reason, number)
                case _:
                    count(self.dropped, reason, number)

    @property
    def lost(self) -> int:
        """Items that were rejected or given up, but for those that sampling left out."""
        return self.rejected.total() + self.dropped.total() - self.dropped["sampled"]

    def balanced(self) -> bool:
        """Whether every accepted item is accounted for. Never False: a test's question, and a bug report's."""
        return self.accepted == self.delivered + self.rejected.total() + self.dropped.total() + self.queue.items


class Incoming:
    """The items of one signal at the door."""

    def __init__(self) -> None:
        self.received = Counter(dict.fromkeys(TRANSPORTS, 0))
        self.refused = Counter(dict.fromkeys(REFUSED, 0))


class Ledger:
    """The numbers of the whole pipeline. Labels outside the closed sets are counted as `other`."""

    def __init__(self) -> None:
        self.lanes: dict[LaneKey, Account] = {}
        self.gone: dict[LaneKey, Account] = {}  #: of lanes without a destination, which may come back to their queue
        self.incoming = {signal: Incoming() for signal in Signal}
        refused = [(transport, code) for transport in ("http", "json") for code in REFUSED_CODES]
        refused += [("http", "tls"), *(("grpc", code) for code in REFUSED_GRPC)]
        self.refused_requests = Counter(dict.fromkeys(refused, 0))

    @property
    def accounts(self) -> dict[str, Account]:
        """Of spans, by destination."""
        return {key.dest: account for key, account in self.lanes.items() if key.signal is Signal.TRACES}

    @property
    def received(self) -> Counter[str]:
        """Spans, by transport."""
        return self.incoming[Signal.TRACES].received

    @property
    def refused(self) -> Counter[str]:
        """Spans, by reason."""
        return self.incoming[Signal.TRACES].refused

    def losses(self) -> dict[str, Counter[str]]:
        """What each destination refused, or what was given up for it against anyone's will, by reason; all signals.

        `auth` counts also attempts that are made again: somebody must look at the credentials.
        """
        found: dict[str, Counter[str]] = {}
        for key, account in self.lanes.items():
            dropped = {reason: number for reason, number in account.dropped.items() if reason not in _WANTED}
            auth = {"auth": account.retries["auth"]}
            found.setdefault(key.dest, Counter()).update(account.rejected + Counter(dropped) + Counter(auth))
        return found

    def samples(self, signals: Collection[Signal] = (Signal.TRACES,)) -> Iterable[tuple[str, Iterable[Sample]]]:
        """The outrider_otlp_* metrics, each there from the start; `signals` are those that are carried."""
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
        if any(signal is not Signal.TRACES for signal in signals):
            yield from self._passed()

    def _passed(self) -> Iterable[tuple[str, Iterable[Sample]]]:
        passed = [(key, account) for key, account in self.lanes.items() if key.signal is not Signal.TRACES]
        ends = [
            Sample((key.signal, key.dest, outcome), number)
            for key, account in passed
            for outcome, number in zip(OUTCOMES, _ends(account), strict=True)
        ]
        yield "outrider_otlp_passed_items_total", ends
        queued = [Sample((key.signal, key.dest), account.queue.items) for key, account in passed]
        yield "outrider_otlp_queue_items", queued


def count(counts: Counter[str], label: str, number: int) -> None:
    """Add to a closed set of labels; a plug-in's own word becomes `other`, so that series stay bounded."""
    counts[closed(counts, label)] += number


def closed(labels: Collection[str], label: str) -> str:
    """The label, or `other` when it is not one of them."""
    return label if label in labels else _OTHER


def _ends(account: Account) -> tuple[int, int, int, int]:
    return account.accepted, account.delivered, account.rejected.total(), account.dropped.total()


def _by_label(first: tuple[str, ...], counts: Counter[str]) -> list[Sample]:
    return [Sample((*first, label), number) for label, number in counts.items()]


_PER_DESTINATION: Final[Mapping[str, Callable[[Account], float]]] = {
    "recovered_spans_total": lambda account: account.recovered,
    "delivered_spans_total": lambda account: account.delivered,
    "queue_spans": lambda account: account.queue.items,
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
