"""`outrider alerts` shows what fires, who was told, and what never arrived."""

import json
import urllib.parse
from datetime import UTC, datetime

import pytest

from agent.cli import alerts_list
from outrider.__main__ import main
from tests.hook import hook
from tests.running import agent

ALERT = {
    "name": "OutriderSLOBurn", "slo": "app", "severity": "page", "state": "firing", "suppressed_by": None,
    "since": "2026-01-01T00:00:00Z", "annotations": {"summary": "burns"}, "receivers": ["oncall", "team"],
}  # fmt: skip
NOW = datetime(2026, 1, 1, 0, 2, 5, tzinfo=UTC)


@pytest.fixture
def place():
    """Something that answers."""
    with hook() as one:
        yield one


@pytest.mark.e2e
def test_a_real_agent_tells_what_fires_and_who_never_heard_of_it(place, capsys):
    """A page that one receiver took and another refused for good: the table, the line below it, and all as JSON."""
    body = f"""
probes: {{app: {{type: http, url: "http://127.0.0.1:9", interval: 1s}}}}
slos:
  app:
    objective: 99%
    sli: {{probe: app}}
    alerts: {{min_bad: 1, windows: [{{long: 1m, short: 5s, factor: 1}}]}}
alerts:
  receivers:
    oncall: {{type: webhook, url: "{place.url}/oncall"}}
    archive: {{type: alertmanager, urls: ["http://127.0.0.1:1"]}}
    gone: {{type: slack, url: "{place.url}/secret-of-the-channel"}}
"""
    place.answer = b"no"  # not what Slack says
    with agent(body) as one:
        url = f"http://127.0.0.1:{one.admin}"
        one.wait(lambda: one.json("/api/v1/alerts/undelivered")["undelivered"], "a refusal")
        assert main(["alerts", "list", url]) == 0
        table, told = capsys.readouterr().out.split("\n\n")
        heads, row = table.splitlines()
        assert heads.split() == ["STATE", "SEVERITY", "WHAT", "FOR", "TOLD", "SAYS"]
        assert row.split()[:3] == ["firing", "page", "app"]
        assert "oncall, archive, gone" in row
        assert "bench app: error budget burns" in row
        assert told.startswith("1 never reached gone; the last one refused: refused: it answered 200, but not 'ok'")
        assert main(["alerts", "list", "-c", str(one.file), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["objectives"], found["alerts"][0]["state"]) == (1, "firing")
        assert found["undelivered"][0]["attempts"] == 1
        page = urllib.parse.unquote(one.get("/", one.admin)[1].decode())
        assert "Undelivered" in page
        assert "secret-of-the-channel" not in page


def test_nothing_fires(place, capsys):
    """The empty table says what is watched, or how to have something watched."""
    for objectives, told in ((3, "3 objectives are watched."), (1, "1 objective is watched."), (0, "`slo: 99.9%`")):
        place.answer = json.dumps({"alerts": [], "slos": [{}] * objectives, "undelivered": []}).encode()
        assert main(["alerts", "list", place.url]) == 0
        assert told in capsys.readouterr().out


def test_without_a_command_it_lists(place, capsys, monkeypatch, tmp_path):
    """The running agent left word of where it is."""
    place.answer = json.dumps({"alerts": [], "slos": [], "undelivered": []}).encode()
    (tmp_path / "listening").write_text(f"listen.admin {place.url}\n")
    monkeypatch.setenv("OUTRIDER_STATE_DIR", str(tmp_path))
    assert main(["alerts"]) == 0
    assert capsys.readouterr().out.startswith("Nothing fires")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, ["firing", "page", "app", "2 min 5 s", "oncall, team", "burns"]),
        ({"state": "pending", "receivers": [], "annotations": {}}, ["pending", "page", "app", "2 min 5 s", "nobody"]),
        ({"suppressed_by": "db"}, ["burns (db calls for it)"]),
        (
            {"silenced": True, "silenced_by": "eve", "silenced_until": "2026-01-01T02:00:00Z"},
            ["burns (silenced by eve until 2026-01-01T02:00:00Z)"],
        ),
        ({"slo": None, "name": "OutriderProbeDown", "about": "db"}, ["OutriderProbeDown db"]),
        ({"annotations": {"summary": "red \x1b[31m"}}, ["red ?[31m"]),
    ],
)
def test_a_row(more, told):
    """State, severity, what, for how long, who was told, and why nobody was; nothing that paints a terminal."""
    _, row = alerts_list._shown([ALERT | more], 1, NOW)
    assert all(each in row for each in told), row


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"alerts": 1}', b'{"alerts": [{}], "slos": [], "undelivered": []}'])
def test_what_is_no_outrider_is_told(place, answer, capsys):
    """One line and exit 1, whatever answers there."""
    place.answer = answer
    assert main(["alerts", "list", place.url]) == 1
    assert "is it the admin listener of an Outrider?" in capsys.readouterr().err


def test_nobody_answers(capsys):
    """69, as everywhere."""
    assert main(["alerts", "list", "http://127.0.0.1:9"]) == 69
    assert "no agent answers at http://127.0.0.1:9" in capsys.readouterr().err
