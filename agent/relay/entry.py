"""One accepted request, as every room of the relay knows it."""

from enum import StrEnum
from typing import NamedTuple

#: Request headers that go along to the upstream: (lower-case name, value), sorted. Requests that differ are not merged.
Headers = tuple[tuple[str, str], ...]

HOPS = "outrider-hops"  #: how many Outriders a request came through; one of the headers above
MAX_HOPS = 8  #: with more it goes round in a circle


_FREE = 256  # bytes of headers that cost nothing more: names of tenants, and our own


def size_of(body: bytes, headers: Headers) -> int:
    """Bytes that a request takes, in memory and on disk, beside what every request does."""
    return len(body) + max(0, sum(len(name) + len(value) for name, value in headers) - _FREE)


class Signal(StrEnum):
    """What OTLP carries. The values are the last part of its HTTP paths."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class Entry(NamedTuple):
    """A request's bytes as they came (protobuf, uncompressed; shared by all destinations), and what is known of it.

    `items`: spans, data points or log records. `at`: Unix time of its arrival. `seq` grows with every entry, across
    restarts where there is a state folder.
    """

    seq: int
    signal: Signal
    body: bytes
    items: int
    at: float
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return size_of(self.body, self.headers)
