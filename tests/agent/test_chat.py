"""The whole way to people: a dependency fails, and PagerDuty, Slack and Teams hear of it, each in its own words."""

import json

import pytest

from tests.agent.hostile import answering
from tests.running import agent

FILE = """
probes:
  db: {{type: http, url: '{url}', interval: 200ms, timeout: 150ms, when_down: degraded}}
slos:
  promise: {{objective: 99.99%, sli: {{probe: db}}, alerts: {{min_bad: 1}}, runbook_url: 'https://r.example/db'}}
alerts:
  receivers:
    calls: {{type: pagerduty, routing_key: {key}, url: '{calls}/v2/enqueue'}}
    channel: {{type: slack, url: '{channel}/services/T0/B0/canaryCANARY'}}
    team: {{type: teams, url: '{team}/workflows/canaryCANARY?sig=canaryCANARY'}}
"""


@pytest.mark.e2e
def test_a_burn_reaches_each_of_them():
    """An incident, a message and a card, of the same alert; and the API shows hosts, no more."""
    with answering() as dependency, answering() as calls, answering() as channel, answering() as team:
        dependency.status = 500
        body = FILE.format(url=dependency.url, key="0" * 32, calls=calls.url, channel=channel.url, team=team.url)
        with agent(body) as one:
            one.wait(lambda: calls.messages and channel.messages and team.messages, "all three")
            (incident, *_), (message, *_), (card, *_) = calls.messages, channel.messages, team.messages
            one.wait(
                lambda: "it answered 200, but not 'ok'" in one.log.read_text(), "that an empty answer is not Slack's"
            )
            shown = json.dumps(one.json("/api/v1/config"))
            logged = one.log.read_text()
    summary = incident["payload"]["summary"]
    assert summary.startswith("bench promise: error budget burns ")
    assert (incident["event_action"], incident["links"][0]["href"]) == ("trigger", "https://r.example/db")
    assert message["text"].endswith(f"Firing (page): {summary}")
    runs = card["attachments"][0]["content"]["body"][0]["inlines"]
    assert [run["text"] for run in runs] == [f"Firing (page): {summary}"]
    assert "canary" not in shown + logged
    assert f"{channel.url}/***" in shown
