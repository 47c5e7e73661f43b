"""The word that a running agent leaves for `healthcheck` and `drain`."""

import os
import subprocess
import sys

import pytest

from agent.cli import addresses
from config.types import ListenAddress
from tests.ports import free_port
from tests.running import ROOT, agent

QUIET = "probes: {me: {type: memory, of: self, interval: 1s}}\n"


def outrider(*words, place):
    """One command to its end, in an environment that names the folder and no file."""
    env = {"PATH": os.environ["PATH"], addresses.VARIABLE: str(place)}
    command = [sys.executable, "-m", "outrider", *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("*:9740", "http://127.0.0.1:9740"),
        ("[::]:9740", "http://127.0.0.1:9740"),
        ("10.0.0.7:9740", "http://10.0.0.7:9740"),
        ("[::1]:9740", "http://[::1]:9740"),
        ("unix:/run/outrider.sock", "unix:/run/outrider.sock"),
    ],
)
def test_an_address_as_this_machine_asks_it(tmp_path, monkeypatch, written, asked):
    """What is left is found again: everywhere means loopback, brackets and sockets stay."""
    monkeypatch.setenv(addresses.VARIABLE, str(tmp_path))
    addresses.leave(str(tmp_path), {"listen.public": ListenAddress.parse(written)})
    assert addresses.find("listen.public") == asked
    assert addresses.find("listen.admin") is None
    assert [path.name for path in tmp_path.iterdir()] == [addresses.NAME]


@pytest.mark.parametrize("left", [b"", b"listen.public", b"\xff\xfe x", b"\0" * 9000])
def test_what_makes_no_sense_is_as_if_nothing_were_left(tmp_path, monkeypatch, left):
    """A damaged file breaks no hook."""
    monkeypatch.setenv(addresses.VARIABLE, str(tmp_path))
    (tmp_path / addresses.NAME).write_bytes(left)
    assert addresses.find("listen.public") is None


@pytest.mark.e2e
def test_hooks_find_a_running_agent_by_itself(tmp_path):
    """Neither URL nor file: the folder says where, after a reload too, and a bad file in place changes nothing."""
    with agent(QUIET, f"--state-dir={tmp_path}") as one:
        one.wait((tmp_path / addresses.NAME).exists)
        assert outrider("healthcheck", place=tmp_path).returncode == 0
        moved = free_port()
        one.file.write_text(one.file.read_text().replace(f":{one.public}'", f":{moved}'"))
        one.wait(lambda: f":{moved}\n" in (tmp_path / addresses.NAME).read_text())
        one.file.write_text("probs: {}\n")
        assert outrider("healthcheck", "--ready", place=tmp_path).returncode == 0
        assert outrider("drain", place=tmp_path).returncode == 0
        one.until("/readyz", 503, port=moved)


@pytest.mark.e2e
def test_an_agent_that_ended_is_not_taken_for_live(tmp_path):
    """What it left names an address where nobody answers: 69, and the address."""
    with agent(QUIET, f"--state-dir={tmp_path}") as one:
        one.wait((tmp_path / addresses.NAME).exists)
    ended = outrider("healthcheck", place=tmp_path)
    assert (ended.returncode, f"127.0.0.1:{one.public}" in ended.stderr) == (69, True)


@pytest.mark.e2e
def test_an_agent_that_cannot_start_leaves_no_word(tmp_path):
    """A second one whose port is taken must not send the hooks of the first elsewhere."""
    with agent(QUIET, f"--state-dir={tmp_path}") as one:
        one.wait((tmp_path / addresses.NAME).exists)
        left = (tmp_path / addresses.NAME).read_text()
        second = tmp_path / "second.yaml"
        second.write_text(one.file.read_text().replace(f":{one.admin}'", f":{one.otlp}'"))
        assert outrider("run", "-c", str(second), place=tmp_path).returncode == 78
        assert (tmp_path / addresses.NAME).read_text() == left


def test_a_hook_loads_neither_yaml_nor_the_model(tmp_path):
    """What a kubelet starts every few seconds stays at 20 MB and 100 ms: the standard library, and little of it."""
    code = "import sys; from outrider.__main__ import main; main(['healthcheck', '--timeout=0.1']); print(*sys.modules)"
    alone = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}  # it loads much itself
    env = alone | {addresses.VARIABLE: str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert not loaded & {"yaml", "msgspec", "aiohttp", "asyncio", "pathlib", "config", "probes", "exporters"}
