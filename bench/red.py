"""What request metrics cost: spans per CPU-second of seeing bodies that are parsed already, and of counting them.

python -m bench.red
"""

import random
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.red.objective import SpanObjective
from agent.red.red import Red
from agent.red.settings import Settings
from agent.relay.wire import Level
from bench.rows import Row
from bench.spans import SPANS, request_body

_ROUTES = [f"/orders/{{id}}/part{number}" for number in range(8)]
_SECONDS = 1.0
_ROUNDS = 5


def mixed_body(spans=SPANS):
    """One SDK batch of a web service: a third each of server, internal and client spans, seven attributes each."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "checkout"
    scopes = [resource.scope_spans.add() for _ in range(3)]
    for number in range(spans):
        kind = (2, 1, 3)[number % 3]
        route = random.choice(_ROUTES)
        name = {2: f"GET {route}", 1: "serialize", 3: random.choice(("SELECT orders", "INSERT orders"))}[kind]
        span = scopes[number % 3].spans.add(name=name, kind=kind, trace_id=random.randbytes(16))
        span.span_id = random.randbytes(8)
        span.start_time_unix_nano = time.time_ns()
        span.end_time_unix_nano = span.start_time_unix_nano + int(random.lognormvariate(3, 1) * 1e6)
        span.status.SetInParent()
        for key, value in _attributes(kind, route):
            found = span.attributes.add(key=key).value
            if isinstance(value, int):
                found.int_value = value
            else:
                found.string_value = value
    return request.SerializeToString()


def _attributes(kind, route):
    if kind == 3:
        named = {"db.system.name": "postgresql", "server.address": "db.internal", "server.port": 5432}
        return [*named.items(), *((f"db.{key}", "a plausible value") for key in ("namespace", "query", "user", "x"))]
    keys = ("http.request.method", "url.path", "url.scheme", "server.address", "user_agent")
    return [
        *((key, "a plausible value here") for key in keys),
        ("http.route", route),
        ("http.response.status_code", 200),
    ]


def spans_per_cpu_second(body, objectives=()):
    """The best of some rounds; the parsing, and the objects it makes, are not counted."""
    red = Red(Settings(service="checkout", objectives=objectives))
    best = 0.0
    for _ in range(_ROUNDS):
        spent, spans = 0.0, 0
        while spent < _SECONDS / _ROUNDS:
            message = ExportTraceServiceRequest.FromString(body)
            held = [[*scope.spans] for resource in message.resource_spans for scope in resource.scope_spans]
            began = time.process_time()
            walk = red.walk(time.time())
            walk.see(Level.REQUEST, True, message)
            walk.commit(time.time())
            spent += time.process_time() - began
            spans += sum(map(len, held))
        best = max(best, spans / spent)
    return best


def rows():
    """One row for each kind of body."""
    objectives = (SpanObjective("requests", "server"), SpanObjective("latency", "server", _ROUTES[0], 0.3))
    for what, body in (("server, internal and client", mixed_body()), ("server", request_body())):
        rate = spans_per_cpu_second(body, objectives)
        ours = f"{rate:,.0f} spans per CPU-second, {1e6 / rate:.2f} us a span"
        yield Row(f"request metrics, {SPANS} {what} spans", ours)


if __name__ == "__main__":
    for row in rows():
        print(f"{row.what}: {row.ours}")
