"""`outrider wait`: until it is good, for so long, or not in time."""

import io
import json
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from subprocess import PIPE

import pytest

from agent.cli import UNREACHABLE, Stop
from agent.cli.durations import words
from agent.cli.progress import Progress, printable
from agent.cli.wait import Answer, Vigil, line, look
from outrider.__main__ import main
from tests.ports import free_port
from tests.running import ROOT, agent

GOOD, BAD = Answer(good=True, status=200), Answer(good=False, status=503, reasons=("db failed: down",))
FILE = """probes:
  me: {type: memory, of: self}
  gone: {type: http, url: 'http://127.0.0.1:1/', interval: 1s, failure_threshold: 1}
  hobby: {type: http, url: 'http://127.0.0.1:1/', interval: 1s, failure_threshold: 1, when_down: ignore}
groups:
  core: {members: [me]}
"""


def vigil(*answers, longest=120.0, stable=0.0):
    """The vigil after these answers, one a second."""
    watch = Vigil(longest, stable, started=0.0)
    for second, answer in enumerate(answers):
        watch.take(float(second), answer)
    return watch


def test_good_once_is_enough():
    """Without --stable."""
    assert not vigil(BAD, None).enough(1.0)
    assert vigil(BAD, None, GOOD).enough(2.0)


def test_stable_means_without_a_break():
    """A bad or missing answer in between starts it anew."""
    assert not vigil(GOOD, GOOD, BAD, GOOD, GOOD, stable=2.0).enough(4.0)
    assert not vigil(GOOD, GOOD, None, GOOD, GOOD, stable=2.0).enough(4.0)
    assert vigil(BAD, GOOD, GOOD, GOOD, stable=2.0).enough(3.0)


def test_time_runs_out():
    """The last pause ends with the time; then there is none."""
    watch = vigil(BAD, longest=10.0)
    assert (watch.pause(9.8), watch.pause(10.0)) == (pytest.approx(0.2), 0.0)


def test_lines_without_a_terminal_are_changes():
    """A line for each other reason; a countdown is none, and neither is the same again."""
    said = io.StringIO()
    progress, watch = Progress(stream=said), Vigil(60.0, 0.0, started=0.0)
    counting = [Answer(good=False, status=503, reasons=(f"back in {left} s",)) for left in (3, 2, 1)]
    for second, answer in enumerate([BAD, BAD, *counting, BAD]):
        watch.take(float(second), answer)
        progress.show(*line(watch, "ready", float(second)))
    assert said.getvalue().splitlines() == [
        "waiting for ready: db failed: down (0s)",
        "waiting for ready: back in 3 s (2s)",
        "waiting for ready: db failed: down (5s)",
    ]


def test_a_terminal_has_one_line_rewritten():
    """Each state replaces the one before, cut to the width, and the result finds a clean line."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    said = Terminal()
    progress = Progress(stream=said)
    progress.show("one", None)
    progress.show("two" * 200, None)
    progress.clear()
    first, second, last = said.getvalue().split("\r\033[K")[1:]
    assert (first, last) == ("one", "")
    assert len(second) < 200
    assert "\n" not in said.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0424, "42ms"), (4.24, "4.2s"), (12, "12s"), (120, "2m"), (65, "1m5s"), (3600, "1h")],
)
def test_seconds_in_words(seconds, text):
    """As a person writes them."""
    assert words(seconds) == text


def test_what_others_wrote_cannot_move_the_cursor():
    """Control characters are shown as question marks, and length is bounded."""
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
    assert len(printable("x" * 10_000)) == 300


def outrider(*words_, capsys):
    """Exit code, standard output and standard error of `outrider wait`."""
    code = main(["wait", *words_])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def running():
    """An agent that is live and started, and not ready: `gone` is down."""
    with agent(FILE) as one:
        one.until("/readyz/me")
        one.wait(lambda: b"[-]gone failed: down" in one.get("/readyz?verbose", one.admin)[1])
        yield one


@pytest.mark.parametrize("words_", [["--live"], ["--started"], ["--probe", "me"], ["--group", "core"]])
def test_waits_for_what_it_is_told(running, capsys, words_):
    """0 and one sentence as soon as it is so."""
    code, out, _ = outrider(*words_, f"http://127.0.0.1:{running.public}", capsys=capsys)
    assert code == 0
    assert " after " in out


def test_not_in_time_is_1_and_says_why(running, capsys):
    """The reasons of the admin listener, once on the way and once at the end."""
    url = f"http://127.0.0.1:{running.admin}"
    code, out, err = outrider("--for", "4s", url, capsys=capsys)
    assert code == 1
    first, reason = out.splitlines()
    assert first.startswith("not ready within ")
    assert reason.startswith("  gone failed: down: connect_refused")
    assert err.count("gone failed") == 1


def test_a_stranger_is_told_where_the_reasons_are(running, capsys):
    """The public listener withholds them."""
    code, out, _ = outrider("--for", "2s", f"http://127.0.0.1:{running.public}", capsys=capsys)
    assert code == 1
    assert "gone failed: reason withheld" in out
    assert "listen.admin" in out


def test_the_file_tells_the_address(running, capsys):
    """-c instead of a URL."""
    assert outrider("--live", "-c", str(running.file), capsys=capsys)[0] == 0


def test_json(running, capsys):
    """The same for programs, and nothing else on either stream."""
    code, out, err = outrider("--json", "--for", "2s", f"http://127.0.0.1:{running.admin}", capsys=capsys)
    said = json.loads(out)
    assert (code, err) == (1, "")
    assert [said[key] for key in ("what", "good", "answered", "status")] == ["ready", False, True, 503]
    assert said["reasons"][0].startswith("gone failed")


@pytest.mark.parametrize("words_", [["--probe", "nope"], ["--group", "a/../b"]])
def test_an_unknown_name_is_64_at_once(running, capsys, words_):
    """Nobody waits two minutes for a typo."""
    code, _, err = outrider(*words_, f"http://127.0.0.1:{running.public}", capsys=capsys)
    assert code == 64
    assert "no such name" in err


def test_nobody_there_is_69(capsys):
    """With the reason."""
    code, _, err = outrider("--for", "2s", f"http://127.0.0.1:{free_port()}", capsys=capsys)
    assert code == 69
    assert "Connection refused" in err
    code, out, _ = outrider("--json", "--for", "2s", f"http://127.0.0.1:{free_port()}", capsys=capsys)
    assert (code, json.loads(out)["answered"]) == (69, False)


@pytest.mark.parametrize("words_", [["ftp://x"], ["http://x:99999"], ["--for", "5"], ["--live", "--ready"]])
def test_nonsense_is_64(capsys, words_):
    """Before anything is asked."""
    assert outrider(*words_, capsys=capsys)[0] == 64


def test_an_agent_that_comes_late_is_waited_for():
    """Nobody listens when it begins; it ends with 0 once somebody answered well for long enough."""

    class Live(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[+]loop ok\nlivez check passed\n")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Live, bind_and_activate=False)
    with server:
        server.server_bind()  # the port is ours, and refuses
        options = ["--live", "--stable", "300ms", "--for", "2m", f"http://127.0.0.1:{server.server_port}"]
        command = [sys.executable, "-m", "outrider", "wait", *options]
        with subprocess.Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as waiting:
            assert "Connection refused" in waiting.stderr.readline()
            server.server_activate()
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                said = waiting.communicate(timeout=120)[0]
            finally:
                waiting.kill()
                server.shutdown()
    assert waiting.returncode == 0
    assert "and has been for 300ms" in said


def test_an_answer_that_drips_in_is_none():
    """The time limit is for the whole answer."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip():
            client, _ = door.accept()
            with client:
                try:
                    while True:
                        client.sendall(b"x")
                        stopped.wait(0.05)
                except OSError:
                    pass

        stopped = threading.Event()
        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(Stop) as stop:
            look(f"http://127.0.0.1:{door.getsockname()[1]}", "/livez", 0.5)
        dripping.join(5)
    assert stop.value.code == UNREACHABLE
