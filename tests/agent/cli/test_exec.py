"""`outrider exec -- CMD`: the service is the point, and the agent never harms it. Real processes throughout."""

import contextlib
import http.client
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest

from tests.agent.spans import request
from tests.ports import free_port
from tests.running import PATIENCE, ROOT

pytestmark = pytest.mark.e2e

EXEC = [sys.executable, "-m", "outrider", "exec"]
# Says which signals it gets, and ends with 3 on TERM or INT.
LISTENER = """
import signal, sys, time
def got(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number in (signal.SIGTERM, signal.SIGINT):
        sys.exit(3)
for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"):
    signal.signal(getattr(signal, "SIG" + name), got)
print("up", flush=True)
while True:
    time.sleep(60)
"""
SERVICE = [sys.executable, "-c", LISTENER]


def wait(condition, what):
    """Until it is true, and what it returned."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if found := condition():
                return found
        time.sleep(0.01)
    raise AssertionError(f"{what} never came")


class Running:
    """One `outrider exec` under test."""

    def __init__(self, folder, *words, drain="0s", body="probes: {me: {type: memory, of: self}}\n", before=()):
        self.public, self.log, self.out = free_port(), folder / "err", folder / "out"
        file = folder / "outrider.yaml"
        head = f"service: x\nlisten: {{public: '127.0.0.1:{self.public}', admin: 'unix:{folder}/admin'}}\n"
        file.write_text(f"{head}readiness: {{drain: {drain}}}\nlog: {{format: text}}\n{body}")
        with self.log.open("w") as err, self.out.open("w") as out:
            command = [*before, *EXEC, "-c", str(file), *words]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)

    def says(self, text, where="out"):
        """Wait for it in the output of the service, or in ours."""
        path = self.out if where == "out" else self.log
        wait(lambda: text in path.read_text(), f"{text!r} in {path.read_text() + self.log.read_text()}")

    def ready(self):
        """Whether the agent says ready; OSError while it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public, timeout=30)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def agent(self):
        """The agent's process, None while there is none."""
        children = psutil.Process(self.process.pid).children()
        return next((each for each in children if "run" in each.cmdline()), None)

    def up(self):
        """Wait for both."""
        self.says("up")
        wait(self.ready, "ready")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def ends(self):
        return self.process.wait(PATIENCE)


@pytest.fixture
def execute(tmp_path):
    """Starts one; whatever is left of it is gone afterwards."""
    started = []

    def start(*words, **more):
        started.append(Running(tmp_path, *words, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            for child in psutil.Process(one.process.pid).children(recursive=True):
                child.kill()
            one.process.kill()
            one.process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill $$"], 143),
        (["sh", "-c", 'test "$*" = "a -- -b"', "-", "a", "--", "-b"], 0),
    ],
)
def test_the_exit_code_is_that_of_the_command(execute, command, code):
    """Its own, or 128 and the signal; its words are passed on as they are."""
    assert execute("--", *command).ends() == code


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [("no-such-thing", 127, "$PATH"), ("/etc/passwd", 126, "Permission denied"), ("/", 126, "Permission denied")],
)
def test_a_command_that_cannot_be_run(execute, command, code, said):
    """127 and 126 as in a shell, one sentence, and no agent."""
    one = execute("--", command)
    assert one.ends() == code
    (line,) = one.log.read_text().splitlines()
    assert line.startswith(f"outrider: cannot run {command}: ")
    assert said in line


def test_wrong_options_are_64(execute):
    """Nothing is started."""
    assert execute("--drain", "soon", "--", "true").ends() == 64
    assert execute("--agent-log", "/nowhere/log", "--", "true").ends() == 64
    assert execute().ends() == 64


def test_the_first_signal_drains_before_the_service_hears_of_it(execute):
    """Unready at once; the service serves on for readiness.drain, then gets the signal; its exit code is kept."""
    one = execute("--", *SERVICE, drain="3s")
    one.up()
    began = time.monotonic()
    one.stop()
    wait(lambda: not one.ready(), "unready")
    assert "SIGTERM" not in one.out.read_text()
    assert one.ends() == 3
    assert time.monotonic() - began >= 3.0
    assert "SIGTERM" in one.out.read_text()


def test_a_second_signal_reaches_the_service_at_once(execute):
    """Whoever asks twice does not wait for the drain; each signal is passed on as what it was."""
    one = execute("--", *SERVICE, drain="1h")
    one.up()
    one.stop()
    one.says("draining for 3600 s", "log")
    one.stop(signal.SIGINT)
    assert one.ends() == 3
    assert one.out.read_text() == "up\nSIGINT\n"


def test_drain_is_an_option_too(execute):
    """`--drain 0s`: the service gets the signal at once, whatever the file says."""
    one = execute("--drain", "0s", "--", *SERVICE, drain="1h")
    one.up()
    one.stop(signal.SIGINT)
    assert one.ends() == 3
    assert "draining for" not in one.log.read_text().replace("draining for 3.6e+03", "")


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"])
def test_other_signals_are_the_services(execute, name):
    """Passed on at once; they stop nothing of ours."""
    one = execute("--agent-log", "none", "--", *SERVICE)
    one.says("up")
    one.stop(getattr(signal, name))
    one.says(name)
    assert one.process.poll() is None


def test_what_will_not_end_is_killed_only_when_told(execute):
    """`--kill-after`: SIGKILL so long after the signal, and it is said."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    one = execute("--kill-after", "300ms", "--", sys.executable, "-c", stubborn)
    one.says("up")
    one.stop()
    assert one.ends() == 137
    assert "it is killed" in one.log.read_text()


def test_an_agent_that_dies_never_harms_the_service(execute):
    """SIGKILL to the agent: it is started again, that is said, and the service has not noticed."""
    one = execute("--", *SERVICE)
    one.up()
    first = one.agent().pid
    os.kill(first, signal.SIGKILL)
    one.says("the agent was killed by SIGKILL; the service runs on", "log")
    wait(lambda: (another := one.agent()) and another.pid != first and one.ready(), "another agent")
    assert one.out.read_text() == "up\n"
    one.stop()
    assert one.ends() == 3


def test_an_agent_that_cannot_start_never_harms_the_service(execute):
    """A bad file: said, tried again later and later, and the service ends as it likes."""
    one = execute("--", *SERVICE, body="probs: {}\n")
    one.says("ended with exit code 78; the service runs on, and the agent is started again in 0.5 s", "log")
    one.says("started again in 1 s", "log")
    one.stop()
    assert one.ends() == 3


def test_the_last_spans_are_delivered(execute):
    """What the service sends on its way out reaches the upstream: the agent ends after it, at once and in order."""
    body, arrived = request(3), []

    class Upstream(BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Upstream) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        otlp = free_port()
        last = LISTENER.replace(
            "sys.exit(3)",
            f"""
        import urllib.request
        urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:{otlp}/v1/traces",
            bytes.fromhex("{body.hex()}"), {{"Content-Type": "application/x-protobuf"}}), timeout=60)
        sys.exit(3)""",
        )
        forward = f"{{up: {{endpoint: 'http://127.0.0.1:{upstream.server_port}', compression: none}}}}"
        file = f"traces: {{receive: {{http: '127.0.0.1:{otlp}'}}, forward: {forward}}}\n"
        one = execute("--drain", "0s", "--", sys.executable, "-c", last, body=file, drain="1h")
        one.says("up")
        wait(one.ready, "ready")
        one.stop()
        assert one.ends() == 3, one.log.read_text()
        upstream.shutdown()
    assert arrived, one.log.read_text()


def test_without_the_supervisor_the_agent_ends(execute):
    """Killed by force: no agent is left behind that holds the ports."""
    one = execute("--", *SERVICE)
    one.up()
    agent, service = one.agent(), psutil.Process(one.process.pid).children()[0]
    one.process.kill()
    one.ends()
    try:
        agent.wait(PATIENCE)
        assert service.is_running()
    finally:
        service.kill()


def test_children_of_others_are_taken_in(execute):
    """A process whose parent ended is ours, and no zombie stays."""
    orphans = "import os, time\nfor _ in range(5):\n  if os.fork() == 0:\n"
    orphans += "    if os.fork() == 0: time.sleep(0.1)\n    os._exit(0)\n"
    reaps = "while True:\n  try: os.wait()\n  except ChildProcessError: break\nprint('up', flush=True); time.sleep(600)"
    one = execute("--agent-log", "none", "--", sys.executable, "-c", orphans + reaps)
    one.says("up")
    us = psutil.Process(one.process.pid)
    wait(lambda: len(us.children()) <= 2, "the end of the orphans")
    assert psutil.STATUS_ZOMBIE not in {child.status() for child in us.children(recursive=True)}


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare for a PID namespace"
)
def test_as_the_first_process_of_a_container(execute):
    """PID 1: orphans are taken in, SIGTERM is no lost signal, the exit code is right, and nothing stays behind."""
    orphan = "(sleep 0.2 & ) ; echo up; trap 'echo TERM; exit 5' TERM; while :; do sleep 0.1; done"
    one = execute("--", "sh", "-c", orphan, before=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    one.up()
    (inside,) = psutil.Process(one.process.pid).children()
    family = inside.children(recursive=True)
    wait(lambda: all(child.status() != psutil.STATUS_ZOMBIE for child in inside.children()), "no zombie")
    wait(lambda: len(inside.children()) == 2, "the end of the orphan")
    inside.send_signal(signal.SIGTERM)
    assert one.ends() == 5
    assert "TERM" in one.out.read_text()
    assert not any(child.is_running() for child in family)


class Typed:
    """A terminal, and the program in its foreground."""

    def __init__(self, command, file):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvpe(command[0], command, os.environ | {"PS1": "$ ", "TERM": "dumb", "OUTRIDER_CONFIG": file})
        self.seen = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern):
        """Wait for it in what came since the last time."""
        deadline = time.perf_counter() + PATIENCE
        while not (match := re.search(pattern, self.seen)):
            left = deadline - time.perf_counter()
            assert left > 0, f"{pattern!r} never came: {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError as error:
                    raise AssertionError(f"{pattern!r} never came before the end: {self.seen!r}") from error
        self.seen = self.seen[match.end() :]
        return match

    def ends(self):
        """The exit code, whatever is still shown read away."""
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self):
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(tmp_path):
    """Starts a program in a terminal of its own."""
    file, opened = tmp_path / "outrider.yaml", []
    ports = f"listen: {{public: '127.0.0.1:{free_port()}', admin: 'unix:{tmp_path}/admin'}}"
    file.write_text(f"service: x\n{ports}\nprobes: {{}}\n")

    def start(*command):
        opened.append(Typed(command, str(file)))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


ON_TERMINAL = [*EXEC, "--agent-log", "none", "--"]


def test_the_terminal_is_the_services(terminal):
    """It is in the foreground, has the terminal as its input, and Ctrl-C is its own: no drain is waited for."""
    code = (
        "import os, sys, time\nassert os.tcgetpgrp(0) == os.getpgrp()\n"
        "try: print('read', input(), flush=True); time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(9)"
    )
    one = terminal(*ON_TERMINAL, sys.executable, "-c", code)
    one.type("hello\n")
    one.expect("read hello")
    one.type("\x03")
    assert one.ends() == 9


def test_a_shell_can_stop_and_continue_it(terminal):
    """Ctrl-Z stops it as a job, `fg` brings it back to the foreground, and the shell has the terminal at the end."""
    one = terminal("bash", "--norc", "--noprofile", "-i")
    one.expect(r"\$ ")
    one.type(" ".join([*ON_TERMINAL, "sh", "-c", "'echo star\"\"ted; exec cat'"]) + "\n")
    one.expect("started")
    one.type("one\n")
    one.expect(r"one\r\none\r\n")
    one.type("\x1a")
    one.expect(r"Stopped")
    one.expect(r"\$ ")
    one.type("echo between\n")
    one.expect(r"between\r\nbetween")
    one.type("fg\n")
    one.expect(r"exec cat'\r\n")
    one.type("two\n")
    one.expect(r"two\r\ntwo\r\n")
    one.type("\x04")
    one.expect(r"\$ ")
    one.type("echo code $?\n")
    one.expect(r"code 0")
    one.type("exit\n")
    assert one.ends() == 0
