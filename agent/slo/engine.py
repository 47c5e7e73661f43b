"""All objectives of one agent: attempts and requests in; burn rates, budgets and alert conditions out."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Self

from agent.events import Observation
from agent.slo import budget, burn
from agent.slo.burn import Counts
from agent.slo.counters import Counters, Growth, Histogram
from agent.slo.events import EventTrack
from agent.slo.kept import Kept
from agent.slo.objective import Objective
from agent.slo.sli import Limit, availability, within
from agent.slo.timeline import Timeline
from agent.slo.track import Track
from agent.slo.windows import Pair
from config.types import Duration
from exporters.base import Sample, Severity

Family = tuple[str, list[Sample]]


class Judgement(NamedTuple):
    """What one pair of windows says; `condition` None: nobody can tell."""

    pair: Pair
    condition: bool | None
    long: Counts
    short: Counts


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One objective at one moment, exact. `windows` has the counts by length in seconds."""

    objective: Objective
    judgements: tuple[Judgement, ...]
    windows: Mapping[int, Counts]
    period: Counts
    last: Observation | None = None  # the newest attempt of its probe, where it has one

    def condition(self, severity: Severity) -> bool | None:
        """Whether any pair of this severity fires. None: nobody can tell, whoever acts on it holds."""
        said = {each.condition for each in self.judgements if each.pair.severity is severity}
        return True if True in said else None if None in said else False

    def burn(self, seconds: int) -> Fraction:
        """The burn rate over one of the windows."""
        return burn.burn_rate(self.windows[seconds], self.objective.budget)

    @property
    def remaining(self) -> Fraction:
        """The share of the error budget that is left."""
        return budget.remaining(self.period.ratio, self.objective.budget)

    def seconds_left(self, seconds: int) -> Fraction | None:
        """Until the budget is spent at the burn rate of this window; None when nothing burns."""
        return budget.seconds_to_exhaustion(self.remaining, self.burn(seconds), self.objective.window_seconds)


class SloEngine:
    """Keeps one track per objective. `observe` is a listener of the event stream; times are wall-clock seconds."""

    def __init__(self, objectives: Iterable[Objective] = ()) -> None:
        self._timeline = Timeline()
        self._objectives: dict[str, Objective] = {}
        self._tracks: dict[str, Track | EventTrack] = {}
        self._conditions: dict[str, _Conditions] = {}
        self._last: dict[str, Observation] = {}
        self.configure(objectives)

    def configure(self, objectives: Iterable[Objective]) -> None:
        """Put another set in force. Counts stay wherever what is measured, and how, is the same.

        Other alert windows begin with what the ones before remember.
        """
        before, tracks = self._objectives, self._tracks
        self._objectives = {objective.name: objective for objective in objectives}
        self._conditions = {name: _Conditions.of(objective) for name, objective in self._objectives.items()}
        self._tracks = {
            name: self._carried(tracks[name], before[name], objective)
            if name in before and before[name].measure == objective.measure
            else _track(objective)
            for name, objective in self._objectives.items()
        }
        for name, track in self._tracks.items():
            track.stale_after = self._objectives[name].stale_after
        watched = {objective.probe for objective in self._objectives.values()}
        self._last = {probe: seen for probe, seen in self._last.items() if probe in watched}

    def _carried(self, track: Track | EventTrack, before: Objective, objective: Objective) -> Track | EventTrack:
        if before.windows == objective.windows:
            return track
        following = _track(objective)
        if self._timeline.now == float("-inf"):
            return following
        following.restore(self._timeline.now, *track.dump(0))
        following.events, following.bad_events = track.events, track.bad_events
        if isinstance(track, EventTrack) and isinstance(following, EventTrack):
            following.growth = track.growth
        return following

    def observe(self, seen: Observation) -> None:
        """Take one attempt in."""
        at = self._timeline.advance(seen.at)
        for name, objective in self._objectives.items():
            if objective.probe == seen.probe:
                self._last[seen.probe] = seen
                self._take(objective, self._tracks[name], seen, at)

    def _take(self, objective: Objective, track: Track | EventTrack, seen: Observation, at: float) -> None:
        if isinstance(track, EventTrack):
            track.take(seen, at)
            return
        said = within(objective.reads, seen) if isinstance(objective.reads, Limit) else availability(seen.outcome)
        if said is not None:
            track.record(said, at)

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
        track, conditions = self._tracks[objective.name], self._conditions[objective.name]
        windows = {length: track.window(length) for length in conditions.windows}
        least = objective.min_bad, objective.min_events
        judgements = tuple(
            Judgement(pair, burn.holds(long, short, threshold, *least), long, short)
            for pair, threshold in conditions.pairs
            for long, short in [(windows[pair.long_seconds], windows[pair.short_seconds])]
        )
        return Evaluation(objective, judgements, windows, track.period(), self._last.get(objective.probe))

    def samples(self) -> Iterator[Family]:
        """The families outrider_slo_*."""
        families: dict[str, list[Sample]] = {}
        for row in self.evaluations():
            objective = row.objective
            for name, labels, value in _numbers(row, self._tracks[objective.name]):
                sample = Sample((objective.service, objective.name, *labels), value)
                families.setdefault(name, []).append(sample)
        yield from families.items()

    def problems(self) -> dict[str, str]:
        """What keeps objectives from being counted, by name; none for one that is."""
        return {name: problem for name, track in self._tracks.items() if (problem := _problem(track))}

    def view(self) -> list[dict[str, object]]:
        """What the API shows of every objective; ratios and burn rates as floats, times in seconds."""
        return [_shown(evaluation, self._tracks[evaluation.objective.name]) for evaluation in self.evaluations()]


class _Conditions(NamedTuple):
    """What is judged of one objective: its windows, and its pairs with the error ratio above which each fires."""

    windows: tuple[int, ...]
    pairs: tuple[tuple[Pair, Fraction], ...]

    @classmethod
    def of(cls, objective: Objective) -> Self:
        return cls(objective.windows, tuple((pair, pair.threshold(objective.budget)) for pair in objective.pairs))


def _track(objective: Objective) -> Track | EventTrack:
    windows, period, slot = objective.windows, objective.window_seconds, objective.slot_seconds
    if objective.counts_events:
        growth = Growth(objective.reads) if isinstance(objective.reads, Counters | Histogram) else None
        return EventTrack(windows, period, slot, growth, objective.stale_after)
    return Track(slot, windows, period, objective.stale_after)


def _numbers(row: Evaluation, track: Track | EventTrack) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """(family, labels after service and slo, value)."""
    objective = row.objective
    yield "outrider_slo_events_total", (), track.events
    yield "outrider_slo_bad_events_total", (), track.bad_events
    yield "outrider_slo_unknown_events_total", (), track.unknown_events
    if isinstance(track, EventTrack) and track.growth:
        yield "outrider_slo_corrupt_total", (), track.growth.corrupt
    yield "outrider_slo_objective_ratio", (), float(objective.target)
    for pair in objective.pairs:
        yield "outrider_slo_alert_factor", (pair.name,), float(pair.factor)
    for length, counts in row.windows.items():
        yield "outrider_slo_burn_rate", (str(Duration(length)),), float(row.burn(length))
        yield "outrider_slo_coverage_ratio", (str(Duration(length)),), float(counts.coverage)
    yield "outrider_slo_error_budget_remaining_ratio", (), float(row.remaining)
    left = row.seconds_left(min(pair.long_seconds for pair in objective.pairs))
    yield "outrider_slo_time_to_exhaustion_seconds", (), math.inf if left is None else float(left)
    yield "outrider_slo_info", (objective.window, objective.runbook_url), 1


def _problem(track: Track | EventTrack) -> str:
    """What keeps its events from being counted; "" where nothing does."""
    return track.growth.problem if isinstance(track, EventTrack) and track.growth else ""


def _shown(row: Evaluation, track: Track | EventTrack) -> dict[str, object]:
    objective = row.objective
    quickest = min(objective.pairs, key=lambda pair: pair.long_seconds)
    left = row.seconds_left(quickest.long_seconds)
    return {
        "name": objective.name,
        "service": objective.service,
        "sli": objective.sli,
        "probe": objective.probe or None,
        "description": objective.description,
        "runbook_url": objective.runbook_url,
        "objective": float(objective.target),
        "window_seconds": objective.window_seconds,
        "slot_seconds": objective.slot_seconds,
        "events": row.period.known,
        "bad_events": row.period.bad,
        "unknown_events": track.unknown_events,
        "problem": _problem(track) or None,
        "burn_rate": {str(Duration(length)): float(row.burn(length)) for length in row.windows},
        "alert_factor": {pair.name: float(pair.factor) for pair in objective.pairs},
        "pairs": [_shown_pair(each) for each in row.judgements],
        "error_budget_remaining_ratio": float(row.remaining),
        "seconds_to_exhaustion": None if left is None else float(left),
        "condition": row.condition(Severity.PAGE),
    }


def _shown_pair(each: Judgement) -> dict[str, object]:
    pair = each.pair
    return {
        "name": pair.name,
        "severity": pair.severity.value,
        "long": str(Duration(pair.long_seconds)),
        "short": str(Duration(pair.short_seconds)),
        "factor": float(pair.factor),
        "condition": each.condition,
    }
