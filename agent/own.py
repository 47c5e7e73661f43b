"""The agent's own traces: where they go, and what the span of an attempt says."""

from agent.events import Listener, Observation, Outcome
from config.sections.traces import OwnSpans as Wanted
from config.sections.traces import Receive
from config.types import ListenAddress
from exporters.own_spans import Attempted, OwnSpans

_ANY = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where one listens, not where one asks


def own_spans(
    wanted: Wanted, receive: Receive, listening: ListenAddress | None, *, service: str, version: str
) -> OwnSpans:
    """What the file wants. `listening`: where our own receiver really listens, for spans that have no other place."""
    resource = {"service.name": "outrider", "service.version": version, "outrider.service": service}
    if wanted.endpoint is not None:
        return OwnSpans(f"{wanted.endpoint.reveal().rstrip('/')}/v1/traces", float(wanted.sample.value), resource)
    headers = {"authorization": f"Bearer {receive.token.reveal()}"} if receive.token else {}
    address = listening or receive.http
    host = _ANY.get(address.host, f"[{address.host}]" if ":" in address.host else address.host)
    scheme = "https" if receive.tls else "http"
    url = f"{scheme}://{host}:{address.port}{receive.traces_path}"
    return OwnSpans(url, float(wanted.sample.value), resource, headers=headers)


def listener(spans: OwnSpans) -> Listener:
    """Sends the span of every observation that is sampled."""

    def observed(seen: Observation) -> None:
        if seen.traceparent:
            spans.send(_attempted(seen))

    return observed


def _attempted(seen: Observation) -> Attempted:
    attributes = {
        "outrider.probe": seen.probe,
        "outrider.type": seen.type,
        "outrider.outcome": seen.outcome.value,
        "outrider.reason": seen.reason.value,
    }
    if seen.phase:
        attributes["outrider.phase"] = seen.phase
    return Attempted(
        f"probe {seen.probe}",
        seen.traceparent,
        seen.at - seen.seconds,
        seen.at,
        attributes,
        seen.measurement.phases,
        seen.reason.value if seen.outcome is Outcome.FAIL else "",
    )
