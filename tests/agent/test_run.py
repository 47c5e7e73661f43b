"""`outrider run` as a process: start, signals, reload, bad files, ports."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.running import ROOT, agent

pytestmark = pytest.mark.e2e

QUIET = "probes: {me: {type: memory, of: self, interval: 1100ms}}\n"


def outrider(*words, env=None):
    """One command to its end."""
    command = [sys.executable, "-m", "outrider", *words]
    return subprocess.run(
        command, cwd=ROOT, env=env or os.environ, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def running():
    """One agent for the tests that do not stop it."""
    with agent(QUIET) as one:
        one.until("/readyz/me")
        yield one


def test_answers_what_a_balancer_and_a_person_ask(running):
    """Live, ready, started, metrics, page: all there."""
    assert {running.get(path)[0] for path in ("/livez", "/readyz", "/startupz", "/metrics", "/readyz/me")} == {200}
    assert b"outrider_ready 1.0" in running.get("/metrics")[1]
    assert running.get("/", running.admin)[0] == 200


def test_the_metrics_page_has_every_family_of_the_parts_that_run(running):
    """Counters exist at 0 before anything happened."""
    page = running.get("/metrics")[1].decode()
    for line in (
        'outrider_probe_attempts_total{outcome="fail"',
        "outrider_event_loop_lag_seconds",
        "outrider_config_last_reload_successful 1.0",
        'outrider_task_restarts_total{task="slo"} 0.0',
        'outrider_info{service="bench"} 1.0',
    ):
        assert line in page


@pytest.mark.parametrize(("url", "code"), [("", 0), ("http://127.0.0.1:1", 69), ("ftp://x", 64)])
def test_healthcheck_says_it_with_its_exit_code(running, url, code):
    """0 live, 69 nobody answers, 64 nonsense."""
    assert outrider("healthcheck", url or f"http://127.0.0.1:{running.public}").returncode == code


def test_healthcheck_finds_the_port_in_the_file(running):
    """-c FILE instead of a URL; --ready asks for readiness."""
    assert outrider("healthcheck", "-c", str(running.file), "--ready").returncode == 0


@pytest.mark.case("R19")
def test_sigterm_drains_then_stops():
    """Unready at once, live and serving for the drain, exit 0."""
    with agent(QUIET, drain="2s") as one:
        one.until("/readyz")
        one.signal(signal.SIGTERM)
        one.until("/readyz", 503)
        assert one.get("/livez")[0] == 200
        assert one.json("/api/v1/status")["verdict"]["draining"]
        assert one.ends() == 0


def test_a_second_signal_stops_at_once():
    """Nobody waits for a long drain twice."""
    with agent(QUIET, drain="1h") as one:
        one.until("/livez")
        one.signal(signal.SIGTERM)
        one.until("/readyz", 503)
        one.signal(signal.SIGINT)
        assert one.ends() == 0


def test_drain_by_command_is_unready_and_goes_on():
    """`outrider drain` (preStop): unready, and the process stays."""
    with agent(QUIET) as one:
        one.until("/readyz")
        assert outrider("drain", "-c", str(one.file)).returncode == 0
        assert one.get("/readyz")[0] == 503
        assert one.get("/livez")[0] == 200
        assert one.process.poll() is None


@pytest.mark.case("X07")
def test_a_bad_file_changes_nothing():
    """The old configuration stays in force, the gauge says so, no probe is restarted, and a good file heals it."""
    with agent(QUIET) as one:
        one.until("/readyz/me")
        good, attempts = one.file.read_text(), one.json("/api/v1/probes/me")["last"]["at"]
        one.file.write_text(good + "probs: {}\n")
        one.wait(lambda: b"outrider_config_last_reload_successful 0.0" in one.get("/metrics")[1])
        assert one.get("/readyz")[0] == 200
        assert one.json("/api/v1/probes/me")["last"]["at"] >= attempts
        status, body = one.post("/api/v1/reload")
        assert status == 422
        assert "did you mean `probes`" in json.dumps(json.loads(body))
        one.file.write_text(good)
        one.wait(lambda: b"outrider_config_last_reload_successful 1.0" in one.get("/metrics")[1])


def test_a_configmap_swap_is_seen_and_only_the_change_is_touched():
    """Kubernetes swaps a link above the file; a new probe appears, the old one goes on counting."""
    with agent(QUIET) as one:
        one.until("/readyz")
        first, folder = (
            one.file.read_text().replace("probes: {me:", "probes:\n  me:").replace("}}\n", "}\n"),
            one.file.parent,
        )
        for turn, name in enumerate(("", "other", "third")):
            text = first + (f"  {name}: {{type: memory, interval: 1100ms}}\n" if name else "")
            (folder / f"..{turn}").mkdir()
            (folder / f"..{turn}" / "outrider.yaml").write_text(text)
            (folder / "..data_tmp").symlink_to(f"..{turn}")
            (folder / "..data_tmp").rename(folder / "..data")
            if not name:
                one.file.unlink()
                one.file.symlink_to("..data/outrider.yaml")
            else:
                one.wait(lambda name=name: one.get(f"/readyz/{name}")[0] == 200)
        one.says("probe third started; probe other stopped")
        assert "probe me restarted" not in one.log.read_text()


def test_a_reload_makes_nobody_unready():
    """Another threshold restarts the probe; what was believed of it holds, so a ConfigMap edit empties no fleet."""
    gate = "probes: {me: {type: memory, of: self, interval: 60s, when_down: unready}}\n"
    with agent(gate.replace("60s", "1100ms")) as one:
        one.until("/readyz")
        one.file.write_text(one.file.read_text().replace("1100ms", "60s"))
        one.wait(lambda: "probe me restarted" in one.log.read_text())
        assert one.get("/readyz")[0] == 200
        assert one.json("/api/v1/probes/me")["state"] == "up"


def test_a_text_is_changed_without_touching_the_probe():
    """A description, or what being down means, restarts nothing; the service's name and the log level follow too."""
    with agent(QUIET) as one:
        one.until("/readyz/me")
        text = (
            one.file.read_text()
            .replace("1100ms", "1100ms, description: our own")
            .replace("format: text", "level: warning")
        )
        one.file.write_text(text)
        one.wait(lambda: one.json("/api/v1/probes/me")["description"] == "our own")
        assert "probe me restarted" not in one.log.read_text()
        one.file.write_text(text.replace("service: bench", "service: other"))
        one.wait(lambda: one.json("/api/v1/status")["service"] == "other")
        assert '"level": "info"' not in one.log.read_text()


def test_a_file_that_is_refused_does_not_become_the_last_good_one(tmp_path):
    """Valid in itself, but its port is taken: the old one stays in force and stays the last good one."""
    with agent(f"state_dir: {tmp_path}\n" + QUIET) as one:
        one.wait((tmp_path / "last-good.yaml").exists)
        good = (tmp_path / "last-good.yaml").read_bytes()
        one.file.write_text(good.decode().replace(f":{one.admin}'", f":{one.otlp}'"))
        with socket.create_server(("127.0.0.1", one.otlp)):
            one.wait(lambda: b"last_reload_successful 0.0" in one.get("/metrics")[1])
        assert (tmp_path / "last-good.yaml").read_bytes() == good


def test_a_changed_port_opens_before_the_old_one_closes():
    """listen.public moves without a restart."""
    with agent(QUIET) as one:
        one.until("/readyz")
        old, new = one.public, one.otlp
        one.file.write_text(one.file.read_text().replace(f":{old}'", f":{new}'"))
        one.until("/readyz", port=new)
        one.wait(lambda: not _open(old))


def _open(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_sighup_reads_the_file_again():
    """The signal that everyone tries."""
    with agent(QUIET) as one:
        one.until("/readyz")
        one.signal(signal.SIGHUP)
        one.wait(lambda: "configuration loaded: nothing changed" in one.log.read_text())


def test_a_port_in_use_is_one_line(running):
    """Exit 78, naming port and setting, no traceback."""
    ended = outrider("run", "-c", str(running.file))
    assert ended.returncode == 78
    (line,) = ended.stderr.splitlines()
    assert f"{running.public}" in line
    assert "listen.public" in line


@pytest.mark.parametrize(
    "text", ["", "service: a\nprobes: {x: {type: postgers}}\n", "service: ${NOPE_X}\n", "\x00", "a: *a"]
)
def test_a_bad_file_is_78_without_a_traceback(tmp_path, text):
    """Whatever is in it, the answer is for a person."""
    file = tmp_path / "outrider.yaml"
    file.write_text(text)
    ended = outrider("run", "-c", str(file))
    assert ended.returncode == 78
    assert "Traceback" not in ended.stderr
    assert str(file) in ended.stderr


def test_nothing_found_says_what_to_write():
    """Without a file and without any known variable: the lines to write."""
    ended = outrider("run", env={"PATH": os.environ["PATH"], "OUTRIDER_CONFIG": ""})
    assert ended.returncode == 78
    assert "service: checkout" in ended.stderr


def test_starts_unjudged_when_told_to_and_recovers():
    """--on-bad-config=last-good without a last good file: live and ready, saying so, until the file is good."""
    with agent("probs: {}\n", "--on-bad-config=last-good", "--state-dir=/nonexistent") as one:
        # The file cannot be used, so nothing in it is: the default ports are asked.
        one.wait(lambda: "unjudged" in one.log.read_text())
        try:
            one.until("/readyz", port=9740)
        except RuntimeError:
            pytest.fail(one.log.read_text())
        page = one.get("/metrics", 9740)[1]
        assert b"outrider_unjudged 1.0" in page
        one.file.write_text(one.file.read_text().replace("probs: {}\n", QUIET))
        one.until("/readyz/me")
        assert b"outrider_unjudged 0.0" in one.get("/metrics")[1]


def test_starts_from_the_last_good_file(tmp_path):
    """What was good once is what a start with a bad file falls back on."""
    state = f"state_dir: {tmp_path}\n"
    with agent(state + QUIET) as one:
        one.until("/readyz")
        good = one.file.read_text()
    with agent("probs: {}\n", "--on-bad-config=last-good", f"--state-dir={tmp_path}") as two:
        port = int(good.split("public: '127.0.0.1:")[1].split("'")[0])
        two.until("/readyz/me", port=port)
        two.says("running the last good one instead")


def test_version_and_help():
    """The two commands everyone tries first, and the one with a typing error."""
    assert outrider("version").stdout.startswith("outrider 0.")
    assert json.loads(outrider("version", "--json").stdout)["version"]
    assert "healthcheck" in outrider("--help").stdout
    ended = outrider("healtcheck")
    assert (ended.returncode, "did you mean `outrider healthcheck`" in ended.stderr) == (64, True)
    assert outrider("drain", "--nonsense").returncode == 64


def test_a_file_that_changes_while_the_agent_stops_opens_nothing():
    """From the end of the drain on, nothing is read or opened any more."""
    with agent(QUIET) as one:
        one.until("/readyz/me")
        text = one.file.read_text()
        one.signal(signal.SIGTERM)
        one.file.write_text(text.replace("1100ms", "1300ms"))
        one.signal(signal.SIGHUP)
        assert one.ends() == 0
        assert one.log.read_text().count("started: ") == 1
        assert "Traceback" not in one.log.read_text()
