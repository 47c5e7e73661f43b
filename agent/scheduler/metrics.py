"""What the attempts of the probes look like on the metrics page: a view of counters and of the board."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.events import Observation, Outcome
from agent.health.board import Member, View
from agent.health.state import State
from exporters.base import Histogram, Sample
from exporters.contract import PROBE_BUCKETS, Metric
from exporters.families import facts_family, reading_family
from probes.base import Probe, ReadingSpec
from probes.reason import Reason

Key = tuple[str, str, str, str]  # path, phase, outcome, reason


@dataclass(slots=True)
class _Seen:
    """What was counted for one probe since it entered."""

    member: Member
    cls: type[Probe]  # type: ignore[type-arg]
    attempts: dict[Key, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * len(PROBE_BUCKETS))
    seconds: float = 0.0
    last_seconds: float | None = None
    phases: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class ProbeMetrics:
    """Listens to observations; `samples` reads. `views`: the board's picture now."""

    views: Callable[[], Mapping[str, View]]
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def enter(self, member: Member, cls: type[Probe]) -> None:  # type: ignore[type-arg]
        """A probe starts: its counters exist at 0 before anything happened, so that the first failure shows.

        One that starts anew goes on counting.
        """
        before = self._seen.get(member.name)
        if before is not None and before.member.type == member.type:
            before.member, before.cls = member, cls
            return
        seen = _Seen(member, cls)
        path = "pooled" if member.steady else "fresh"
        seen.attempts[path, "", Outcome.PASS, Reason.OK] = 0
        seen.attempts[path, "", Outcome.FAIL, Reason.READ_TIMEOUT] = 0
        self._seen[member.name] = seen

    def leave(self, name: str) -> None:
        """A probe is gone from the file, and its series with it."""
        self._seen.pop(name, None)

    def observe(self, seen: Observation) -> None:
        """Count one attempt."""
        entry = self._seen.get(seen.probe)
        if entry is None:
            return
        key = (seen.path, seen.phase, seen.outcome, seen.reason)
        entry.attempts[key] = entry.attempts.get(key, 0) + 1
        entry.last_seconds = seen.seconds
        for phase, spent in seen.measurement.phases.items():
            entry.phases[phase] = entry.phases.get(phase, 0.0) + spent
        if seen.outcome in {Outcome.PASS, Outcome.WARN}:
            entry.buckets[bisect_left(PROBE_BUCKETS, seen.seconds)] += 1
            entry.seconds += seen.seconds

    def samples(self) -> Iterable[tuple[str | Metric, Iterable[Sample | Histogram]]]:
        """All families about probes."""
        views = [view for view in self.views().values() if view.member.name in self._seen]
        yield from _states(views)
        entries = self._seen.items()
        yield (
            "outrider_probe_attempts_total",
            [
                Sample((name, e.member.type, path, phase, outcome, reason), count)
                for name, e in entries
                for (path, phase, outcome, reason), count in e.attempts.items()
            ],
        )
        yield "outrider_probe_duration_seconds", [_histogram(name, e) for name, e in entries]
        lasts = [Sample((name,), e.last_seconds) for name, e in entries if e.last_seconds is not None]
        yield "outrider_probe_last_duration_seconds", lasts
        yield (
            "outrider_probe_phase_seconds_total",
            [Sample((name, phase), spent) for name, e in entries for phase, spent in e.phases.items()],
        )
        for view in views:
            yield from _measured(view, self._seen[view.member.name].cls)


def _states(views: Sequence[View]) -> Iterable[tuple[str, Iterable[Sample]]]:
    up = (State.UP, State.DEGRADED)
    yield "outrider_probe_up", [Sample((v.member.name, v.member.type), float(v.state in up)) for v in views]
    yield "outrider_probe_state", [sample for view in views for sample in _state_set(view)]
    yield (
        "outrider_probe_last_success_timestamp_seconds",
        [Sample((v.member.name,), v.last_success_at) for v in views if v.last_success_at is not None],
    )


def _state_set(view: View) -> Iterable[Sample]:
    name, type_ = view.member.name, view.member.type
    for state in State:
        yield Sample((name, type_, state), float(view.state is state))
    yield Sample((name, type_, "stale"), float(view.stale))
    yield Sample((name, type_, "flapping"), float(view.flapping))
    yield Sample((name, type_, "maintenance"), float(bool(view.maintenance)))


def _histogram(name: str, entry: _Seen) -> Histogram:
    cumulative, total = [], 0
    for count in entry.buckets:
        total += count
        cumulative.append(total)
    return Histogram((name, entry.member.type), tuple(cumulative), entry.seconds)


def _measured(view: View, cls: type[Probe]) -> Iterable[tuple[Metric, Iterable[Sample]]]:  # type: ignore[type-arg]
    """Readings and facts of one probe: families that its class makes."""
    name, type_ = view.member.name, view.member.type
    for reading in view.readings:
        if reading.value is None:
            continue
        spec = cls.readings.get(reading.name) or ReadingSpec(f"{reading.name} as the probe read it.")
        item = spec.item or ("item" if reading.item else "")
        labels = (name, reading.item) if item else (name,)
        family = reading_family(type_, reading.name, reading.unit, reading.kind, item, spec.help)
        yield family, [Sample(labels, reading.value)]
    if view.facts and cls.facts:
        values = tuple(view.facts.get(fact, "") for fact in cls.facts)
        yield facts_family(type_, cls.facts), [Sample((name, *values), 1.0)]
