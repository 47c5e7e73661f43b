"""The demo without a terminal: one line whenever something changes, and silence otherwise."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from agent.demo.glance import Glance, LedgerGlance
from agent.demo.rate import Rates
from agent.demo.sink import Delivery, Sink

_SAID_OF = {
    "ready": "ready: yes",
    "degraded": "ready: yes, degraded",
    "unready": "ready: no",
    "unjudged": "ready: unjudged",
    "silent": "does not answer",
}


_MANY_QUEUED = 20  # spans; the service makes about ten in a second
_MANY_FAILED = 0.5  # of the requests of the last moments

_ARRIVED = {
    "outrider": "an alert reached the webhook",
    "alertmanager": "Alertmanager passed an alert on to the webhook",
}


class Lines:
    """Compares each look with the one before: the first replica's probes, alerts, requests and spans, all verdicts."""

    def __init__(self, say: Callable[[str], None], sink: Sink) -> None:
        self._say = say
        self._sink = sink
        self._newest: dict[str, Delivery] = {}
        self._answering = False
        self._verdicts: Mapping[int, str] = {}
        self._states: Mapping[str, str] = {}
        self._alerts: Mapping[str, str] = {}
        self._rates = Rates()
        self._failing = False
        self._waiting = False

    def show(self, seen: Glance | None) -> None:
        """Say what changed since the last call; None: the first Outrider did not answer."""
        if seen is None:
            if self._answering:
                self.note("Outrider does not answer")
            self._answering, self._verdicts = False, {}
            return
        for line in self._changes(seen):
            self.note(line)
        self._answering = True
        self._verdicts = {number: replica.verdict for number, replica in enumerate(seen.replicas, start=1)}
        self._states = {probe.name: probe.state for probe in seen.probes}
        self._alerts = {alert.slo: alert.state for alert in seen.alerts}

    def note(self, text: str) -> None:
        """One line with the time of day."""
        self._say(f"{datetime.now().astimezone():%H:%M:%S} {text}\n")

    def _changes(self, seen: Glance) -> Iterator[str]:
        for probe in seen.probes:
            if self._states.get(probe.name, "unknown") != probe.state:
                why = probe.reason if probe.state != "up" else ", ".join(probe.readings)
                yield f"{probe.name} {probe.state}" + (f": {why}" if why else "")
        for number, replica in enumerate(seen.replicas, start=1):
            if self._verdicts.get(number) != replica.verdict:
                why = "; ".join(replica.reasons)
                yield f"replica {number} {_SAID_OF[replica.verdict]}" + (f": {why}" if why else "")
        for alert in seen.alerts:
            if self._alerts.get(alert.slo) != alert.state:
                yield f"alert {alert.slo} {alert.state} ({alert.severity})"
        for name in self._alerts.keys() - {alert.slo for alert in seen.alerts}:
            yield f"alert {name} resolved"
        yield from self._requests(seen)
        yield from self._spans(seen.ledger)
        yield from self._arrivals()

    def _requests(self, seen: Glance) -> Iterator[str]:
        """Whether the service answers, by its own spans."""
        rate = self._rates.add(seen.uptime, seen.requests)
        if rate and not self._failing and rate.failed >= _MANY_FAILED:
            self._failing = True
            yield f"requests fail: {rate.failed:.0%} of {rate.per_second:.1f}/s"
        elif rate and self._failing and rate.per_second and not rate.failed:
            self._failing = False
            yield f"requests are answered again: {rate.per_second:.1f}/s"

    def _spans(self, ledger: LedgerGlance) -> Iterator[str]:
        """Whether they leave, or wait; and that all that waited has arrived."""
        if not self._waiting and ledger.trouble:
            self._waiting = True
            yield f"spans wait {ledger.where}: {ledger.trouble}"
        elif self._waiting and not ledger.trouble and ledger.queued <= _MANY_QUEUED:
            self._waiting = False
            yield f"spans arrive again: {ledger.delivered:,} delivered, {ledger.dropped:,} dropped"

    def _arrivals(self) -> Iterator[str]:
        for sender, sentence in _ARRIVED.items():
            last = self._sink.last(sender)
            if last is not None and last is not self._newest.get(sender):
                self._newest[sender] = last
                yield sentence
