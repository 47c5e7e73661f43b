"""From what is seen, and from the file's words, to the conditions of each tick."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from agent.alerting.condition import Condition
from agent.alerting.plain.holds import Seen
from agent.alerting.plain.kinds import DOWN, OF_AGENT, OF_PROBES, REFUSED, Kind
from agent.alerting.plain.losses import Losses
from agent.health.board import View
from config.sections.alerts import PlainAlert, PlainAlerts
from exporters.base import Severity

#: So long a probe is down before it is told where an objective calls first, or where it never passed: a service that
#: starts beside its agent is down until it listens.
PATIENT_SECONDS = 300.0
OFF = PlainAlerts(off=True)

T = TypeVar("T")


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
