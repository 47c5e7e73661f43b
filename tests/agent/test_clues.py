"""What a person reads who was just woken: from real spans, a dead database and a deploy to the webhook."""

import re
import time
import urllib.request

import pytest

from agent.demo.servers import free_port
from tests.agent.hostile import answering
from tests.agent.red.bodies import ERROR, body, put, span
from tests.running import agent

FILE = """
probes:
  orders-db:
    type: postgres
    dsn: postgresql://shop:canarySECRET@127.0.0.1:{dead}/orders
    interval: 200ms
    timeout: 150ms
    when_down: degraded
traces:
  receive: {{http: '127.0.0.1:OTLP_PORT'}}
  forward: {{gateway: {{endpoint: '{upstream}'}}}}
slos:
  checkout:
    objective: 99.9%
    sli: {{spans: {{route: /checkout}}}}
    runbook_url: https://r.example/checkout
    alerts: {{windows: [{{long: 60s, short: 5s, factor: 14.4}}]}}
alerts:
  receivers:
    hook: {{type: webhook, url: '{hook}/hook'}}
    calls: {{type: pagerduty, routing_key: {key}, url: '{hook}/calls'}}
    line: {{type: log}}
"""
TRACES = [f"{number:032x}" for number in (0xA1, 0xA2, 0xA3, 0xA4)]


def post(one, version, *spans):
    """One OTLP request of the agent's own service."""
    request = body(*spans, service="bench")
    put(request.resource_spans[0].resource.attributes, {"service.version": version})
    sent = urllib.request.Request(
        f"http://127.0.0.1:{one.otlp}/v1/traces",
        request.SerializeToString(),
        {"Content-Type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(sent, timeout=5) as answer:
        assert answer.status == 200


def failed(trace):
    """A request that ended with an error just now."""
    return span("GET /checkout", trace_id=bytes.fromhex(trace), status=ERROR, end=time.time() - 1)


@pytest.mark.e2e
def test_an_alert_says_what_a_person_needs():
    """The probe that is down and why, the deploy before it, three traces and who speaks; no secret."""
    with answering() as upstream, answering() as hook:
        file = FILE.format(dead=free_port(), upstream=upstream.url, hook=hook.url, key="0" * 32)
        with agent(file, env={"K8S_POD_NAME": "checkout-7f9c"}) as one:
            one.until("/livez")
            one.wait(lambda: "probe orders-db is down" in one.log.read_text(), "that the database is down")
            post(one, "1.4.1", span("GET /checkout", end=time.time() - 1))
            post(one, "1.4.2", span("GET /checkout", end=time.time() - 1))
            one.wait(lambda: len(b"".join(upstream.bodies)) > 0, "the first delivery")
            for trace in TRACES:
                post(one, "1.4.2", failed(trace))
            one.wait(lambda: len(hook.messages) >= 2, "webhook and incident")
            logged = one.log.read_text()
    said = next(each["data"]["annotations"] for each in hook.messages if "data" in each)
    cause = r"postgres orders-db has been down for \d+ s: connect_refused in connect"
    deploy = r"1\.4\.2 since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, \d+ s before this alert; was 1\.4\.1"
    assert re.fullmatch(cause, said["root_cause"])
    assert re.fullmatch(deploy, said["last_deploy"])
    assert re.search(f"Likely root cause: {cause}. Last deploy: {deploy}.", said["description"])
    assert (said["replica"], said["runbook_url"]) == ("checkout-7f9c", "https://r.example/checkout")
    traces = said["trace_ids"].split()
    assert set(traces) <= set(TRACES)
    assert 1 <= len(traces) <= 3
    assert "seen_by" not in said
    (event,) = [each for each in hook.messages if "payload" in each]
    assert event["payload"]["custom_details"]["root_cause"] == said["root_cause"]
    assert re.search(f"alert firing \\(page\\): .*; likely root cause: {cause}", logged)
    assert "canary" not in logged + str(hook.messages)
