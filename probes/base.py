"""The contract of a probe: it measures or raises; the judge upstairs decides what that means."""

import math
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Generic, Protocol, TypeVar

from config.options import Options
from config.types import Secret
from probes.beats import Beats
from probes.reason import Reason

MAX_ITEMS = 50  #: items kept per reading name and attempt; a hostile server must not grow our series


class Kind(StrEnum):
    """How a reading behaves: a GAUGE goes up and down, a COUNTER only grows (a fall means the server restarted)."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Reading:
    """One number read off the target, in base units (seconds, bytes, ratio 0..1).

    `value` None means that it should exist but cannot be read (replication lag on a broken link): the attempt is a
    warning and no sample is shown. `item` is the value of the one label the class names (queue, mount, slot).
    """

    name: str
    value: float | None
    unit: str = ""
    kind: Kind = Kind.GAUGE
    item: str = ""


@dataclass(frozen=True, slots=True)
class ReadingSpec:
    """What a class promises about one reading: thresholds, SLIs and metric help are checked against it at load.

    `of_target`: a fact about the target itself (how full, how far behind), the same whoever asks; one replica of a
    fleet reads it for all. Otherwise it is a fact about this replica's way there, which each one reads.
    """

    help: str
    unit: str = ""  # "", "seconds", "bytes" or "ratio"
    kind: Kind = Kind.GAUGE
    item: str = ""  # the label's name, "" where there is one value only
    of_target: bool = False
    observes: str | None = None  # of a histogram: the unit of what it observed; the reading counts its observations


@dataclass(frozen=True, slots=True)
class Buckets:
    """The counters of a histogram: `counts[n]` of all observations were at most `bounds[n]`, the last one infinite.

    They only grow while the probe lives; a fall means that the probe began anew.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        """All observations."""
        return self.counts[-1]

    def within(self, limit: float) -> float | None:
        """How many were at most `limit`; None where no bound is there, for then nobody knows."""
        exact = (count for bound, count in zip(self.bounds, self.counts, strict=True) if math.isclose(bound, limit))
        return next(exact, None)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one attempt found.

    `phases`: seconds spent in each named part (resolve, connect, tls, ...). `facts`: label values of
    `outrider_TYPE_info` (version, role). `concerns`: each one turns a pass into a warning. `detail`: one sentence for
    people with the right to see it; no secrets. `histograms`: by the name of the reading that has their total.
    """

    readings: tuple[Reading, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    concerns: tuple[Reason, ...] = ()
    detail: str = ""
    histograms: Mapping[str, Buckets] = field(default_factory=dict)


class ProbeFailed(Exception):  # noqa: N818 - named for what happened, as a probe's author would say it
    """The target is down, and why. Facts gathered before the failure survive in `measurement`."""

    def __init__(
        self, reason: Reason, detail: str = "", *, phase: str = "", measurement: Measurement | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.phase = phase
        self.measurement = measurement or Measurement()


class Attempt(Protocol):
    """One execution of a check."""

    @property
    def number(self) -> int:
        """Counts from 1 since this probe was opened."""

    @property
    def fresh(self) -> bool:
        """True: make a new connection this time, do not use the steady one."""

    @property
    def readings(self) -> bool:
        """False: another replica reads the facts about the target; ask only what `of_target` readings do not need."""

    @property
    def seconds_left(self) -> float:
        """Until the deadline, at which the check is cancelled; never below 0."""

    @property
    def traceparent(self) -> str:
        """The header (W3C Trace Context) that lets the target's trace be found; "" where none is to be sent."""


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What the framework tells a probe about its place."""

    name: str
    service: str = ""
    timeout: float = 3.0  # seconds for a whole attempt
    family: int = 0  # socket.AF_INET, AF_INET6, or 0 for any: which addresses of a name may be used
    beats: Beats = field(default_factory=lambda: Beats(time.monotonic()))  # what was pushed for this probe


O = TypeVar("O", bound=Options)  # noqa: E741 - O for options, as in DESIGN


class Probe(ABC, Generic[O]):
    """One dependency under test. Life: `open` once, `check` many times (never two at once), `aclose` at the end.

    `aclose` must be safe twice and without `open`. A check may be cancelled at any await and must then leave nothing
    open behind. The framework measures duration, applies the deadline and counts; a probe never times itself.
    """

    options_type: ClassVar[type[Options]] = Options
    #: These mean that the target is down; they are classified into a reason. Anything else means the probe broke.
    expected: ClassVar[tuple[type[Exception], ...]] = (OSError, TimeoutError, ssl.SSLError)
    #: Whether a connection is kept between attempts; then every so often one attempt is told to be fresh.
    steady: ClassVar[bool] = False
    readings: ClassVar[Mapping[str, ReadingSpec]] = {}
    #: Keys of Measurement.facts: the labels of `outrider_TYPE_info`.
    facts: ClassVar[tuple[str, ...]] = ()
    #: Thresholds used where the file sets none: {"degraded_above": {"used": 0.9}}.
    default_thresholds: ClassVar[Mapping[str, Mapping[str, float]]] = {}

    def __init__(self, options: O, context: ProbeContext) -> None:
        self.options = options
        self.context = context

    @classmethod
    def default_when_down(cls, options: O) -> str:
        """`unready` (as anyone expects) unless the class says that its failing never means "send no traffic"."""
        return "unready"

    @classmethod
    def target(cls, options: O) -> str:
        """Where this points, for people: host and port or a path, never a secret."""
        return ""

    @classmethod
    def readings_of(cls, options: O | None) -> Mapping[str, ReadingSpec]:
        """The readings of a probe with these options, where the file names some itself.

        With options that cannot be read (None) and where nothing is promised: {}, then any name may have a threshold.
        """
        return cls.readings

    @classmethod
    def heartbeat_token(cls, options: O) -> Secret | None:
        """What a `POST /heartbeats/NAME` must present; None where the kind takes no heartbeats."""
        return None

    def classify(self, error: Exception) -> tuple[Reason, str] | None:
        """The reason and detail of one of the `expected` exceptions, or None for the common rules (probes.classify)."""
        return None

    async def open(self) -> None:
        """Prepare what lives as long as the probe. Must not connect: the target may be down when we start."""

    @abstractmethod
    async def check(self, attempt: Attempt) -> Measurement:
        """Look once. Return what was measured, or raise: ProbeFailed, or one of `expected`."""

    async def aclose(self) -> None:
        """Give back what `open` and `check` hold. Safe twice, safe without open."""

    def reading(self, name: str, value: float | None, item: str = "") -> Reading:
        """A reading with the unit and kind that this class declared for `name`."""
        spec = self.readings[name]
        return Reading(name, value, spec.unit, spec.kind, item)
