"""The contracts of what leaves the agent: samples, spans, alerts."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

from config.options import Options
from exporters.contract import Metric


class Sample(NamedTuple):
    """One number of one family, at one set of label values (in the order of the family's label names)."""

    labels: tuple[str, ...]
    value: float


class Exemplar(NamedTuple):
    """One observation of a bucket, named by labels of its own (a trace's id): at most 128 characters of them."""

    labels: tuple[tuple[str, str], ...]
    value: float
    at: float  #: Unix seconds


class Histogram(NamedTuple):
    """Cumulative counts at each upper bound of the family (the last one +Inf), and the sum of what was observed.

    `exemplars`: none, or one or None for each bucket. Only OpenMetrics shows them.
    """

    labels: tuple[str, ...]
    buckets: tuple[int, ...]
    total: float
    exemplars: tuple[Exemplar | None, ...] = ()


class SampleSource(Protocol):
    """Something that can be asked for its current numbers. Read on scrape, so there is nothing to unregister.

    Must not block or await, and must not change state.
    """

    def samples(self) -> Iterable[tuple[str | Metric, Iterable[Sample | Histogram]]]:
        """Pairs (a name in exporters.contract or a family made by one of its rules, its samples)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the upstream said of one request that it answered with success (OTLP partial_success)."""

    rejected: int = 0
    message: str = ""


class Retryable(Exception):  # noqa: N818 - the type decides: retry
    """Not now: try again, not before `after` seconds if it says so. `reason` is from a small closed set."""

    def __init__(self, reason: str, detail: str = "", after: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.after = after


class Permanent(Exception):  # noqa: N818 - the type decides: never again
    """Never: the same request will be refused again. `reason` is from a small closed set."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class SpanSender(Protocol):
    """One upstream for spans, and for metrics and logs. One call is one attempt; retrying is the relay's.

    A sender may have `merge_bytes`, how large a merged request may be, and its class `default_port`, the port that is
    meant where the endpoint names none.
    """

    async def send(self, body: bytes, signal: str = "traces", headers: Sequence[tuple[str, str]] = ()) -> Delivery:
        """Deliver one Export...ServiceRequest (protobuf) of `signal`: traces, metrics or logs.

        `headers` go along with the request, beside those of the options. Raises Retryable or Permanent.
        """

    async def aclose(self) -> None:
        """Give connections back. Safe twice."""


class Severity(StrEnum):
    """page wakes a person now; ticket waits for the morning."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as a destination sees it. `labels` are its identity, `annotations` may change between sends.

    Times are wall-clock seconds. `resolved_at` is None while it fires. `key` is the same for the same alert on every
    replica and after every restart: destinations use it to fold duplicates.
    """

    name: str
    severity: Severity
    started_at: float
    key: str
    resolved_at: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def firing(self) -> bool:
        """Whether it still holds."""
        return self.resolved_at is None


O = TypeVar("O", bound=Options)  # noqa: E741 - O for options, as in DESIGN


class Notifier(ABC, Generic[O]):
    """One place alerts go. One call is one attempt; retrying, coalescing and counting are the outbox's.

    `lease` True: it wants every firing alert again each `resend` seconds, and takes silence as resolved.
    `spoken` False: every replica tells it by itself, because the place is the replica's own. Of all others that are no
    leases one replica tells for all, where replicas know each other.
    `max_age`: seconds after which the end of something is no news to a place that never heard of its beginning; None:
    it always is. `send_missed` True: then it is told all the same, as what was.
    """

    options_type: ClassVar[type[Options]] = Options
    lease: ClassVar[bool] = False
    spoken: ClassVar[bool] = True
    resend: ClassVar[float] = 60.0
    max_age: ClassVar[float | None] = None
    send_missed: bool = False

    def __init__(self, options: O) -> None:
        self.options = options

    @abstractmethod
    async def notify(self, alerts: Sequence[Alert]) -> None:
        """Send these alerts. Raises Retryable or Permanent."""

    async def aclose(self) -> None:
        """Give connections back. Safe twice, safe without a send."""
