"""The whole agent while what it watches, the machine or the process itself misbehaves."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.agent.hostile import OK, answering, bomb, drips, floods, hang, refusing_tls, reset, says, serving
from tests.running import AT_ONCE, PATIENCE, ROOT, agent

pytestmark = pytest.mark.e2e

HOSTILE = "defaults: {interval: 1s, timeout: 500ms, when_down: degraded}\n"
KINDS = {
    "http": "type: http, url: 'http://127.0.0.1:PORT/', compression: gzip, expect: {body: never}",
    "redis": "type: redis, url: 'redis://127.0.0.1:PORT'",
    "postgres": "type: postgres, dsn: 'postgresql://u@127.0.0.1:PORT/d'",
}
CASES = {
    "http-hangs": (hang, "read_timeout"),
    "http-resets": (reset, "connection_reset"),
    "http-garbage": (says(b"\x00\x01garbage\r\n\r\n", then=hang), "protocol"),
    "http-drips": (says(OK + b"Content-Length: 100000\r\n\r\n", then=drips), "read_timeout"),
    "http-floods": (says(OK + b"\r\n", then=floods), "body_too_large"),
    "http-bomb": (says(OK + b"Content-Encoding: gzip\r\n\r\n", bomb()), "body_too_large"),
    "http-closes": (says(OK + b"Content-Length: 9\r\n\r\nabc"), "connection_reset"),
    "redis-hangs": (hang, "read_timeout"),
    "redis-resets": (reset, "connection_reset"),
    "redis-garbage": (says(b"HTTP/1.1 400 Bad\r\n\r\n", then=hang), "protocol"),
    "redis-drips": (says(b"$100000\r\n", then=drips), "read_timeout"),
    "redis-floods": (says(b"$1073741824\r\n", then=floods), "body_too_large"),
    "redis-closes": (says(b"$9\r\nabc"), "connection_reset"),
    "postgres-hangs": (hang, "read_timeout"),
    "postgres-resets": (reset, "connection_reset"),
    "postgres-garbage": (says(b"HTTP/1.1 400 Bad\r\n\r\n", then=hang), "protocol"),
    "postgres-drips": (refusing_tls(says(b"S\0\x0f\0\0", then=drips)), "read_timeout"),
    "postgres-floods": (refusing_tls(says(b"D\x7f\xff\xff\xff", then=floods)), "body_too_large"),
    "postgres-closes": (refusing_tls(says(b"S\0\0")), "connection_reset"),
}
MEMORY = 20 * 1024 * 1024  # bytes the agent may grow by
QUIET = "probes: {me: {type: memory, of: self, interval: 1s}}\n"


def attempts(one, probe, outcome="pass"):
    """Attempts of one probe with that outcome, from the metrics."""
    lines = one.get("/metrics")[1].decode().splitlines()
    wanted = [line for line in lines if line.startswith("outrider_probe_attempts_total{")]
    return sum(float(x.split()[-1]) for x in wanted if f'probe="{probe}"' in x and f'outcome="{outcome}"' in x)


@pytest.fixture(scope="module")
def besieged():
    """One agent whose every dependency but one is hostile, once it has seen the worst of each."""
    with contextlib.ExitStack() as stack, answering() as good:
        body = f"{HOSTILE}probes:\n  good: {{type: http, url: '{good.url}', interval: 1s, timeout: 900ms}}\n"
        for name, (play, _) in CASES.items():
            options = KINDS[name.partition("-")[0]].replace("PORT", str(stack.enter_context(serving(play))))
            body += f"  {name}: {{{options}}}\n"
        one = stack.enter_context(agent(body))
        one.until("/readyz/good")
        before, began = one.rss, time.monotonic()
        lags = []  # seconds
        while len(lags) < 40 or any(p["state"] == "unknown" for p in one.json("/api/v1/probes")["probes"]):
            assert time.monotonic() - began < PATIENCE
            asked = time.perf_counter()
            assert one.get("/livez")[0] == 200
            lags.append(time.perf_counter() - asked)
            time.sleep(0.05)
        yield one, before, lags, began


def test_each_fault_has_its_reason_within_the_deadline(besieged):
    """Hangs, resets, garbage, drips, floods, bombs and half answers are told apart, and none outlasts its timeout."""
    one, *_ = besieged
    found = {probe["name"]: probe for probe in one.json("/api/v1/probes")["probes"]}
    assert {name: found[name]["last"]["reason"] for name in CASES} == {name: case[1] for name, case in CASES.items()}
    assert {found[name]["state"] for name in CASES} == {"down"}
    assert max(found[name]["last"]["seconds"] for name in CASES) < AT_ONCE  # they would go on for ever


def test_hostile_servers_cost_the_others_nothing(besieged):
    """The healthy probe keeps its turn and its state, memory stays flat, /livez answers."""
    one, before, lags, began = besieged
    assert one.json("/api/v1/probes/good")["state"] == "up"
    asked = attempts(one, "good") / (time.monotonic() - began)
    assert asked > 0.25, "one after the other, they would leave it one attempt in eight seconds"
    assert one.rss - before < MEMORY
    assert max(lags) < AT_ONCE


def test_a_paused_process_judges_nobody():
    """After five seconds of SIGSTOP nothing is down, nothing is stale, and no attempts are made up for."""
    with answering() as good:
        body = (
            f"probes: {{app: {{type: http, url: '{good.url}', interval: 1s, timeout: 900ms, failure_threshold: 1}}}}\n"
        )
        with agent(body) as one:
            one.until("/readyz")
            one.signal(signal.SIGSTOP)
            before, ready = len(good.heads), []
            time.sleep(5)
            one.signal(signal.SIGCONT)
            resumed = time.monotonic()
            while time.monotonic() - resumed < 1.0:
                ready.append(one.get("/readyz")[0])
                time.sleep(0.02)
            assert set(ready) == {200}
            assert len(good.heads) - before <= 3 + (time.monotonic() - resumed), "a burst"
            assert "is down" not in one.log.read_text()


def test_a_killed_process_blocks_no_restart(tmp_path):
    """SIGKILL leaves a socket file behind; the next agent takes its place, on the same ports."""
    with agent(QUIET) as first:
        text = first.file.read_text().replace(f"'127.0.0.1:{first.admin}'", f"'unix:{tmp_path}/admin.sock'")
        first.file.write_text(text)
        first.wait((tmp_path / "admin.sock").exists)
        first.signal(signal.SIGKILL)
        first.ends()
        assert (tmp_path / "admin.sock").exists()
        command = [sys.executable, "-m", "outrider", "run", "-c", str(first.file)]
        second = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            first.until("/readyz")
            drain = [sys.executable, "-m", "outrider", "drain", f"unix:{tmp_path}/admin.sock"]
            assert subprocess.run(drain, check=False, cwd=ROOT, capture_output=True, timeout=120).returncode == 0
            assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600
        finally:
            second.terminate()
            assert second.wait(PATIENCE) == 0
        assert not (tmp_path / "admin.sock").exists()


@pytest.mark.parametrize("reader", ["gone", "asleep"])
def test_a_log_nobody_reads_stops_nothing(reader):
    """The reader of standard error is gone, or never reads: the agent answers, reloads and ends as ever."""
    with agent(QUIET) as model:
        text = model.file.read_text()
        model.signal(signal.SIGTERM)
        model.ends()
        out, into = os.pipe()
        if reader == "asleep":
            os.set_blocking(into, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(into, b"x" * 4096)
            os.set_blocking(into, True)
        else:
            os.close(out)
        model.file.write_text(text.replace("format: text", "format: text, level: debug"))
        command = [sys.executable, "-m", "outrider", "run", "-c", str(model.file)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=into, stderr=into)
        os.close(into)
        try:
            model.until("/readyz")
            for _ in range(5):
                assert model.post("/api/v1/reload")[0] == 200
            assert model.get("/livez")[0] == 200
        finally:
            process.terminate()
            code = process.wait(PATIENCE)
            if reader == "asleep":
                os.close(out)
        assert code == 0


@pytest.mark.parametrize("state_dir", ["/nonexistent/outrider", "/proc/1"], ids=["missing", "read-only"])
def test_a_state_folder_that_cannot_be_used_is_told_once(state_dir):
    """The agent runs without it and says so, naming the folder: a line for the database, one for the last good file."""
    with agent(f"state_dir: {state_dir}\n{QUIET}") as one:
        one.until("/readyz")
        one.wait(lambda: len(_lines(one, state_dir)) >= 2, "both lines")
        assert len(_lines(one, state_dir)) == 2
        assert "Traceback" not in one.log.read_text()


def _lines(one, word):
    return [line for line in one.log.read_text().splitlines() if word in line]


def test_a_reload_under_load_fails_nobody():
    """Scrapes and checks go on through five reloads without one failure, and an unchanged probe goes on counting."""
    with agent(QUIET) as one:
        one.until("/readyz")
        one.wait(lambda: attempts(one, "me") > 2)
        before, failures, asked, stop = attempts(one, "me"), [], [], threading.Event()

        def ask(path):
            while not stop.is_set():
                try:
                    status, _ = one.get(path)
                except OSError as error:
                    status = repr(error)
                asked.append(path)
                if status != 200:
                    failures.append((path, status))

        askers = [threading.Thread(target=ask, args=(path,)) for path in ("/metrics", "/readyz", "/livez")]
        for asker in askers:
            asker.start()
        text = one.file.read_text()
        for turn in range(5):
            other = f"  other: {{type: memory, interval: {turn + 1}s, when_down: degraded}}\n"
            one.file.write_text(text.replace("probes: {me: ", "probes:\n  me: ").replace("}}\n", f"}}\n{other}"))
            assert one.post("/api/v1/reload")[0] == 200
        one.wait(lambda: len(asked) > 50)
        stop.set()
        for asker in askers:
            asker.join()
        assert failures == []
        assert attempts(one, "me") >= before
        assert "probe me restarted" not in one.log.read_text()


def test_a_reload_that_moves_the_admin_listener_answers_who_asked():
    """POST /api/v1/reload closes the very listener it came by, and is whole nevertheless."""
    with agent(QUIET) as one:
        one.until("/readyz")
        one.file.write_text(one.file.read_text().replace(f":{one.admin}'", f":{one.otlp}'").replace("me:", "you:"))
        with contextlib.suppress(OSError):
            assert one.post("/api/v1/reload")[0] == 200
        one.until("/readyz/you")
        assert one.get("/", one.otlp)[0] == 200
        assert one.get("/readyz/me")[0] == 404


def test_the_end_leaves_no_process_and_no_open_port():
    """After SIGTERM nothing listens and no child is left."""
    with agent(QUIET) as one:
        one.until("/readyz")
        children = psutil.Process(one.process.pid).children(recursive=True)
        one.signal(signal.SIGTERM)
        assert one.ends() == 0
        assert not [child for child in children if child.is_running()]
        with pytest.raises(OSError, match="refused"):
            one.get("/livez")


def test_reads_its_file_wherever_it_is_told_to(tmp_path):
    """A file that names files that are gone is refused on reload, and the old one stays in force."""
    secret = Path(tmp_path / "token")
    secret.write_text("abc")
    with answering() as good:
        options = f"url: '{good.url}', interval: 200ms, headers: {{x: '${{file:{secret}}}'}}"
        with agent(f"probes: {{app: {{type: http, {options}}}}}\n") as one:
            one.until("/readyz")
            secret.unlink()
            one.wait(lambda: b"outrider_config_last_reload_successful 0.0" in one.get("/metrics")[1])
            assert one.get("/readyz")[0] == 200
            secret.write_text("def")
            one.wait(lambda: any(head.get("x") == "def" for head in good.heads))
