"""All objectives of one agent: attempts and requests in; burn rates, budgets and alert conditions out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from agent.events import Observation
from agent.slo import budget, burn
from agent.slo.burn import Counts
from agent.slo.events import EventTrack
from agent.slo.kept import Kept
from agent.slo.objective import Objective
from agent.slo.sli import availability
from agent.slo.timeline import Timeline
from agent.slo.track import Track
from agent.slo.windows import PAGE_QUICK
from exporters.base import Sample

Family = tuple[str, list[Sample]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One objective at one moment, exact. `condition` None: nobody can tell, whoever acts on it holds."""

    objective: Objective
    condition: bool | None
    long: Counts
    short: Counts
    period: Counts
    last: Observation | None = None  # the newest attempt of its probe, where it has one

    @property
    def long_burn(self) -> Fraction:
        """The burn rate over the long window."""
        return burn.burn_rate(self.long, self.objective.budget)

    @property
    def short_burn(self) -> Fraction:
        """The burn rate over the short window."""
        return burn.burn_rate(self.short, self.objective.budget)

    @property
    def remaining(self) -> Fraction:
        """The share of the error budget that is left."""
        return budget.remaining(self.period.ratio, self.objective.budget)

    @property
    def seconds_left(self) -> Fraction | None:
        """Until the budget is spent at the long window's burn rate; None when nothing burns."""
        return budget.seconds_to_exhaustion(self.remaining, self.long_burn, self.objective.window_seconds)


class SloEngine:
    """Keeps one track per objective. `observe` is a listener of the event stream; times are wall-clock seconds."""

    def __init__(self, objectives: Iterable[Objective] = ()) -> None:
        self._timeline = Timeline()
        self._objectives: dict[str, Objective] = {}
        self._tracks: dict[str, Track | EventTrack] = {}
        self._last: dict[str, Observation] = {}
        self.configure(objectives)

    def configure(self, objectives: Iterable[Objective]) -> None:
        """Put another set in force. Counts stay wherever what is measured, and how, is the same."""
        before, tracks = self._objectives, self._tracks
        self._objectives = {objective.name: objective for objective in objectives}
        self._tracks = {
            name: tracks[name] if name in before and before[name].measure == objective.measure else _track(objective)
            for name, objective in self._objectives.items()
        }
        for name, track in self._tracks.items():
            if isinstance(track, Track):
                track.stale_after = self._objectives[name].stale_after
        watched = {objective.probe for objective in self._objectives.values()}
        self._last = {probe: seen for probe, seen in self._last.items() if probe in watched}

    def observe(self, seen: Observation) -> None:
        """Take one attempt in."""
        at = self._timeline.advance(seen.at)
        for name, track in self._tracks.items():
            if isinstance(track, Track) and self._objectives[name].probe == seen.probe:
                self._last[seen.probe] = seen
                track.record(availability(seen.outcome), at)

    def count(self, name: str, good: int, bad: int, at: float) -> None:
        """Take requests in that the objective `name` is about; one that is no longer in force has no use for them."""
        at = self._timeline.advance(at)
        track = self._tracks.get(name)
        if isinstance(track, EventTrack):
            track.count(good, bad, at)

    def tick(self, now: float) -> tuple[float, list[Evaluation]]:
        """Move time on and judge every objective. Returns `now` on a clock that never goes back, and the judgements."""
        at = self._timeline.advance(now)
        for track in self._tracks.values():
            track.advance(at)
        return at, self.evaluations()

    def evaluations(self) -> list[Evaluation]:
        """Every objective as of the last tick, attempt or request."""
        return [self._evaluate(objective) for objective in self._objectives.values()]

    def measures(self) -> dict[str, str]:
        """What is counted, and how, by objective."""
        return {name: objective.measure for name, objective in self._objectives.items()}

    def dump(self, since: int = 0) -> dict[str, Kept]:
        """What the next process needs to go on from here, by objective; `since`: the first day it does not have yet.

        Nothing before the first tick, attempt or request.
        """
        at, shift = self._timeline.now, self._timeline.shift
        if at == float("-inf"):
            return {}
        for track in self._tracks.values():
            track.advance(at)
        return {
            name: Kept(self._objectives[name].measure, at, shift, *track.dump(since))
            for name, track in self._tracks.items()
        }

    def restore(self, kept: Mapping[str, Kept]) -> tuple[str, ...]:
        """Go on from what an earlier process had counted, before anything new is; the time since is unknown.

        What was measured otherwise, or is of no objective, is passed over. Returns those whose bytes did not fit: they
        start anew.
        """
        unfit = []
        for name, one in kept.items():
            objective = self._objectives.get(name)
            if objective is None or objective.measure != one.measure:
                continue
            track = _track(objective)
            try:
                track.restore(one.at, one.recent, one.days)
            except ValueError:
                unfit.append(name)
                continue
            self._tracks[name] = track
            if one.at > self._timeline.now:
                self._timeline = Timeline(one.at, one.shift)
        return tuple(unfit)

    def _evaluate(self, objective: Objective) -> Evaluation:
        track = self._tracks[objective.name]
        long, short = track.window(PAGE_QUICK.long_seconds), track.window(PAGE_QUICK.short_seconds)
        condition = burn.holds(
            long, short, objective.threshold, min_bad=objective.min_bad, min_events=objective.min_events
        )
        return Evaluation(objective, condition, long, short, track.period(), self._last.get(objective.probe))

    def samples(self) -> Iterator[Family]:
        """The families outrider_slo_*."""
        families: dict[str, list[Sample]] = {}
        for row in self.evaluations():
            objective = row.objective
            for name, labels, value in _numbers(row, self._tracks[objective.name]):
                sample = Sample((objective.service, objective.name, *labels), value)
                families.setdefault(name, []).append(sample)
        yield from families.items()

    def view(self) -> list[dict[str, object]]:
        """What the API shows of every objective; ratios and burn rates as floats, times in seconds."""
        return [
            _shown(evaluation, self._tracks[evaluation.objective.name].unknown_events)
            for evaluation in self.evaluations()
        ]


def _track(objective: Objective) -> Track | EventTrack:
    windows = (PAGE_QUICK.long_seconds, PAGE_QUICK.short_seconds)
    if objective.requests:
        return EventTrack(windows, objective.window_seconds)
    return Track(objective.slot_seconds, windows, objective.window_seconds, objective.stale_after)


def _numbers(row: Evaluation, track: Track | EventTrack) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """(family, labels after service and slo, value)."""
    objective = row.objective
    yield "outrider_slo_events_total", (), track.events
    yield "outrider_slo_bad_events_total", (), track.bad_events
    yield "outrider_slo_unknown_events_total", (), track.unknown_events
    yield "outrider_slo_objective_ratio", (), float(objective.target)
    yield "outrider_slo_alert_factor", (PAGE_QUICK.name,), float(PAGE_QUICK.factor(objective.window_seconds))
    yield "outrider_slo_burn_rate", ("5m",), float(row.short_burn)
    yield "outrider_slo_burn_rate", ("1h",), float(row.long_burn)
    yield "outrider_slo_error_budget_remaining_ratio", (), float(row.remaining)
    yield "outrider_slo_info", (objective.window, objective.runbook_url), 1


def _shown(row: Evaluation, unknown: int) -> dict[str, object]:
    left = row.seconds_left
    return {
        "name": row.objective.name,
        "service": row.objective.service,
        "sli": row.objective.sli,
        "probe": row.objective.probe or None,
        "description": row.objective.description,
        "runbook_url": row.objective.runbook_url,
        "objective": float(row.objective.target),
        "window_seconds": row.objective.window_seconds,
        "slot_seconds": row.objective.slot_seconds,
        "events": row.period.known,
        "bad_events": row.period.bad,
        "unknown_events": unknown,
        "burn_rate": {"5m": float(row.short_burn), "1h": float(row.long_burn)},
        "alert_factor": {PAGE_QUICK.name: float(PAGE_QUICK.factor(row.objective.window_seconds))},
        "error_budget_remaining_ratio": float(row.remaining),
        "seconds_to_exhaustion": None if left is None else float(left),
        "condition": row.condition,
    }
