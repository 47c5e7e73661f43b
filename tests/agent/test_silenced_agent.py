"""A real agent that is asked for silence: nobody is told, through a kill -9, until the silence is ended."""

import json
import urllib.request
from datetime import datetime

import pytest

from agent.alerting.silences import Silences
from agent.demo.servers import free_port
from tests.agent.alertmanagers import alertmanager
from tests.agent.outbox.test_killed import FILE, burnt, firing, killed, number, webhook
from tests.agent.test_silence_state import restarted
from tests.agent.test_silencing import hour, watchdog
from tests.running import agent

pytestmark = pytest.mark.e2e

PATH = "/api/v1/silences"


def ask(running, method, path, wanted=None):
    """One change through the API of the agent."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{running.admin}{path}",
        json.dumps(wanted).encode() if wanted else None,
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


@pytest.mark.case("L12")
async def test_silenced_through_a_kill(tmp_path):
    """What an earlier process was asked for holds, so does what this one was; then one firing, of the right time."""
    hook = free_port()
    body = FILE.format(app=free_port(), hook=hook).replace("FOLDER", str(tmp_path))
    await burnt(tmp_path, body)
    before = Silences()
    before.add(hour("slo=app"), 0.0)
    await restarted(tmp_path, silences=before)
    with webhook(hook) as got, agent(body) as running, running.log.open("a") as stream:
        alert = running.wait(lambda: firing(running), "the alert")
        assert (alert["silenced"], alert["silenced_by"], alert["receivers"]) == (True, "alice", [])
        assert number(running, "outrider_alert_state", severity="page") == 2
        wanted = {"matchers": ['slo=~"a.."', "severity=page"], "for": "1h", "reason": "it is known"}
        made = ask(running, "POST", PATH, wanted)
        assert [each["id"] for each in ask(running, "DELETE", f"{PATH}/s")["silences"]] == [made["id"]]
        killed(running, stream)
        again = running.wait(lambda: firing(running), "the alert after the kill")
        assert (again["silenced"], again["receivers"], again["started_at"]) == (True, [], alert["started_at"])
        assert got == []
        assert ask(running, "DELETE", f"{PATH}/{made['id']}") == {"silences": []}
        running.wait(lambda: got, "the call")
        running.wait(lambda: number(running, "outrider_notifications_waiting", receiver="oncall") == 0, "the rest")
        assert firing(running)["receivers"] == ["oncall"]
    assert [sent["type"] for _, _, sent, _ in got] == ["slo.alert.firing"]
    told = datetime.fromisoformat(got[0][2]["data"]["started_at"])
    assert abs((told - datetime.fromisoformat(alert["started_at"])).total_seconds()) < 0.01


async def test_quiet_while_prometheus_calls(tmp_path):
    """With the watchdog in Alertmanager an alert fires and nobody is told; without it the next start calls."""
    hook = free_port()
    with alertmanager() as server, webhook(hook) as got:
        watchdog(server, env="prod")
        body = FILE.format(app=free_port(), hook=hook).replace("FOLDER", str(tmp_path))
        fleet = f"fleet: {{type: alertmanager, urls: ['{server.url}']}}, "
        body = body.replace("alerts: {receivers: {", f"alerts: {{mode: auto, receivers: {{{fleet}")
        await burnt(tmp_path, body)
        with agent(body) as running, running.log.open("a") as stream:
            running.wait(lambda: firing(running), "the alert")
            running.wait(lambda: "this agent is quiet" in running.log.read_text(), "the first look")
            assert "\noutrider_alerts_quiet 1.0\n" in running.get("/metrics")[1].decode()
            assert running.json("/api/v1/alerts")["quiet"] is True
            assert got == []
            watchdog(server, env="prod", fires=False)
            killed(running, stream)
            running.wait(lambda: got, "the call")
            assert "this agent calls by itself" in running.log.read_text()
    assert [sent["type"] for _, _, sent, _ in got] == ["slo.alert.firing"]
