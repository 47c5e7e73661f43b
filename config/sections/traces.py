"""`traces`: telemetry in, what is done with it on the way, and where it goes."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, field

from config.net.headers import header_problems
from config.options import Options
from config.sections.names import Line, Name
from config.shapes import Rest
from config.types import Duration, ListenAddress, Ratio, Secret, Size, Url

MIB = 1024 * 1024
_PATH = "^/[!-~]*[^/?#]$"
_ORIGIN = "^(\\*|https?://[^/]+)$"
_ATTRIBUTE = "^[!-~]{1,256}$"


class ReceiveTls(Options, frozen=True, kw_only=True):
    """TLS of the OTLP listeners. Files are PEM, and are read again when they change."""

    cert: Annotated[str, Meta(min_length=1, description="file of the certificate, with its chain")]
    key: Annotated[str, Meta(description="file of its key, unless `cert` holds it too")] = ""
    client_ca: Annotated[str, Meta(description="file of the roots that clients' certificates must have")] = ""


class Receive(Options, frozen=True, kw_only=True):
    """Where the service sends its telemetry."""

    #: OTLP over HTTP, protobuf and JSON.
    http: ListenAddress = ListenAddress("127.0.0.1", 4318)
    #: OTLP over gRPC; not without being asked for, as it costs 13 MiB.
    grpc: ListenAddress | None = None
    #: The path for spans over HTTP, where a sender cannot be told another.
    traces_path: Annotated[str, Meta(pattern=_PATH)] = "/v1/traces"
    #: The largest request, decompressed. Left out: 64 MiB or half of `memory`, whichever is less.
    max_body: Annotated[Size, Meta(ge=1024, le=64 * MIB)] | None = None
    #: Bytes of all requests that are being received. Left out: an eighth of the container's memory, 16 to 128 MiB.
    memory: Annotated[Size, Meta(ge=64 * 1024)] | None = None
    #: Origins of web pages that may send, such as https://shop.example; `*` is any.
    cors: tuple[Annotated[str, Meta(pattern=_ORIGIN)], ...] = ()
    #: Request headers that go along to the upstream, such as x-tenant; requests that differ in them are never merged.
    pass_headers: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    #: Asked of every sender as `authorization: Bearer`; a file is read again when it changes.
    token: Secret | None = None
    tls: ReceiveTls | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Headers that mean something to HTTP itself are not passed on; one request fits into the memory."""
        for key, text in header_problems(dict.fromkeys(self.pass_headers, Secret(""))):
            yield key.replace("headers", "pass_headers", 1), text
        if self.max_body and self.memory and self.max_body > self.memory:
            yield "max_body", f"is more than `memory` ({self.memory}), which all requests share"


class Destination(Options, frozen=True, kw_only=True):
    """One upstream; `rest` holds the keys of its kind (`endpoint`, `headers`, `tls`, `timeout`, `compression`)."""

    type: Annotated[str, Meta(min_length=1, max_length=200, description="otlp_http, otlp_grpc or a plug-in")] = (
        "otlp_http"
    )
    #: Give spans up when the upstream says 401 or 403, as OTLP has it, instead of keeping them until somebody mends it.
    drop_on_auth_error: bool = False
    rest: Rest


class QueueLimits(Options, frozen=True, kw_only=True):
    """How much may wait."""

    #: Bytes in memory, of all destinations together.
    memory: Annotated[Size, Meta(ge=64 * 1024)] = Size(16 * MIB)
    #: Bytes on disk, of all destinations together.
    disk: Annotated[Size, Meta(ge=MIB)] = Size(256 * MIB)
    #: What is older is dropped: an upstream that comes back next week does not want it.
    max_age: Annotated[Duration, Meta(ge=60)] = Duration(3 * 86400)
    #: `refuse`: the sender is told 503. `drop_oldest`: the newest is kept. Left out: refuse in memory, drop on disk.
    on_full: Literal["refuse", "drop_oldest"] | None = None


class RequestMetrics(Options, frozen=True, kw_only=True):
    """Rate, errors and duration of requests, from the spans that pass."""

    enabled: bool = True
    #: Kinds of spans that are requests.
    kinds: tuple[Literal["server", "consumer"], ...] = ("server", "consumer")
    #: Routes with a series of their own; the others are `_other`.
    routes: Annotated[int, Meta(ge=1, le=1000)] = 50
    #: Spans that ended longer ago are counted as late, and burn no error budget.
    late: Annotated[Duration, Meta(ge=10, le=86400)] = Duration(300)


class OwnSpans(Options, frozen=True, kw_only=True):
    """The agent's own traces: one span for each attempt of a probe."""

    #: Base URL of an OTLP/HTTP upstream. Left out: our own receiver, and with that every destination.
    endpoint: Url | None = None
    #: The share of attempts whose span is sent; the others carry an unsampled `traceparent`.
    sample: Ratio = Ratio.parse("0%")


class Traces(Options, frozen=True, kw_only=True):
    """Telemetry is received only where this section is written."""

    receive: Receive = Receive()
    #: Every destination gets everything.
    forward: Annotated[
        dict[Name, Destination], Meta(min_length=1, description="where spans go, such as gateway: {endpoint: URL}")
    ]
    #: `memory`: lost when the process dies. `process`: survives kill -9. `host`: survives power loss. The last two keep
    #: what is queued in `state_dir`. Left out: process where there is a `state_dir`, else memory.
    durability: Literal["memory", "process", "host"] | None = None
    queue: QueueLimits = QueueLimits()
    #: Further signals that are carried like spans.
    pass_through: tuple[Literal["metrics", "logs"], ...] = ()
    #: Attributes that resources get where they lack them, beside the file's `labels`.
    resource: dict[Annotated[str, Meta(pattern=_ATTRIBUTE)], Line] = field(default_factory=dict)
    #: Add what the environment says: OTEL_RESOURCE_ATTRIBUTES, K8S_POD_NAME and its kin, the container's id, the host.
    detect_resource: bool = False
    #: Attributes whose values are replaced, wherever they stand; `*` at an end matches any rest.
    redact: tuple[Annotated[str, Meta(pattern=_ATTRIBUTE)], ...] = ()
    #: The share of traces that is forwarded, the same ones on every replica. Request metrics count all of them.
    sample: Ratio = Ratio.parse("100%")
    metrics: RequestMetrics = RequestMetrics()
    own_spans: OwnSpans | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """A share is a share."""
        if not 0 < self.sample.value <= 1:
            yield "sample", f"{self.sample} is no share of traces; write one above 0% and up to 100%, such as 10%"
        own = self.own_spans
        if own and not 0 <= own.sample.value <= 1:
            yield "own_spans.sample", "is no share; write one from 0% to 100%"
        if own and own.endpoint is None and (self.receive.http.path or self.receive.tls):
            why = "a Unix socket" if self.receive.http.path else "TLS, whose certificate rarely names 127.0.0.1"
            yield "own_spans.endpoint", f"is needed where `receive` has {why}; write the upstream's base URL"
