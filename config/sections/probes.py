"""`probes` and `defaults`: the keys that every kind of probe has. A kind's own keys stay a node."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr

from config.options import Options
from config.sections.maintenance import Window
from config.sections.names import Line, Name, RunbookUrl
from config.shapes import Rest
from config.types import Bound, Duration, Ratio

_DERIVED = Duration(0)  # no one can write it, so it marks what was left out
_TIMEOUT = Duration(3)
_FAST = Duration(2)
_SLOW = Duration(30)

Interval = Annotated[Duration, Meta(ge=0.1, le=86400)]
Threshold = Annotated[int, Meta(ge=1, le=100)]
ReadingName = Annotated[
    str,
    Meta(
        pattern="^[a-z][a-z0-9_]{0,62}(\\.[a-z][a-z0-9_]{0,62})?$",
        description="a reading's name such as connections_used, duration or phase.connect",
    ),
]
Bounds = dict[ReadingName, Bound]


class ProbeDefaults(Options, frozen=True, kw_only=True):
    """`defaults`: what every probe takes over unless it says otherwise."""

    #: Between the starts of two attempts.
    interval: Interval = Duration(10)
    #: For a whole attempt. Left out: 3s, or half the interval where that is less.
    timeout: Annotated[Duration, Meta(ge=0.01)] = _DERIVED
    #: Failed attempts in a row that make it down.
    failure_threshold: Threshold = 3
    #: Passed attempts in a row that make it up again.
    success_threshold: Threshold = 2
    #: [n, m]: also down when n of the last m attempts failed.
    failures_of: tuple[Threshold, Threshold] | None = None
    #: While its state may be about to change. Left out: 2s, or the interval where that is less.
    fast_interval: Interval = _DERIVED
    #: After 5 minutes down. Left out: 30s, or the interval where that is more.
    slow_interval: Interval = _DERIVED
    #: How often a probe that keeps its connection also makes a new one.
    fresh_every: Annotated[Duration, Meta(ge=1, le=86400)] = Duration(60)
    #: What its being down does to readiness; None leaves it to the kind.
    when_down: Literal["unready", "degraded", "ignore"] | None = None
    #: Other replicas use the same thing: then one that is down for all takes no replica out.
    shared: bool = False
    #: Who reads what is a fact about the dependency itself (saturation, lag): `auto` one replica of the fleet for all,
    #: or every one where they do not know each other; `always` every one; `never` none.
    readings: Literal["auto", "always", "never"] = "auto"
    #: When its failing has no effect and calls nobody.
    maintenance: tuple[Window, ...] = ()
    family: Literal["any", "ipv4", "ipv6"] = "any"
    runbook_url: RunbookUrl = ""


class ProbeEntry(ProbeDefaults, frozen=True, kw_only=True):
    """One probe. After loading every duration is set; `rest` holds the keys of its kind."""

    type: Annotated[str, Meta(min_length=1, max_length=200, description="the kind of probe, such as http or postgres")]
    #: Readings beyond these make an attempt a warning.
    degraded_above: Bounds = field(default_factory=dict)
    degraded_below: Bounds = field(default_factory=dict)
    #: Readings beyond these make an attempt a failure.
    down_above: Bounds = field(default_factory=dict)
    down_below: Bounds = field(default_factory=dict)
    #: It must not answer: a pass counts as a failure and a failure as a pass.
    invert: bool = False
    #: Probes whose failing explains the failing of this one.
    depends_on: tuple[Name, ...] = ()
    description: Line = ""
    #: The objective of this probe's availability over 30 days: an SLO in one line.
    slo: Ratio | None = None
    rest: Rest

    def __post_init__(self) -> None:
        if self.timeout == _DERIVED:
            force_setattr(self, "timeout", min(_TIMEOUT, Duration(self.interval / 2)))
        if self.fast_interval == _DERIVED:
            force_setattr(self, "fast_interval", min(_FAST, self.interval))
        if self.slow_interval == _DERIVED:
            force_setattr(self, "slow_interval", max(_SLOW, self.interval))

    def problems(self) -> Iterable[tuple[str, str]]:
        """The rules between its intervals and between its thresholds."""
        if self.timeout >= self.interval:
            yield "timeout", f"{self.timeout} is not shorter than the interval; write less than {self.interval}"
        if self.fast_interval > self.interval:
            yield "fast_interval", f"{self.fast_interval} is longer than the interval; write at most {self.interval}"
        if self.slow_interval < self.interval:
            yield "slow_interval", f"{self.slow_interval} is shorter than the interval; write at least {self.interval}"
        if self.failures_of and self.failures_of[0] > self.failures_of[1]:
            yield "failures_of", "asks for more failures than attempts; write the smaller number first: [3, 5]"
        if self.slo is not None and not 0 < self.slo.value < 1:
            yield "slo", f"{self.slo} is no objective; write one above 0% and below 100%, such as 99.9%"
        for name, limit in self.down_above.items():
            if name in self.degraded_above and limit.value < self.degraded_above[name].value:
                yield f"down_above.{name}", _beyond(limit, "below", self.degraded_above[name])
        for name, limit in self.down_below.items():
            if name in self.degraded_below and limit.value > self.degraded_below[name].value:
                yield f"down_below.{name}", _beyond(limit, "above", self.degraded_below[name])

    @property
    def bounds(self) -> Mapping[str, Bounds]:
        """All thresholds by the key they were written under."""
        return {
            "degraded_above": self.degraded_above,
            "degraded_below": self.degraded_below,
            "down_above": self.down_above,
            "down_below": self.down_below,
        }


def _beyond(limit: Bound, side: str, degraded: Bound) -> str:
    return f"{limit} lies {side} the degraded threshold {degraded}, which would never be seen; swap them"
