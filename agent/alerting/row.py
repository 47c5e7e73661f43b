"""One alert: its life, and what its receivers know of the present episode."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from agent.alerting.condition import PROBE_DOWN, SLO_BURN, Condition
from agent.alerting.kept import KeptAlert, KeptTold
from agent.alerting.lifecycle import AlertState, Lifecycle
from exporters.base import Alert, Severity

LINGER_SECONDS = 300.0  #: so long after its cause is over an alert that it explained still waits


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that started to fire or was resolved, and whom to tell."""

    alert: Alert
    receivers: tuple[str, ...]


@dataclass(slots=True)
class Row:
    """One alert, of one severity. `told` is what the receivers know of the present episode."""

    alert: str  # the alertname
    subject: str  # the objective, the probe, the destination; "" is the agent itself
    severity: Severity
    label: str = ""  # which of these the subject is
    service: str = ""
    probe: str = ""
    after: frozenset[str] = frozenset()
    life: Lifecycle = field(default_factory=Lifecycle)
    since: float = 0.0  # wall clock: when it left inactive
    fired_at: float | None = None  # wall clock
    pair: str = ""  # of windows, that made it fire
    told: Notice | None = None
    cause: str = ""  # the alert that calls for this one too
    explained_at: float | None = None  # when its cause was down, the last time

    @property
    def state(self) -> AlertState:
        """Where it stands, for people."""
        return AlertState.SUPPRESSED if self.cause and self.life.state is AlertState.FIRING else self.life.state

    @property
    def slo(self) -> str:
        """The objective; "" for a plain alert."""
        return self.subject if self.alert == SLO_BURN else ""

    @property
    def title(self) -> str:
        """The objective's name, or `OutriderProbeDown:orders-db`: no objective can be called so."""
        return self.slo or f"{self.alert}:{self.subject}".removesuffix(":")

    def step(self, seen: Condition, at: float, now: float) -> bool | None:
        """One evaluation, as `Lifecycle.step`. `at` is the engine's timeline, `now` the wall clock."""
        self.label, self.service, self.probe, self.after = seen.label, seen.service, seen.probe, seen.after
        life = self.life
        life.for_seconds, life.keep_firing_seconds = seen.for_seconds, seen.keep_seconds
        life.stale_after = seen.stale_after
        change = life.step(seen.holds, at)
        if change:
            self.fired_at, self.pair = now, seen.pair
        if life.state is AlertState.INACTIVE:
            self.since, self.fired_at, self.pair = 0.0, None, ""
            self.cause, self.explained_at = "", None
        else:
            self.since = self.since or now
        return change

    def waits_for(self, other: "Row") -> bool:
        """Whether the other one, which is out, is notice enough. Who is to be woken waits for no ticket."""
        if other is self or other.alert not in self.after or not _as_urgent(other.severity, self.severity):
            return False
        same = self.slo == other.slo if self.slo else self.probe == other.probe
        # An objective's alert that waits itself has a cause that calls for both.
        return same and (other.told is not None or bool(other.slo and other.life.firing))

    def speaks_for_probe(self, probe: str, severity: Severity) -> bool:
        """Whether it calls, as urgently, once this probe is down: then what that explains may wait."""
        return self.probe == probe and self.alert in {SLO_BURN, PROBE_DOWN} and _as_urgent(self.severity, severity)

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
            alert=self.alert,
            subject=self.subject,
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
            kept.alert,
            kept.subject,
            severity,
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
            "name": self.alert,
            "about": self.subject,
            "slo": self.slo or None,
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


def _as_urgent(one: Severity, other: Severity) -> bool:
    return one is Severity.PAGE or other is Severity.TICKET


def resolve(row: Row, texts: Mapping[str, str], now: float) -> Notice | None:
    """The end of what was announced; None where nothing was."""
    told, row.told = row.told, None
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
