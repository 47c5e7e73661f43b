"""All alerts of one agent: the conditions of its objectives in; notices to send out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.alerting.identity import identity
from agent.alerting.lifecycle import AlertState, Lifecycle
from agent.alerting.message import annotations, resolved_annotations
from agent.alerting.routes import receivers_for
from agent.slo.engine import Evaluation, SloEngine
from agent.slo.objective import Objective
from agent.slo.windows import PAGE_QUICK
from config.sections.alerts import Route
from exporters.base import Alert, Sample

ALERT_NAME = "OutriderSLOBurn"


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that started to fire or was resolved, and whom to tell."""

    alert: Alert
    receivers: tuple[str, ...]


@dataclass(slots=True)
class _Row:
    """One alert of one objective. `told` is what the receivers know of the present episode."""

    objective: Objective
    life: Lifecycle
    since: float = 0.0  # wall clock: when it left inactive
    told: Notice | None = None
    cause: str = ""  # the objective that calls for this one too

    @property
    def state(self) -> AlertState:
        """Where it stands, for people."""
        return AlertState.SUPPRESSED if self.cause and self.life.state is AlertState.FIRING else self.life.state


class AlertEngine:
    """Turns evaluations into notices. `tick` is the only thing that moves it; times are wall-clock seconds."""

    def __init__(
        self,
        slos: SloEngine,
        routes: Sequence[Route] = (),
        labels: Mapping[str, str] | None = None,
        state_of: Callable[[str], str] = lambda _: "",
        explained_by: Callable[[str], str] = lambda _: "",
    ) -> None:
        """`labels` are the file's, put on every alert; `state_of` names what is believed of a probe.

        `explained_by`: the probe whose being down explains that of another, "" when nothing does.
        """
        self._slos = slos
        self._rows: dict[str, _Row] = {}
        self._state_of, self._explained_by = state_of, explained_by
        self.configure(routes, labels or {})

    def configure(self, routes: Sequence[Route], labels: Mapping[str, str]) -> None:
        """Put other routes and labels in force. An alert that fires is resolved under those it was announced with."""
        self._routes = tuple(routes)
        self._labels = dict(labels)

    def tick(self, now: float) -> list[Notice]:
        """Judge every objective once; returns what somebody must be told."""
        at, rows = self._slos.tick(now)
        notices = [notice for row in rows if (notice := self._step(row, at, now))]
        gone = self._rows.keys() - {row.objective.name for row in rows}
        return notices + [notice for name in sorted(gone) if (notice := self._forget(name, now))]

    def _step(self, row: Evaluation, at: float, now: float) -> Notice | None:
        kept = self._row(row.objective)
        change = kept.life.step(row.condition, at)
        if kept.life.state is AlertState.INACTIVE:
            kept.since = 0.0
        else:
            kept.since = kept.since or now
        if change is False:
            kept.cause = ""
            return _resolve(kept, resolved_annotations(row, self._believed(row.objective)), now)
        if not kept.life.firing or kept.told is not None:
            return None
        kept.cause = self._cause(kept)
        if kept.cause:
            return None
        kept.told = self._announce(row, now)
        return kept.told

    def _cause(self, kept: _Row) -> str:
        """The objective that calls a person for this one too; "" when this one must call for itself.

        What was explained once stays so until the probe is down with nothing to explain it: its numbers go on burning
        for a while after it has recovered together with its cause. Requests call for themselves: they are what users
        see.
        """
        probe = kept.objective.probe
        if not probe:
            return ""
        found = self._explained_by(probe)
        calling = next((name for name, row in self._rows.items() if found and row.objective.probe == found), "")
        recovered = kept.cause and self._state_of(probe) != "down"
        return kept.cause if recovered else calling

    def _believed(self, objective: Objective) -> str:
        return self._state_of(objective.probe) if objective.probe else ""

    def _row(self, objective: Objective) -> _Row:
        kept = self._rows.setdefault(objective.name, _Row(objective, Lifecycle()))
        kept.objective = objective
        kept.life.for_seconds = objective.for_seconds
        kept.life.keep_firing_seconds = objective.keep_firing_seconds
        kept.life.stale_after = 2 * PAGE_QUICK.short_seconds
        return kept

    def _announce(self, row: Evaluation, now: float) -> Notice:
        labels = self._labels | {
            "alertname": ALERT_NAME,
            "service": row.objective.service,
            "severity": PAGE_QUICK.severity.value,
            "slo": row.objective.name,
        }
        texts = annotations(row, self._believed(row.objective))
        alert = Alert(ALERT_NAME, PAGE_QUICK.severity, now, identity(labels), labels=labels, annotations=texts)
        return Notice(alert, receivers_for(labels, self._routes))

    def _forget(self, name: str, now: float) -> Notice | None:
        """The objective has left the file: nobody may be left with an alert that can never end."""
        texts = {"summary": f"{name}: the objective was removed while its alert was firing"}
        return _resolve(self._rows.pop(name), texts, now)

    def samples(self) -> Iterator[tuple[str, list[Sample]]]:
        """`outrider_alert_state`; the label `alert` is the objective's name, since all of them share one alertname."""
        yield (
            "outrider_alert_state",
            [
                Sample((row.objective.service, name, PAGE_QUICK.severity.value), int(row.state))
                for name, row in self._rows.items()
            ],
        )

    def view(self) -> list[dict[str, object]]:
        """What the API shows: every alert that is not inactive. Unix times; `started_at` is None while pending."""
        active = (row for row in self._rows.values() if row.life.state is not AlertState.INACTIVE)
        return [_shown(row) for row in active]


def _resolve(row: _Row, texts: Mapping[str, str], now: float) -> Notice | None:
    """The end of what was announced; None where nothing was."""
    told, row.told = row.told, None
    if told is None:
        return None
    # After a step back of the clock an alert would otherwise end before it began, which Alertmanager refuses.
    ended = max(now, told.alert.started_at)
    return Notice(replace(told.alert, resolved_at=ended, annotations=texts), told.receivers)


def _shown(row: _Row) -> dict[str, object]:
    told = row.told
    return {
        "name": ALERT_NAME,
        "slo": row.objective.name,
        "service": row.objective.service,
        "severity": PAGE_QUICK.severity.value,
        "state": row.state.name.lower(),
        "suppressed_by": row.cause or None,
        "since": row.since,
        "started_at": told.alert.started_at if told else None,
        "key": told.alert.key if told else None,
        "labels": dict(told.alert.labels) if told else {},
        "annotations": dict(told.alert.annotations) if told else {},
        "receivers": list(told.receivers) if told else [],
    }
