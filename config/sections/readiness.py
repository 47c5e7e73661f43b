"""`readiness`: when this replica may get traffic, and how it learns what the other replicas see."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from config.options import Options
from config.types import Duration, Rate, Secret, Url

_HOST = "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9.])?$"
_WAYS = ("dns", "urls", "redis", "prometheus")


class Peers(Options, frozen=True, kw_only=True):
    """Where the other replicas are, or where they leave word. Exactly one of the four ways."""

    #: A name with one address per replica: a headless Service with `publishNotReadyAddresses: true`.
    dns: Annotated[str, Meta(pattern=_HOST, description="a host name such as checkout-outrider")] | None = None
    #: A fixed list of public listeners; the own one may stand in it.
    urls: Annotated[tuple[Url, ...], Meta(max_length=256, description="[http://10.0.0.2:9740, ...]")] = ()
    #: A Redis where every replica leaves a key that expires.
    redis: Annotated[Url, Meta(description="redis://user:password@host:6379/0")] | None = None
    #: A Prometheus that scrapes every replica: later than the other ways by a scrape interval.
    prometheus: Annotated[Url, Meta(description="http://prometheus:9090")] | None = None
    #: Of the other replicas' public listeners, for `dns`. Left out: that of `listen.public`.
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    #: Between two looks at the others; a view is believed for three of them.
    refresh: Annotated[Duration, Meta(ge=0.1, le=60)] = Duration(2)
    #: Shared by all replicas: `/peerz` is answered to nobody else.
    token: Secret | None = None
    #: How often all replicas together may ask one shared target; more replicas ask less often each.
    rate: Rate = Rate(50)

    def problems(self) -> Iterable[tuple[str, str]]:
        """One way, and no more."""
        written = [way for way in _WAYS if getattr(self, way)]
        if not written:
            yield "", f"says not how to find the other replicas; write one of {', '.join(_WAYS)}"
        for way in written[1:]:
            yield way, f"is one way too many beside `{written[0]}`; keep one"
        for number, url in enumerate(self.urls):
            if url.scheme not in {"http", "https"}:
                yield f"urls[{number}]", f"`{url.scheme}://` is not HTTP; write http://10.0.0.2:9740"
        if self.redis is not None and self.redis.scheme not in {"redis", "rediss", "valkey", "valkeys", "unix"}:
            yield "redis", f"`{self.redis.scheme}://` is not Redis; write redis://, rediss:// or unix://"
        if self.prometheus is not None and self.prometheus.scheme not in {"http", "https"}:
            yield "prometheus", f"`{self.prometheus.scheme}://` is not HTTP; write http://prometheus:9090"
        if self.port is not None and not self.dns:
            yield "port", "is for `dns` alone; the other ways carry the port themselves"
        if self.rate <= 0:
            yield "rate", "would ask nobody; write such as 50/s"

    @property
    def way(self) -> str:
        """Which of the four was written."""
        return next(way for way in _WAYS if getattr(self, way))


class Readiness(Options, frozen=True, kw_only=True):
    """Rules over all probes."""

    #: A degraded member makes the replica unready too.
    fail_on_degraded: bool = False
    #: A shared dependency that is down: `auto` asks the peers whether it is me or everyone (without peers it stays
    #: ready and degraded); `degrade` never leaves for it; `unready` leaves, as far as the brake lets it.
    shared: Literal["auto", "degrade", "unready"] = "auto"
    peers: Peers | None = None
    #: After a dependency took the replica out, it comes back within this time, at random: not all at once. 0s: at once.
    ready_delay: Annotated[Duration, Meta(ge=0, le=300)] = Duration(10)
    #: How long it serves on, unready, after it was asked to stop: longer than balancers need to notice.
    drain: Annotated[Duration, Meta(le=3600)] = Duration(15)
