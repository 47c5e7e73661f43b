"""The files in `.demo`."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from agent.demo import files
from config.load import load
from tests.helm.engine import objects, of_kind

_URLS = {
    "app": "http://127.0.0.1:8000",
    "postgres": "postgresql://postgres@127.0.0.1:5432/postgres",
    "redis": "redis://127.0.0.1:6379/0",
    "upstream": "http://127.0.0.1:14318",
}


_WEBHOOK = {"webhook": {"type": "webhook", "url": "http://127.0.0.1:1"}}
_STATE = Path("/home/me/.demo/outrider-1")
_PEERS = ["http://127.0.0.1:9740", "http://127.0.0.1:2"]


def test_outrider_has_its_default_ports():
    """Scripts may rely on them: 9740, 9741, 4318 for the first; the others are named after it."""
    assert files.addresses([files.Ports(), files.Ports(2, 3, 4)], {"service": "http://127.0.0.1:1"}) == {
        "outrider-1": "http://127.0.0.1:9740",
        "outrider-1-admin": "http://127.0.0.1:9741",
        "outrider-2": "http://127.0.0.1:2",
        "outrider-2-admin": "http://127.0.0.1:3",
        "otlp": "http://127.0.0.1:4318",
        "service": "http://127.0.0.1:1",
    }


def test_the_file_names_every_receiver():
    """What the route sends to is what is defined above it."""
    receivers = {
        "webhook": {"type": "webhook", "url": "http://127.0.0.1:1/webhook"},
        "alertmanager": {"type": "alertmanager", "urls": "[http://127.0.0.1:2]"},
    }
    text = files.demo_file(files.Ports(), "demo-8000", _STATE, _URLS, receivers, _PEERS)
    assert "    alertmanager: {type: alertmanager, urls: [http://127.0.0.1:2]}\n" in text
    assert "- to: [webhook, alertmanager]\n" in text


def test_the_replicas_know_each_other():
    """All listeners by their addresses; what they show each other is no secret of the file."""
    text = files.demo_file(files.Ports(), "demo-8000", _STATE, _URLS, _WEBHOOK, _PEERS)
    peers = yaml.safe_load(text)["readiness"]["peers"]
    assert peers == {"urls": _PEERS, "token": "${PEERS_TOKEN}", "refresh": "1s"}


def test_the_chart_lines_say_what_the_file_says():
    """What is copied into values.yaml is what ran; peers and state folder are the chart's, which adds them."""
    text = files.demo_file(files.Ports(), "demo-8000", _STATE, _URLS, _WEBHOOK, _PEERS)
    values = files.chart_lines(text).partition("# values.yaml\n")[2].partition("\n# templates")[0]
    values = yaml.safe_load(values)["outrider"]
    ran = yaml.safe_load(text)
    ran["readiness"]["peers"] = {"refresh": "1s"}
    assert ran.pop("state_dir") == str(_STATE)
    assert values["config"] == ran
    file = yaml.safe_load(of_kind(objects(values), "ConfigMap")["data"]["outrider.yaml"])
    added = {"dns": "checkout-outrider-peers", "token": "${file:/run/secrets/outrider-peers/token}"}
    assert file["readiness"]["peers"] == {"refresh": "1s"} | added
    assert file["state_dir"] == "/var/lib/outrider"
    assert file["probes"] == ran["probes"]


@pytest.mark.parametrize("name", ["my work", "a #1: x", "${HOME}", "\"'", "\\"])
def test_the_state_folder_may_be_called_anything(name):
    """A folder's name is no YAML, no comment and no reference to a variable."""
    place = Path("/home") / name / "outrider-1"
    text = files.demo_file(files.Ports(), "demo-8000", place, _URLS, _WEBHOOK, _PEERS)
    loaded = load(text.encode(), {"PEERS_TOKEN": "x"}, "demo.yaml")
    assert loaded.config.state_dir == str(place)


def test_addresses_are_written_whole_for_the_user_alone(tmp_path):
    """A script that sees the file sees all of it."""
    files.write_addresses(tmp_path, {"otlp": "http://127.0.0.1:4318"})
    path = tmp_path / files.ADDRESSES
    assert json.loads(path.read_text()) == {"otlp": "http://127.0.0.1:4318"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_folder_is_gone_afterwards(tmp_path):
    """Also when the demo fails, and also what a killed one left."""
    home = tmp_path / ".demo"
    for name in ("outrider-1", "service-3"):
        (home / name).mkdir(parents=True)
        (home / name / "server.log").touch()
        (home / name / "outrider.db-wal").touch()
    (home / files.config_name(2)).touch()
    (home / files.CONTROL).touch()

    def fail():
        with files.folder(home):
            assert list(home.iterdir()) == []
            files.write(home / files.config_name(1), "service: demo\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not home.exists()


def test_what_is_the_users_stays(tmp_path):
    """The demo removes its own files only."""
    mine = tmp_path / "notes.txt"
    mine.touch()
    with files.folder(tmp_path):
        files.write(tmp_path / files.config_name(1), "service: demo\n")
    assert list(tmp_path.iterdir()) == [mine]
