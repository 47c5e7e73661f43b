"""A real agent, a dead dependency, and a person who says what shall follow from it."""

import json
import urllib.request

import pytest

from tests.ports import free_port
from tests.running import agent

pytestmark = pytest.mark.e2e


def say(running, method, path, body=None):
    """The document that answers a change."""
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if body else {}
    url = f"http://127.0.0.1:{running.admin}/api/v1/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, sent, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def running():
    """An agent that is unready, because its only probe never passed."""
    probe = f"{{type: http, url: 'http://127.0.0.1:{free_port()}', interval: 300ms, timeout: 100ms}}"
    with agent(f"probes: {{db: {probe}}}\n") as running:
        running.wait(lambda: running.json("/api/v1/probes/db")["state"] == "down", "the probe down")
        yield running


def verdict(running):
    """The code of /readyz, and the verdict of the admin listener."""
    return running.get("/readyz")[0], running.json("/api/v1/status")["verdict"]


def test_maintenance(running):
    """While a window is open its probe has no effect, is asked on, and says why; afterwards it is what it is."""
    assert verdict(running)[0] == 503
    told = say(running, "POST", "maintenance", {"probes": ["db"], "for": "10m", "reason": "upgrade"})
    code, now = verdict(running)
    assert (code, now["status"]) == (200, "healthy")
    probe = running.json("/api/v1/probes/db")
    assert (probe["state"], probe["overlays"], probe["effect"]) == ("down", ["maintenance"], "none")
    assert probe["text"] == f"is in maintenance: {told['text']}"
    running.wait(lambda: running.json("/api/v1/probes/db")["failures"] > probe["failures"] + 1, "further attempts")
    say(running, "DELETE", f"maintenance/{told['id']}")
    assert verdict(running)[0] == 503


@pytest.mark.parametrize(("ready", "code"), [(True, 200), (False, 503)])
def test_override(running, ready, code):
    """It decides, whatever the members say, and the verdict says who forced it, until when and why."""
    said = say(running, "POST", "override", {"ready": ready, "for": "10m", "reason": "drill"})["override"]
    found, now = verdict(running)
    assert found == code
    forced = "ready" if ready else "unready"
    assert now["reasons"][0].startswith(f"override: {forced} by {said['by']} until 20")
    assert now["reasons"][0].endswith(" (drill)")
    say(running, "DELETE", "override")
    assert verdict(running)[0] == 503


def test_an_override_ends_by_itself(running):
    """After its time the members decide again, and nobody had to remember."""
    say(running, "POST", "override", {"ready": True, "for": "1s", "reason": "drill"})
    running.wait(lambda: running.get("/readyz")[0] == 503, "the end of the override")
    assert running.json("/api/v1/override") == {"override": None}


def test_draining_is_stronger():
    """A replica that is about to stop is unready, whatever anybody says."""
    with agent("probes: {}\n", drain="30s") as running:
        running.until("/readyz")
        say(running, "POST", "override", {"ready": True, "for": "10m", "reason": "drill"})
        assert running.get("/readyz")[0] == 200
        running.post("/api/v1/drain")
        code, now = verdict(running)
        assert code == 503
        assert now["reasons"][0].startswith("draining")


def test_a_window_of_the_file():
    """What is written in the file needs nobody to ask: the dead probe makes nobody unready while it is open."""
    probe = f"{{type: http, url: 'http://127.0.0.1:{free_port()}', interval: 300ms, timeout: 100ms}}"
    always = "{start: 00:00, duration: 24h, timezone: Asia/Kathmandu}"
    with agent(f"probes: {{db: {probe}}}\nmaintenance: {{always: {always}}}\n") as running:
        running.wait(lambda: running.json("/api/v1/probes/db")["state"] == "down", "the probe down")
        assert running.get("/readyz")[0] == 200
        assert running.json("/api/v1/probes/db")["text"].startswith("is in maintenance: always, until ")
