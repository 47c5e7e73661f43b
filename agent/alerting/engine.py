"""All alerts of one agent: conditions, of its objectives and plain ones, in; notices to send out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from agent.alerting.clues import Clues
from agent.alerting.condition import SLO_BURN, Condition
from agent.alerting.identity import identity
from agent.alerting.kept import KeptAlert
from agent.alerting.lifecycle import AlertState
from agent.alerting.message import annotations, ended, resolved_annotations
from agent.alerting.routes import receivers_for
from agent.alerting.row import LINGER_SECONDS, Notice, Row, resolve
from agent.slo.engine import Evaluation, SloEngine
from agent.slo.objective import Objective
from agent.slo.windows import Pair
from config.sections.alerts import Route
from exporters.base import Alert, Sample, Severity

_Name = tuple[str, str, Severity]  # alertname, what it is about, how urgent

__all__ = ["AlertEngine", "Notice"]


class AlertEngine:
    """Turns evaluations into notices. `tick` is the only thing that moves it; times are wall-clock seconds."""

    def __init__(
        self,
        slos: SloEngine,
        routes: Sequence[Route] = (),
        labels: Mapping[str, str] | None = None,
        state_of: Callable[[str], str] = lambda _: "",
        explained_by: Callable[[str], str] = lambda _: "",
        plain: Callable[[float], Iterable[Condition]] = lambda _: (),
        clues: Callable[[str, str, str], Clues] = lambda *_: Clues(),
    ) -> None:
        """`labels` are the file's, put on every alert; `state_of` names what is believed of a probe.

        `explained_by`: the probe whose being down explains that of another, "" when nothing does. `plain`: the
        conditions without an objective, asked at each tick with its time. `clues`: what else is known when an alert is
        announced, by the names of its objective and its probe ("" without one) and its key.
        """
        self._slos, self._plain = slos, plain
        self._rows: dict[_Name, Row] = {}
        self._kin: dict[str, list[Row]] = {}  # by probe or subject; of the present tick, once somebody asks
        self._state_of, self._explained_by, self._clues = state_of, explained_by, clues
        self.configure(routes, labels or {})

    def configure(self, routes: Sequence[Route], labels: Mapping[str, str]) -> None:
        """Put other routes and labels in force. An alert that fires is resolved under those it was announced with.

        Receivers that are new to it hear of it at the next tick, and then of its end.
        """
        self._routes = tuple(routes)
        self._labels = dict(labels)

    def tick(self, now: float) -> list[Notice]:
        """Judge every condition once; returns what somebody must be told."""
        at, evaluations = self._slos.tick(now)
        notices, judged = [], set()
        self._kin = {}
        for seen in self._conditions(evaluations, now):
            name = (seen.alert, seen.subject, seen.severity)
            judged.add(name)
            row = self._rows.get(name) or self._rows.setdefault(name, Row(*name))
            if notice := self._step(row, seen, at, now):
                notices.append(notice)
        gone = self._rows.keys() - judged
        return notices + [notice for name in sorted(gone) if (notice := self._forget(name, now))]

    def _conditions(self, evaluations: Iterable[Evaluation], now: float) -> Iterator[Condition]:
        """Those of the objectives first: plain ones wait for them."""
        for seen in evaluations:
            for severity in _severities(seen.objective):
                yield self._burning(seen, severity)
        yield from self._plain(now)

    def dump(self) -> list[KeptAlert]:
        """What the next process needs, so that it neither tells anything twice nor forgets an end."""
        return [row.kept() for row in self._rows.values() if row.life.state is not AlertState.INACTIVE]

    def told(self) -> list[str]:
        """The keys of the alerts that fire and that somebody was told of."""
        return [row.told.alert.key for row in self._rows.values() if row.told]

    def restore(self, kept: Iterable[KeptAlert]) -> None:
        """Go on from what an earlier process believed, before the first tick.

        What is of a condition that is gone is taken back at the first tick, if anybody was told.
        """
        for one in kept:
            row = Row.of(one)
            self._rows[row.alert, row.subject, row.severity] = row

    def _burning(self, seen: Evaluation, severity: Severity) -> Condition:
        """The condition of one objective: that its budget burns too fast."""
        objective, row = seen.objective, self._rows.get((SLO_BURN, seen.objective.name, severity))
        pair = _pair(seen, severity, row.pair if row else "")
        keep = objective.keep_firing_seconds
        return Condition(
            SLO_BURN,
            severity,
            seen.condition(severity),
            texts=lambda: annotations(seen, pair, self._believed(objective)),
            over=lambda: resolved_annotations(seen, pair, self._believed(objective)),
            service=objective.service,
            label="slo",
            subject=objective.name,
            probe=objective.probe,
            after=frozenset({SLO_BURN}),
            pair=pair.name,
            for_seconds=objective.for_seconds,
            keep_seconds=pair.short_seconds if keep is None else keep,
            stale_after=2 * pair.short_seconds,
        )

    def _step(self, row: Row, seen: Condition, at: float, now: float) -> Notice | None:
        if row.step(seen, at, now) is False:
            texts = seen.over()
            return resolve(row, ended(texts, row.told.alert, now) if row.told else texts, now)
        if not row.life.firing:
            return None
        if row.told is not None:
            return row.join(receivers_for(row.told.alert.labels, self._routes))
        # What is over, and only kept firing, is no news to anybody who was not told of it.
        if row.life.false_since is not None:
            return None
        row.cause = self._cause(row, at)
        if row.cause:
            return None
        row.told = self._announce(row, seen, now)
        return row.told

    def _cause(self, row: Row, at: float) -> str:
        """The alert that calls a person for this one too; "" when this one must call for itself.

        A ticket waits while its own page is out. What a probe's cause explained stays so while the probe recovers, and
        for a while after its cause did. Requests call for themselves: they are what users see.
        """
        for other in self._kin_of(row.probe or row.subject):
            if row.waits_for(other):
                return other.cause or other.title
        if not row.probe:
            return ""
        found = self._explained_by(row.probe)
        kin = self._kin_of(found) if found else ()
        calling = next((each.title for each in kin if each.speaks_for_probe(found, row.severity)), "")
        if calling:
            row.explained_at = at
            return calling
        if row.explained_at is None:
            return ""
        # Windows hold on for a while when the probe is well again; what is plain is over at once, or was not explained.
        lingers = at - row.explained_at < LINGER_SECONDS
        return row.cause if lingers or (row.slo and self._state_of(row.probe) != "down") else ""

    def _kin_of(self, name: str) -> Sequence[Row]:
        """The alerts of one probe, or of an objective without a probe, in the order in which they are judged."""
        if not self._kin:
            for row in self._rows.values():
                self._kin.setdefault(row.probe or row.subject, []).append(row)
        return self._kin.get(name, ())

    def _believed(self, objective: Objective) -> str:
        return self._state_of(objective.probe) if objective.probe else ""

    def _announce(self, row: Row, seen: Condition, now: float) -> Notice:
        labels = self._labels | {"alertname": row.alert, "service": row.service, "severity": row.severity.value}
        if row.label:
            labels[row.label] = row.subject
        began = now if row.fired_at is None else row.fired_at
        key = identity(labels)
        texts = self._clues(row.slo, row.probe, key).added_to(seen.texts(), row.probe)
        alert = Alert(row.alert, row.severity, began, key, labels=labels, annotations=texts)
        return Notice(alert, receivers_for(labels, self._routes))

    def _forget(self, name: _Name, now: float) -> Notice | None:
        """The condition has left the file: nobody may be left with an alert that can never end."""
        row = self._rows.pop(name)
        what = f"{row.slo}: the objective was removed" if row.slo else f"{row.title} left the file"
        return resolve(row, {"summary": f"{what} while its alert was firing"}, now)

    def samples(self) -> Iterator[tuple[str, list[Sample]]]:
        """`outrider_alert_state`; the label `alert` is the objective's name, since all of them share one alertname.

        Plain alerts are there while they are not inactive: each probe has several, and hardly ever one that is not.
        """
        rows = (row for row in self._rows.values() if row.slo or row.life.state is not AlertState.INACTIVE)
        yield (
            "outrider_alert_state",
            [Sample((row.service, row.title, row.severity.value), int(row.state)) for row in rows],
        )

    def view(self) -> list[dict[str, object]]:
        """What the API shows: every alert that is not inactive. Unix times; `started_at` is None while pending."""
        return [row.shown() for row in self._rows.values() if row.life.state is not AlertState.INACTIVE]


def _severities(objective: Objective) -> tuple[Severity, ...]:
    """The page first: its ticket waits for it."""
    used = {pair.severity for pair in objective.pairs}
    return tuple(severity for severity in Severity if severity in used)


def _pair(seen: Evaluation, severity: Severity, fired: str) -> Pair:
    """The pair that made it fire; before it does, or where the file no longer has it, the quickest that would."""
    mine = [each for each in seen.judgements if each.pair.severity is severity]
    named = [each.pair for each in mine if each.pair.name == fired]
    holding = [each.pair for each in mine if each.condition]
    return min(named or holding or [each.pair for each in mine], key=lambda pair: pair.short_seconds)
