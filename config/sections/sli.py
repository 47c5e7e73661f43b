"""`slos.NAME.sli`: what is counted as good or bad."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import Meta

from config.options import Options
from config.sections.names import Name
from config.types import Bound, Duration

_SHORTEST, _LONGEST = Duration(0.001), Duration(3600)

Route = Annotated[
    str,
    Meta(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f]+$", description="a route such as /checkout"),
]

Target = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,62}\\.[a-z][a-z0-9_]{0,62}(\\.[a-z][a-z0-9_]{0,62})?$",
        description="a probe and a reading of it, such as orders-db.replication_lag",
    ),
]


def probe_of(target: str) -> str:
    """The probe of `orders-db.replication_lag`: `orders-db`."""
    return target.partition(".")[0]


def reading_of(target: str) -> str:
    """The reading of `orders-db.replication_lag`: `replication_lag`."""
    return target.partition(".")[2]


class SpanSli(Options, frozen=True, kw_only=True):
    """The requests that an objective counts, by the spans they leave."""

    #: `server`: requests that the service answered; `consumer`: messages that it worked off.
    kind: Literal["server", "consumer"] = "server"
    #: Only this route, as `http.route` has it. Left out: all of them together.
    route: Route | None = None


class CounterSli(Options, frozen=True, kw_only=True):
    """The events that an objective counts, by two counters of the service."""

    #: Counts the bad ones.
    bad: Target
    #: Counts all of them, the bad ones too.
    total: Target

    def problems(self) -> Iterable[tuple[str, str]]:
        """Two counters, read in one go: else nobody knows which events belong together."""
        if self.bad == self.total:
            yield "bad", "is the same as `total`, so that every event is bad; write the counter of the failed ones"
        elif probe_of(self.bad) != probe_of(self.total):
            right = f"write both as readings of `{probe_of(self.total)}`"
            yield "bad", f"is of another probe than `total`, and is not read at the same time; {right}"


class Sli(Options, frozen=True, kw_only=True):
    """What is counted as good or bad: exactly one thing."""

    #: Availability of this probe: passed and warning time is good, failed time is bad.
    probe: Name | None = None
    #: The same of a probe of the kind `heartbeat`.
    heartbeat: Name | None = None
    #: Time in which this reading is not above `within` is good.
    reading: Target | None = None
    #: Requests: those that ended without an error are good. `{}` is all requests that the service answers.
    spans: SpanSli | None = None
    #: Events that the service counts itself, by two readings that only grow.
    counters: CounterSli | None = None
    #: Events that the service counts itself: those in the buckets up to `within` are good.
    histogram: Target | None = None
    #: The limit of what is good; needed for `reading` and `histogram`. With `spans`: how long a request may take.
    within: Bound | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """One thing is counted, and a limit stands where one is needed."""
        written = [key for key in _THINGS if getattr(self, key) is not None]
        if not written:
            yield "", "counts nothing; write {probe: NAME}, or {spans: {kind: server}}"
        elif len(written) > 1:
            both = f"stands beside `{written[0]}`, and one objective counts one thing"
            yield written[1], f"{both}; keep one of them"
        elif wrong := self._wrong_limit(written[0]):
            yield "within" if self.within else "", wrong

    def _wrong_limit(self, thing: str) -> str:
        """What is wrong with `within`, or with its not being there; "" when it fits."""
        limit = self.within
        if thing in {"reading", "histogram"}:
            if limit is None:
                return f"needs the key `within`: what `{thing}` is good up to, such as 300ms, 80% or 64MiB"
            return f"{limit} is a rate; write a limit such as 300ms, 80% or 64MiB" if limit.per_second else ""
        if limit is None:
            return ""
        if thing != "spans":
            slow = "a slow probe is {reading: NAME.duration, within: 300ms}"
            return f"is for `reading`, `spans` and `histogram`; leave it out: {slow}"
        if limit.unit != "seconds":
            return f"{limit} is no duration; write one such as 300ms"
        if not _SHORTEST <= limit.value <= _LONGEST:
            return f"{limit} is not from {_SHORTEST} to {_LONGEST}; write one such as 300ms"
        return ""

    @property
    def targets(self) -> Mapping[str, str]:
        """Every probe that is named, by key, with the reading where there is one."""
        counters = {"counters.bad": self.counters.bad, "counters.total": self.counters.total} if self.counters else {}
        named = {key: getattr(self, key) for key in ("probe", "heartbeat", "reading", "histogram")}
        return {key: target for key, target in named.items() if target is not None} | counters

    @property
    def on(self) -> str:
        """The one probe that it is about; "" where it counts spans."""
        return next(map(probe_of, self.targets.values()), "")


_THINGS = ("probe", "heartbeat", "reading", "spans", "counters", "histogram")
