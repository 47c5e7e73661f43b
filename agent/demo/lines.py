"""The demo without a terminal: one line whenever something changes, and silence otherwise."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from agent.demo.glance import Glance
from agent.demo.sink import Delivery, Sink

_SAID_OF = {
    "ready": "ready: yes",
    "degraded": "ready: yes, degraded",
    "unready": "ready: no",
    "unjudged": "ready: unjudged",
}


_ARRIVED = {
    "outrider": "an alert reached the webhook",
    "alertmanager": "Alertmanager passed an alert on to the webhook",
}


class Lines:
    """Compares each look with the one before."""

    def __init__(self, say: Callable[[str], None], sink: Sink) -> None:
        self._say = say
        self._sink = sink
        self._newest: dict[str, Delivery] = {}
        self._before: Glance | None = None
        self._states: Mapping[str, str] = {}
        self._alerts: Mapping[str, str] = {}

    def show(self, seen: Glance | None) -> None:
        """Say what changed since the last call; None: Outrider did not answer."""
        if seen is None:
            if self._before is not None:
                self.note("Outrider does not answer")
            self._before = None
            return
        for line in self._changes(seen):
            self.note(line)
        self._before = seen
        self._states = {probe.name: probe.state for probe in seen.probes}
        self._alerts = {alert.slo: alert.state for alert in seen.alerts}

    def note(self, text: str) -> None:
        """One line with the time of day."""
        self._say(f"{datetime.now().astimezone():%H:%M:%S} {text}\n")

    def _changes(self, seen: Glance) -> Iterator[str]:
        verdict = _SAID_OF[seen.verdict]
        edges = [probe for probe in seen.probes if self._states.get(probe.name, "unknown") != probe.state]
        for probe in edges:
            why = probe.reason if probe.state != "up" else ""
            said = ", ".join(probe.readings) if probe.state == "up" else ""
            yield f"{probe.name} {probe.state}" + (f": {why or said}" if why or said else "") + f" ({verdict})"
        if not edges and (self._before is None or self._before.verdict != seen.verdict):
            yield verdict
        for alert in seen.alerts:
            if self._alerts.get(alert.slo) != alert.state:
                yield f"alert {alert.slo} {alert.state} ({alert.severity})"
        for name in self._alerts.keys() - {alert.slo for alert in seen.alerts}:
            yield f"alert {name} resolved"
        yield from self._arrivals()

    def _arrivals(self) -> Iterator[str]:
        for sender, sentence in _ARRIVED.items():
            last = self._sink.last(sender)
            if last is not None and last is not self._newest.get(sender):
                self._newest[sender] = last
                yield sentence
