"""What a person may write for a probe of a metrics page."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from config.net.tls import TlsOptions
from config.options import Options
from config.sections.names import LabelName
from config.types import Secret, Size, Url
from probes.base import Kind, ReadingSpec
from probes.http.options import Auth, HttpOptions

MAX_BODY = Size(4 * 1024 * 1024)  #: a page of 50,000 series
MAX_READINGS = 50

#: Text of version 0.0.4 is what every client library can speak; OpenMetrics where there is nothing else.
ACCEPT = "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"

_COUNTING = ("_total", "_count", "_sum", "_bucket")  # names that only counters have
_UNITS = ("seconds", "bytes", "ratio")

ReadingName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,62}$", description="a reading's name such as queue_depth")]


class Series(Options, frozen=True):
    """Which series of the page become one reading."""

    metric: Annotated[
        str,
        Meta(pattern="^[a-zA-Z_:][a-zA-Z0-9_:]{0,254}$", description="its name on the page, such as jobs_total"),
    ]
    labels: Annotated[dict[LabelName, str], Meta(description="label -> the value it must have")] = field(
        default_factory=dict
    )
    aggregate: Annotated[Literal["sum", "max", "min"], Meta(description="of several series")] = "sum"
    kind: Annotated[
        Literal["counter", "gauge", "histogram"] | None, Meta(description="else by the name: counters end in _total")
    ] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Only a sum of counters is a counter again."""
        if self.aggregate != "sum" and self.kinds != "gauge":
            yield "aggregate", f"is {self.aggregate} of a {self.kinds}, which means nothing; write sum"

    @property
    def kinds(self) -> str:
        """What it is: as written, else as its name says."""
        return self.kind or ("counter" if self.metric.endswith(_COUNTING) else "gauge")

    @property
    def spec(self) -> ReadingSpec:
        """The reading that it becomes; a histogram's is the number of its observations."""
        stem = self.metric.removesuffix("_total").removesuffix("_sum")
        unit = next((unit for unit in _UNITS if stem.endswith(f"_{unit}")), "")
        if self.kinds == "histogram":
            return ReadingSpec("", kind=Kind.COUNTER, observes=unit)
        return ReadingSpec("", unit, Kind.GAUGE if self.kinds == "gauge" else Kind.COUNTER)


class PrometheusOptions(Options, frozen=True):
    """A metrics page, and the readings to take off it."""

    url: Annotated[Url, Meta(description="the page, such as http://127.0.0.1:8000/metrics")]
    series: Annotated[dict[ReadingName, Series], Meta(max_length=MAX_READINGS, description="reading -> its series")] = (
        field(default_factory=dict)
    )
    headers: Annotated[dict[str, Secret], Meta(description="header -> value")] = field(default_factory=dict)
    auth: Auth | None = None
    max_body: Annotated[Size, Meta(description="larger pages fail, on the wire or decompressed")] = MAX_BODY
    tls: Annotated[TlsOptions, Meta(description="for https")] = TlsOptions()
    proxy: Annotated[Url | None, Meta(description="http:// proxy; the environment's is never used")] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """The request must be one, and no reading may hide another."""
        if self.max_body > MAX_BODY:
            yield "max_body", f"is more than {MAX_BODY}; write less, and let the service show fewer series"
        else:
            yield from self.http().problems()
        for name in self.series:
            if name in ("duration", "size", "certificate_expiry"):
                yield f"series.{name}", "is the name of a reading that every such probe has; write another name"

    def http(self) -> HttpOptions:
        """The request for the page."""
        own = any(name.lower() == "accept" for name in self.headers)
        headers = self.headers if own else {"Accept": Secret(ACCEPT), **self.headers}
        return HttpOptions(
            url=self.url,
            headers=headers,
            max_body=self.max_body,
            auth=self.auth,
            tls=self.tls,
            proxy=self.proxy,
            compression="none" if any(name.lower() == "accept-encoding" for name in self.headers) else "gzip",
        )
