"""Requests of spans, and what request metrics made of them."""

import random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.wire import Level

NOW = 1_767_225_600.0
SECOND = 1_000_000_000
MS = 1_000_000
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
OK, ERROR = 1, 2


def put(attributes, values):
    """Write plain values as attributes."""
    for key, value in values.items():
        written = attributes.add(key=key).value
        if isinstance(value, int):
            written.int_value = value
        else:
            written.string_value = value


def span(name="GET /orders", kind=SERVER, took=10 * MS, end=NOW, status=0, attributes=None, thrown=(), **fields):
    """One span as keyword arguments of `body`; `took` in nanoseconds, `thrown` are (type, message)."""
    return {
        "name": name,
        "kind": kind,
        "took": took,
        "end": end,
        "status": status,
        "attributes": attributes or {},
        "thrown": thrown,
        **fields,
    }


def add(scope, name, kind, took, end, status, attributes, thrown, **fields):
    """Write one span into a ScopeSpans."""
    fields = {"trace_id": random.randbytes(16), "span_id": random.randbytes(8), **fields}
    made = scope.spans.add(name=name, kind=kind, **fields)
    made.end_time_unix_nano = round(end) * SECOND
    made.start_time_unix_nano = made.end_time_unix_nano - took
    made.status.code = status
    put(made.attributes, attributes)
    for type_, message in thrown:
        event = made.events.add(name="exception")
        put(event.attributes, {"exception.type": type_, "exception.message": message})
    return made


def body(*spans, service="checkout", scope="web", into=None):
    """A request with one resource and scope; `into` another request: behind what is there."""
    request = into if into is not None else ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    if service is not None:
        put(resource.resource.attributes, {"telemetry.sdk.name": "x", "service.name": service})
    inside = resource.scope_spans.add()
    inside.scope.name = scope
    for each in spans:
        add(inside, **each)
    return request


def send(red, request, now=NOW, *, commit=True):
    """Show it whole, as the receiver shows small bodies."""
    walk = red.walk(now)
    walk.see(Level.REQUEST, True, request)
    if commit:
        walk.commit(now)
    return walk


def measured(*requests, now=NOW, **settings):
    """A Red that was sent these."""
    red = Red(Settings(**settings))
    for request in requests:
        send(red, request, now)
    return red


def samples(red, family):
    """Values of one family by its labels."""
    return {sample.labels: sample.value for sample in _of(red, family)}


def histograms(red, family="outrider_span_duration_seconds"):
    """Histograms of one family by their labels."""
    return {histogram.labels: histogram for histogram in _of(red, family)}


def counts(red):
    """Requests: (route, status) to their number, of the service checkout, without what is 0."""
    found = samples(red, "outrider_span_requests_total").items()
    return {(route, status): n for (service, route, _, status), n in found if service == "checkout" and n}


def _of(red, family):
    for metric, found in red.samples():
        if (metric if isinstance(metric, str) else metric.name) == family:
            return list(found)
    raise AssertionError(f"no family {family}")
