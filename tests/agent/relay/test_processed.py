"""A real agent that is asked for all of it: what its upstream gets, what it counts, what the sender is told."""

import asyncio
import os
import re
import urllib.request

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agent.relay.sampling import Sampler
from tests.agent.upstream import PROTOBUF, Upstream
from tests.running import agent

FILE = """
probes: {}
labels: {team: shop}
traces:
  receive: {http: '127.0.0.1:OTLP_PORT'}
  forward: {gateway: {endpoint: 'http://127.0.0.1:UPSTREAM'}}
  sample: 50%
  redact: [user.email]
  resource: {deployment.environment.name: production}
  detect_resource: true
"""
SPANS = 200


def spans(*, invalid):
    """A request whose first span has an id that cannot be, where asked."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "checkout"
    scope = group.scope_spans.add()
    for number in range(SPANS):
        span = scope.spans.add(name="GET /", kind=2, trace_id=os.urandom(16), span_id=os.urandom(8))
        span.start_time_unix_nano, span.end_time_unix_nano = 1, 2
        span.attributes.add(key="user.email").value.string_value = "someone@shop.example"
        if invalid and not number:
            span.span_id = b""
    return made


def sent(running, body):
    """The answer to one export."""
    url = f"http://127.0.0.1:{running.otlp}/v1/traces"
    asked = urllib.request.Request(url, data=body, headers={"Content-Type": PROTOBUF}, method="POST")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return ExportTraceServiceResponse.FromString(answer.read())


def counted(running, name):
    """One family of the page, summed over its labels."""
    page = running.get("/metrics")[1].decode()
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", page, re.MULTILINE)
    return sum(float(value) for _, value in found)


def played(running, upstream):
    """Send one request, and wait until the upstream has what it should."""
    running.until("/readyz")
    made = spans(invalid=True)
    answer = sent(running, made.SerializeToString())
    expected = [span for span in made.resource_spans[0].scope_spans[0].spans[1:] if SAMPLER.kept(span.trace_id)]
    running.wait(lambda: upstream.accepted >= len(expected), "what was sent")
    running.wait(lambda: counted(running, "outrider_otlp_delivered_spans_total") == len(expected), "the count")
    totals = {
        name: counted(running, f"outrider_otlp_{name}_spans_total") for name in ("received", "delivered", "dropped")
    }
    return answer, expected, totals, counted(running, "outrider_span_requests_total")


SAMPLER = Sampler(0.5)


@pytest.mark.case("I8")
async def test_everything_at_once():
    """Half of the traces arrive, completed and without the secret; the metrics count all, and the books balance."""
    upstream = Upstream()
    await upstream.start()
    environment = {"OTEL_RESOURCE_ATTRIBUTES": "region=eu%2Dwest", "K8S_POD_NAME": "checkout-1"}
    try:
        with agent(FILE.replace("UPSTREAM", str(upstream.port)), env=environment) as running:
            answer, expected, totals, requests = await asyncio.to_thread(played, running, upstream)
    finally:
        await upstream.stop()
    assert answer.partial_success.rejected_spans == 1
    assert totals == {"received": SPANS - 1, "delivered": len(expected), "dropped": SPANS - 1 - len(expected)}
    assert requests in {SPANS - 1, SPANS}  # an invalid one may count as a request: it was served
    (group,) = ExportTraceServiceRequest.FromString(upstream.arrivals[0].body).resource_spans
    arrived = group.scope_spans[0].spans
    assert [span.trace_id for span in arrived] == [span.trace_id for span in expected]
    assert {span.trace_state for span in arrived} == {"ot=th:8"}
    assert {span.attributes[0].value.string_value for span in arrived} == {"[redacted]"}
    resource = {each.key: each.value.string_value for each in group.resource.attributes}
    assert (
        resource.items()
        >= {
            "service.name": "checkout",
            "team": "shop",
            "deployment.environment.name": "production",
            "region": "eu-west",
            "k8s.pod.name": "checkout-1",
        }.items()
    )
