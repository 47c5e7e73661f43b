"""All alerts of one agent: the conditions of its objectives in; notices to send out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from agent.alerting.clues import Clues
from agent.alerting.identity import identity
from agent.alerting.kept import KeptAlert
from agent.alerting.lifecycle import AlertState
from agent.alerting.message import annotations, ended, resolved_annotations
from agent.alerting.routes import receivers_for
from agent.alerting.row import LINGER_SECONDS, Notice, Row, resolve
from agent.slo.engine import Evaluation, SloEngine
from agent.slo.objective import Objective
from config.sections.alerts import Route
from exporters.base import Alert, Sample, Severity

ALERT_NAME = "OutriderSLOBurn"

_Name = tuple[str, Severity]

__all__ = ["ALERT_NAME", "AlertEngine", "Notice"]


class AlertEngine:
    """Turns evaluations into notices. `tick` is the only thing that moves it; times are wall-clock seconds."""

    def __init__(
        self,
        slos: SloEngine,
        routes: Sequence[Route] = (),
        labels: Mapping[str, str] | None = None,
        state_of: Callable[[str], str] = lambda _: "",
        explained_by: Callable[[str], str] = lambda _: "",
        clues: Callable[[str, str, str], Clues] = lambda *_: Clues(),
    ) -> None:
        """`labels` are the file's, put on every alert; `state_of` names what is believed of a probe.

        `explained_by`: the probe whose being down explains that of another, "" when nothing does. `clues`: what else
        is known when an objective's alert is announced, by the objective's name, its probe ("") and the alert's key.
        """
        self._slos = slos
        self._rows: dict[_Name, Row] = {}
        self._state_of, self._explained_by, self._clues = state_of, explained_by, clues
        self.configure(routes, labels or {})

    def configure(self, routes: Sequence[Route], labels: Mapping[str, str]) -> None:
        """Put other routes and labels in force. An alert that fires is resolved under those it was announced with."""
        self._routes = tuple(routes)
        self._labels = dict(labels)

    def tick(self, now: float) -> list[Notice]:
        """Judge every objective once; returns what somebody must be told."""
        at, evaluations = self._slos.tick(now)
        notices, judged = [], set()
        for seen in evaluations:
            for severity in _severities(seen.objective):
                judged.add((seen.objective.name, severity))
                if notice := self._step(seen, severity, at, now):
                    notices.append(notice)
        gone = self._rows.keys() - judged
        return notices + [notice for name in sorted(gone) if (notice := self._forget(name, now))]

    def dump(self) -> list[KeptAlert]:
        """What the next process needs, so that it neither tells anything twice nor forgets an end."""
        return [row.kept() for row in self._rows.values() if row.life.state is not AlertState.INACTIVE]

    def told(self) -> list[str]:
        """The keys of the alerts that fire and that somebody was told of."""
        return [row.told.alert.key for row in self._rows.values() if row.told]

    def restore(self, kept: Iterable[KeptAlert]) -> None:
        """Go on from what an earlier process believed, before the first tick.

        What is of an objective that is gone is taken back at the first tick, if anybody was told.
        """
        for one in kept:
            row = Row.of(one)
            self._rows[row.objective, row.severity] = row

    def _step(self, seen: Evaluation, severity: Severity, at: float, now: float) -> Notice | None:
        row = self._rows.setdefault((seen.objective.name, severity), Row(severity, seen.objective.name))
        change = row.step(seen, at, now)
        if change is False:
            texts = resolved_annotations(seen, row.pair_of(seen), self._believed(seen.objective))
            return resolve(row, ended(texts, row.told.alert, now) if row.told else texts, now)
        if not row.life.firing or row.told is not None:
            return None
        row.cause = self._cause(row, seen.objective.probe, at)
        if row.cause:
            return None
        row.told = self._announce(row, seen, now)
        return row.told

    def _cause(self, row: Row, probe: str, at: float) -> str:
        """The objective that calls a person for this one too; "" when this one must call for itself.

        A ticket waits while its own page is out. What a probe's cause explained stays so while the probe recovers, and
        for a while after its cause did. Requests call for themselves: they are what users see.
        """
        page = self._rows.get((row.objective, Severity.PAGE))
        if row.severity is Severity.TICKET and page and page.life.firing:
            return page.cause or row.objective
        if not probe:
            return ""
        found = self._explained_by(probe)
        calling = next((each.objective for each in self._rows.values() if found and each.probe == found), "")
        if calling:
            row.explained_at = at
            return calling
        if row.explained_at is None:
            return ""
        lingers = at - row.explained_at < LINGER_SECONDS
        return row.cause if lingers or self._state_of(probe) != "down" else ""

    def _believed(self, objective: Objective) -> str:
        return self._state_of(objective.probe) if objective.probe else ""

    def _announce(self, row: Row, seen: Evaluation, now: float) -> Notice:
        labels = self._labels | {
            "alertname": ALERT_NAME,
            "service": seen.objective.service,
            "severity": row.severity.value,
            "slo": row.objective,
        }
        key = identity(labels)
        texts = annotations(seen, row.pair_of(seen), self._believed(seen.objective))
        texts = self._clues(row.objective, row.probe, key).added_to(texts, row.probe)
        began = now if row.fired_at is None else row.fired_at
        alert = Alert(ALERT_NAME, row.severity, began, key, labels=labels, annotations=texts)
        return Notice(alert, receivers_for(labels, self._routes))

    def _forget(self, name: _Name, now: float) -> Notice | None:
        """The objective has left the file: nobody may be left with an alert that can never end."""
        texts = {"summary": f"{name[0]}: the objective was removed while its alert was firing"}
        return resolve(self._rows.pop(name), texts, now)

    def samples(self) -> Iterator[tuple[str, list[Sample]]]:
        """`outrider_alert_state`; the label `alert` is the objective's name, since all of them share one alertname."""
        rows = self._rows.values()
        yield (
            "outrider_alert_state",
            [Sample((row.service, row.objective, row.severity.value), int(row.state)) for row in rows],
        )

    def view(self) -> list[dict[str, object]]:
        """What the API shows: every alert that is not inactive. Unix times; `started_at` is None while pending."""
        active = (row for row in self._rows.values() if row.life.state is not AlertState.INACTIVE)
        return [{"name": ALERT_NAME, **row.shown()} for row in active]


def _severities(objective: Objective) -> tuple[Severity, ...]:
    """The page first: its ticket waits for it."""
    used = {pair.severity for pair in objective.pairs}
    return tuple(severity for severity in Severity if severity in used)
