"""From a measurement and the file's thresholds to an outcome with one reason. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.events import Outcome
from agent.units import number
from probes.base import Kind, Measurement, Reading
from probes.reason import Reason


@dataclass(frozen=True, slots=True)
class Bound:
    """One threshold: the reading, the limit in base units, and which side of it is bad.

    `per_second` True: the limit is a rate, compared with a counter's growth between two attempts.
    """

    reading: str
    limit: float
    above: bool
    outcome: Outcome  # WARN (degraded_*) or FAIL (down_*)
    per_second: bool = False
    unit: str = ""  # of the reading, for people

    def crossed(self, value: float) -> bool:
        """Strictly beyond the limit: a value that equals it is still good."""
        return value > self.limit if self.above else value < self.limit

    def sentence(self, item: str, value: float) -> str:
        """`connections_used 91 % is above 80 %`, for people."""
        name = f"{self.reading}[{item}]" if item else self.reading
        return f"{name} {self.shown(value)} is {'above' if self.above else 'below'} {self.shown(self.limit)}"

    def shown(self, value: float) -> str:
        """A value of the reading, or the limit, with its unit."""
        return f"{value * 60:.3g}/min" if self.per_second else number(value, self.unit)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the judge says of one attempt."""

    outcome: Outcome
    reason: Reason = Reason.OK
    detail: str = ""


@dataclass(slots=True)
class Judge:
    """Judges the attempts of one probe. Remembers only the counters last read, to turn them into rates."""

    bounds: Sequence[Bound] = ()
    invert: bool = False
    _counters: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def passed(self, measurement: Measurement, seconds: float, at: float, *, read: bool = True) -> Ruling:
        """The ruling on a check that returned. `seconds`: its duration; `at`: monotonic time of its end.

        `read` False: facts about the target were not asked for. Their absence is no fault, and a rate waits for two
        attempts in a row that know the counter: growth that another replica has judged is not judged again.
        """
        if self.invert:
            return Ruling(Outcome.FAIL, Reason.ASSERTION, "it answered, and `invert: true` says that it must not")
        values = self._values(measurement, seconds, at)
        if not read:
            self._counters = {key: last for key, last in self._counters.items() if last[1] == at}
        crossed = [
            (bound, item, value)
            for bound in self.bounds
            for item, value in values.get((bound.reading, bound.per_second), ())
            if bound.crossed(value)
        ]
        crossed.sort(key=lambda hit: hit[0].outcome is not Outcome.FAIL)
        if crossed:
            bound, item, value = crossed[0]
            return Ruling(bound.outcome, Reason.THRESHOLD, bound.sentence(item, value))
        if measurement.concerns:
            return Ruling(Outcome.WARN, measurement.concerns[0], measurement.detail)
        unreadable = [reading.name for reading in measurement.readings if reading.value is None]
        if unreadable:
            return Ruling(Outcome.WARN, Reason.UNREADABLE, f"{unreadable[0]} cannot be read")
        return Ruling(Outcome.PASS, Reason.OK, measurement.detail)

    def failed(self, reason: Reason, detail: str) -> Ruling:
        """The ruling on a check that raised one of its expected exceptions."""
        if reason is Reason.WAITING:
            return Ruling(Outcome.SKIPPED, reason, detail)
        if self.invert:
            return Ruling(Outcome.PASS, Reason.OK, f"it failed ({reason}), as `invert: true` wants")
        return Ruling(Outcome.FAIL, reason, detail)

    def _values(
        self, measurement: Measurement, seconds: float, at: float
    ) -> Mapping[tuple[str, bool], list[tuple[str, float]]]:
        """(reading, is a rate) -> [(item, value)]; `duration` and `phase.NAME` are readings too."""
        found: dict[tuple[str, bool], list[tuple[str, float]]] = {("duration", False): [("", seconds)]}
        for phase, spent in measurement.phases.items():
            found[f"phase.{phase}", False] = [("", spent)]
        for reading in measurement.readings:
            if reading.value is None:
                continue
            found.setdefault((reading.name, False), []).append((reading.item, reading.value))
            if reading.kind is Kind.COUNTER:
                rate = self._rate(reading, reading.value, at)
                if rate is not None:
                    found.setdefault((reading.name, True), []).append((reading.item, rate))
        return found

    def _rate(self, reading: Reading, value: float, at: float) -> float | None:
        """Growth per second since the attempt before; None the first time. A fall means a restart: count from 0."""
        key = (reading.name, reading.item)
        before = self._counters.get(key)
        self._counters[key] = (value, at)
        if before is None or at <= before[1]:
            return None
        grown = value - before[0] if value >= before[0] else value
        return grown / (at - before[1])
