"""Alerts that need no objective: which there are, and what the file may say of each. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from agent.alerting import plain_holds, plain_texts
from agent.alerting.condition import PROBE_DOWN, SLO_BURN, Condition
from agent.alerting.losses import QUIET_SECONDS, Loss, Losses
from agent.alerting.plain_holds import Seen
from agent.health.board import View
from config.sections.alerts import PlainAlert, PlainAlerts
from exporters.base import Severity

#: So long a probe is down before it is told where an objective calls first, or where it never passed: a service that
#: starts beside its agent is down until it listens.
PATIENT_SECONDS = 300.0
OFF = PlainAlerts(off=True)

PROBE_DEGRADED, PROBE_FLAPPING = "OutriderProbeDegraded", "OutriderProbeFlapping"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of alert about a T. The numbers stand where the file says nothing.

    `keep_seconds`: so long it must be over before that is told. `over`: what is said then. `after`: the alerts of the
    same probe that say enough already.
    """

    key: str  # in the file
    alert: str  # the alertname
    for_seconds: float
    keep_seconds: float
    holds: Callable[[T], bool | None]
    texts: Callable[[str, T], Mapping[str, str]]
    over: str
    after: frozenset[str] = frozenset()


# A minute outlasts a group_wait of Alertmanager, five what an agent that starts anew must learn first.
DOWN: Kind[View] = Kind(
    "probe_down",
    PROBE_DOWN,
    for_seconds=0,
    keep_seconds=60,
    holds=plain_holds.down,
    texts=plain_texts.down,
    over="is no longer down",
    after=frozenset({SLO_BURN, PROBE_FLAPPING}),
)
DEGRADED: Kind[View] = Kind(
    "probe_degraded",
    PROBE_DEGRADED,
    for_seconds=300,
    keep_seconds=60,
    holds=plain_holds.degraded,
    texts=plain_texts.degraded,
    over="is no longer degraded",
    after=frozenset({PROBE_DOWN, PROBE_FLAPPING}),
)
CERTIFICATE: Kind[View] = Kind(
    "certificate_expires",
    "OutriderCertificateExpires",
    for_seconds=0,
    keep_seconds=300,
    holds=plain_holds.certificate,
    texts=plain_texts.certificate,
    over="has a certificate that lasts",
)
FLAPPING: Kind[View] = Kind(
    "probe_flapping",
    PROBE_FLAPPING,
    for_seconds=0,
    keep_seconds=300,
    holds=plain_holds.flapping,
    texts=plain_texts.flapping,
    over="is no longer flapping",
    after=frozenset({SLO_BURN, PROBE_DOWN, PROBE_DEGRADED}),
)
BRAKE: Kind[Seen] = Kind(
    "brake_open",
    "OutriderBrakeOpen",
    for_seconds=60,
    keep_seconds=300,
    holds=plain_holds.brake,
    texts=plain_texts.brake,
    over="no replica is held in service",
)
ISOLATED: Kind[Seen] = Kind(
    "isolated",
    "OutriderIsolated",
    for_seconds=60,
    keep_seconds=300,
    holds=plain_holds.isolated,
    texts=plain_texts.isolated,
    over="the replica hears others again",
)
BLIND: Kind[Seen] = Kind(
    "blind",
    "OutriderBlind",
    for_seconds=30,
    keep_seconds=300,
    holds=plain_holds.blind,
    texts=plain_texts.blind,
    over="Outrider can tell again how its probes are",
)
REFUSED: Kind[Loss] = Kind(
    "upstream_refused",
    "OutriderUpstreamRefused",
    for_seconds=QUIET_SECONDS + 60,  # so that one batch on one day is nobody's business
    keep_seconds=600,
    holds=lambda loss: bool(loss.lost),
    texts=plain_texts.refused,
    over="nothing is refused or lost any more",
)
OF_PROBES = (DOWN, DEGRADED, CERTIFICATE, FLAPPING)
OF_AGENT = (BRAKE, ISOLATED, BLIND)


class Plain:
    """Makes the conditions of each tick. Remembers only what was lost, and when."""

    def __init__(self) -> None:
        self._losses = Losses()
        self.configure("", OFF)

    def configure(self, service: str, settings: PlainAlerts, covered: Iterable[str] = ()) -> None:
        """Put a file's words in force. `covered`: the probes that have an objective."""
        self._service, self._covered = service, frozenset(covered)
        said: dict[str, PlainAlert] = {
            kind.key: getattr(settings, kind.key) for kind in (*OF_PROBES, *OF_AGENT, REFUSED)
        }
        self._said = {key: each for key, each in said.items() if not (settings.off or each.off)}

    def conditions(self, seen: Seen, now: float) -> Iterator[Condition]:
        """All of them at `now` (wall clock). What begins or ends while this replica stops is no news."""
        for each in self._judged(seen, now):
            yield replace(each, holds=None) if seen.draining else each

    def _judged(self, seen: Seen, now: float) -> Iterator[Condition]:
        """In the order in which they wait for each other."""
        for view in seen.views.values():
            for kind in OF_PROBES:
                yield from self._condition(kind, view, "probe", view.member.name, self._usual(kind, view))
        for each in OF_AGENT:
            yield from self._condition(each, seen)
        for loss in self._losses.step(seen.losses, now):
            yield from self._condition(REFUSED, loss, "destination", loss.destination)

    def _condition(
        self,
        kind: Kind[T],
        of: T,
        label: str = "",
        subject: str = "",
        usual: tuple[Severity, float] | None = None,
    ) -> Iterator[Condition]:
        """Nothing where the file turned it off. `usual`: severity and `for` unless the file has others."""
        said = self._said.get(kind.key)
        if said is None:
            return
        severity, for_seconds = usual or (Severity.TICKET, kind.for_seconds)
        yield Condition(
            kind.alert,
            Severity(said.severity) if said.severity else severity,
            kind.holds(of),
            texts=partial(kind.texts, self._service, of),
            over=partial(_over, self._service, subject, kind.over),
            service=self._service,
            label=label,
            subject=subject,
            probe=subject if kind.after else "",
            after=kind.after,
            for_seconds=for_seconds if said.for_ is None else float(said.for_),
            keep_seconds=kind.keep_seconds if said.keep_firing_for is None else float(said.keep_firing_for),
        )

    def _usual(self, kind: Kind[View], view: View) -> tuple[Severity, float]:
        """A probe that is down wakes somebody where it takes the replica out, unless an objective does that better."""
        if kind is not DOWN:
            return Severity.TICKET, kind.for_seconds
        covered = view.member.name in self._covered
        wakes = view.member.when_down == "unready" and not covered
        patient = covered or not view.ever_passed
        return Severity.PAGE if wakes else Severity.TICKET, PATIENT_SECONDS if patient else kind.for_seconds


def _over(service: str, subject: str, words: str) -> Mapping[str, str]:
    return {"summary": f"{service} {subject} {words}" if subject else f"{service}: {words}"}
