"""One alert of one objective: its life, and what its receivers know of the present episode."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from agent.alerting.kept import KeptAlert, KeptTold
from agent.alerting.lifecycle import AlertState, Lifecycle
from agent.slo.engine import Evaluation
from agent.slo.windows import Pair
from exporters.base import Alert, Severity

LINGER_SECONDS = 300.0  #: so long after its cause is over an alert that it explained still waits


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that started to fire or was resolved, and whom to tell."""

    alert: Alert
    receivers: tuple[str, ...]


@dataclass(slots=True)
class Row:
    """One alert: of one objective, of one severity. `told` is what the receivers know of the present episode."""

    severity: Severity
    objective: str
    service: str = ""
    probe: str = ""
    life: Lifecycle = field(default_factory=Lifecycle)
    since: float = 0.0  # wall clock: when it left inactive
    fired_at: float | None = None  # wall clock
    pair: str = ""  # of windows, that made it fire
    told: Notice | None = None
    cause: str = ""  # the objective that calls for this one too
    explained_at: float | None = None  # when its cause was down, the last time

    @property
    def state(self) -> AlertState:
        """Where it stands, for people."""
        return AlertState.SUPPRESSED if self.cause and self.life.state is AlertState.FIRING else self.life.state

    def step(self, seen: Evaluation, at: float, now: float) -> bool | None:
        """One evaluation, as `Lifecycle.step`. `at` is the engine's timeline, `now` the wall clock."""
        self.service, self.probe = seen.objective.service, seen.objective.probe
        pair = self.pair_of(seen)
        life, keep = self.life, seen.objective.keep_firing_seconds
        life.for_seconds = seen.objective.for_seconds
        life.keep_firing_seconds = pair.short_seconds if keep is None else keep
        life.stale_after = 2 * pair.short_seconds
        change = life.step(seen.condition(self.severity), at)
        if change:
            self.fired_at, self.pair = now, pair.name
        if life.state is AlertState.INACTIVE:
            self.since, self.fired_at, self.pair = 0.0, None, self.pair if change is False else ""
            self.cause, self.explained_at = "", None
        else:
            self.since = self.since or now
        return change

    def pair_of(self, seen: Evaluation) -> Pair:
        """The pair that made it fire; before it does, or where the file no longer has it, the quickest that would."""
        mine = [each for each in seen.judgements if each.pair.severity is self.severity]
        named = [each.pair for each in mine if each.pair.name == self.pair]
        holding = [each.pair for each in mine if each.condition]
        return min(named or holding or [each.pair for each in mine], key=lambda pair: pair.short_seconds)

    def join(self, receivers: Iterable[str]) -> Notice | None:
        """These are to know of what fires: what must be told those that do not."""
        if self.told is None:
            return None
        new = tuple(name for name in receivers if name not in self.told.receivers)
        if not new:
            return None
        self.told = replace(self.told, receivers=(*self.told.receivers, *new))
        return replace(self.told, receivers=new)

    def kept(self) -> KeptAlert:
        """For the next process."""
        told, life = self.told, self.life
        return KeptAlert(
            objective=self.objective,
            severity=self.severity.value,
            state=life.state.name.lower(),
            active_at=life.active_at,
            false_since=life.false_since,
            known_at=life.known_at,
            explained_at=self.explained_at,
            since=self.since,
            fired_at=self.fired_at,
            pair=self.pair,
            cause=self.cause,
            told=None if told is None else _kept_told(told),
        )

    @classmethod
    def of(cls, kept: KeptAlert) -> "Row":
        """What an earlier process believed."""
        life = Lifecycle(
            state=AlertState[kept.state.upper()],
            active_at=kept.active_at,
            false_since=kept.false_since,
            known_at=kept.known_at,
        )
        severity, told = Severity(kept.severity), kept.told
        return cls(
            severity,
            kept.objective,
            life=life,
            since=kept.since,
            fired_at=kept.fired_at,
            pair=kept.pair,
            told=None if told is None else _told(told, severity),
            cause=kept.cause,
            explained_at=kept.explained_at,
        )

    def shown(self) -> dict[str, object]:
        """What the API shows of it."""
        told = self.told
        return {
            "slo": self.objective,
            "service": self.service,
            "severity": self.severity.value,
            "state": self.state.name.lower(),
            "suppressed_by": self.cause or None,
            "since": self.since,
            "started_at": told.alert.started_at if told else None,
            "key": told.alert.key if told else None,
            "labels": dict(told.alert.labels) if told else {},
            "annotations": dict(told.alert.annotations) if told else {},
            "receivers": list(told.receivers) if told else [],
        }


def resolve(row: Row, texts: Mapping[str, str], now: float) -> Notice | None:
    """The end of what was announced; None where nothing was."""
    told, row.told, row.pair = row.told, None, ""
    if told is None:
        return None
    # After a step back of the clock an alert would otherwise end before it began, which Alertmanager refuses.
    ended = max(now, told.alert.started_at)
    return Notice(replace(told.alert, resolved_at=ended, annotations=texts), told.receivers)


def _kept_told(told: Notice) -> KeptTold:
    alert = told.alert
    return KeptTold(
        started_at=alert.started_at,
        key=alert.key,
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        receivers=told.receivers,
    )


def _told(kept: KeptTold, severity: Severity) -> Notice:
    name = kept.labels.get("alertname", "")
    alert = Alert(
        name, severity, kept.started_at, kept.key, labels=dict(kept.labels), annotations=dict(kept.annotations)
    )
    return Notice(alert, kept.receivers)
