"""`outrider demo` as a user meets it: the real command, the real servers, another terminal, Ctrl-C."""

import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from agent.demo.alertmanager import available
from agent.demo.process import port_taken
from tests.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_ROOT = Path(__file__).parents[2]
_ENV = {**os.environ, "PYTHONPATH": str(_ROOT), "COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}
_ENDS_WITHIN = 60.0  # seconds after Ctrl-C: 2 or 3, but on a busy machine
_STARTS_WITHIN = 120.0


class Demo:
    """A running demo, and what another terminal can do to it."""

    def __init__(self, folder, **popen):
        self.folder = folder
        self.ports = [free_port() for _ in range(3)]
        options = [f"--{name}={port}" for name, port in zip(("public", "admin", "otlp"), self.ports, strict=True)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "outrider", "demo", *options], cwd=folder, env=_ENV, **popen
        )
        self.children = []

    @property
    def home(self):
        return self.folder / ".demo"

    def wait_started(self):
        """Until everything is up; the addresses."""
        path = self.home / "addresses.json"
        _until(lambda: path.exists() or self.process.poll() is not None, within=_STARTS_WITHIN)
        assert self.process.poll() is None, "the demo did not start"
        self.children = psutil.Process(self.process.pid).children(recursive=True)
        return json.loads(path.read_text())

    def order(self, verb, what):
        """`outrider demo --break WHAT`: exit code and what it printed."""
        command = [sys.executable, "-m", "outrider", "demo", f"--{verb}", what]
        done = subprocess.run(command, cwd=self.folder, env=_ENV, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def nothing_left(self):
        """Neither process, nor port, nor file."""
        _, alive = psutil.wait_procs(self.children, timeout=60)
        return not alive and not any(map(port_taken, self.ports)) and not self.home.exists()


@contextmanager
def _demo(folder, **popen):
    demo = Demo(folder, **popen)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()
        for pipe in filter(None, (demo.process.stdout, demo.process.stderr)):
            pipe.close()


def _until(true, *, within=60.0):
    """The first answer that is true, asked for until then."""
    deadline = time.monotonic() + within
    while not (answer := true()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.1)
    return answer


def _get(url):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("GET", parts.path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _probes(admin):
    return {probe["name"]: probe for probe in _get(f"{admin}/api/v1/probes")["probes"]}


def _upstream(admin):
    return _get(f"{admin}/api/v1/pipeline")["destinations"]["upstream"]


def _thrown(admin):
    """The exceptions that spans of the service told of, with their routes."""
    return {(each["type"], each["route"]) for each in _get(f"{admin}/api/v1/exceptions")["exceptions"]}


def _called(public):
    """The databases that the service called, by its spans."""
    with urlopen(f"{public}/metrics") as answer:
        return set(re.findall(r'span_database_requests_total\{.*system="(\w+)"', answer.read().decode()))


def _waiting(state_dir):
    """Spans in the state folder, by the command that people ask."""
    command = [sys.executable, "-m", "outrider", "queue", "inspect", "--json", "--state-dir", state_dir]
    done = subprocess.run(command, env=_ENV, capture_output=True, check=True)
    return sum(each["items"] for each in json.loads(done.stdout)["queues"])


def _send_spans(otlp, number):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp}/v1/traces")))
    for _ in range(number):
        with provider.get_tracer("test").start_as_current_span("GET /"):
            pass
    provider.shutdown()


def test_the_demo_from_start_to_end(tmp_path):
    """All four kinds are up with readings; every fault turns what it should, and mends; the alert arrives; it ends."""
    out = (tmp_path / "out").open("w+")
    with out, _demo(tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as demo:
        at = demo.wait_started()
        admin = at["outrider-1-admin"]
        verdict = lambda: _get(f"{admin}/api/v1/status")["verdict"]  # noqa: E731
        state = lambda name: _probes(admin)[name]["state"]  # noqa: E731
        told = lambda words: words in (tmp_path / "out").read_text()  # noqa: E731

        _until(lambda: all(probe["state"] == "up" for probe in _probes(admin).values()))
        assert {probe["type"] for probe in _probes(admin).values()} == {"http", "postgres", "redis", "memory"}
        assert all(probe["readings"] for probe in _probes(admin).values())
        assert verdict() | {"status": "healthy", "ready": True} == verdict()

        assert demo.order("break", "redis")[0] == 0
        _until(lambda: state("cache") == "down" and verdict()["status"] == "degraded")
        assert verdict()["ready"]
        assert demo.order("mend", "redis")[0] == 0
        assert demo.order("break", "memory")[0] == 0
        _until(lambda: state("cache") == "up" and state("memory") == "degraded")
        assert demo.order("mend", "memory")[0] == 0
        _until(lambda: verdict()["status"] == "healthy")

        assert demo.order("break", "postgres")[0] == 0
        _until(lambda: state("orders-db") == "down" and verdict()["status"] == "degraded")
        _until(lambda: ("ConnectionRefusedError", "/orders") in _thrown(admin) and told("requests fail: "))
        assert _called(at["outrider-1"]) == {"redis", "postgresql"}

        # The alert needs half a minute: meanwhile the service and the spans.
        assert demo.order("break", "service")[0] == 0
        _until(lambda: _probes(admin)["app"]["effect"] == "unreadies")
        _until(lambda: _upstream(admin)["queue_spans"] == 0)
        before = _upstream(admin)["delivered_spans"]  # nobody but us sends anything now
        _send_spans(at["otlp"], 5)
        _until(lambda: _upstream(admin)["delivered_spans"] == before + 5)
        assert demo.order("break", "upstream")[0] == 0
        _send_spans(at["otlp"], 2)
        _until(lambda: _upstream(admin)["queue_spans"] == 2 and told("spans wait on disk: "))
        assert _waiting(demo.home / "outrider-1") == 2
        assert demo.order("mend", "upstream")[0] == 0
        _until(lambda: _upstream(admin)["delivered_spans"] == before + 7 and told("spans arrive again: "))
        assert demo.order("mend", "service")[0] == 0
        _until(lambda: state("app") == "up")

        wanted = {"outrider", "alertmanager"} if available() else {"outrider"}
        reached = lambda: wanted <= {each["sender"] for each in _get(f"{at['webhook']}/alerts")}  # noqa: E731
        _until(reached, within=180)
        # Every replica calls: that of the others may have come first.
        _until(lambda: told("alert orders-db firing (page)"))
        assert demo.order("mend", "postgres")[0] == 0
        _until(lambda: verdict()["ready"])

        _ends(demo, signal.SIGINT)
    assert told("orders-db down: connect_refused (connect)\n")
    assert told("PostgreSQL is stopped for all replicas")
    assert told("type: postgres")
    assert told('include "outrider.sidecar.containers"')
    assert not told("Traceback")


class _Fleet:
    """The verdicts of the three replicas, and which of them was ever seen unready since the last fault."""

    def __init__(self, at):
        self._admins = [at[f"outrider-{number}-admin"] for number in (1, 2, 3)]
        self.left = set()

    def verdicts(self):
        found = [_get(f"{admin}/api/v1/status")["verdict"] for admin in self._admins]
        self.left |= {number for number, verdict in enumerate(found, start=1) if not verdict["ready"]}
        return found

    def until(self, *wanted, said=""):
        """Until the three verdicts are those, in words, and each that is not healthy says so; their reasons."""

        def there():
            found = self.verdicts()
            troubled = ["; ".join(verdict["reasons"]) for verdict in found if verdict["status"] != "healthy"]
            return [each["status"] for each in found] == list(wanted) and all(said in each for each in troubled)

        _until(there)


def test_is_it_me_or_is_it_everyone(tmp_path):
    """A fault of all takes nobody out, at onset or recovery; a fault of one takes that one out, and it comes back."""
    with _demo(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as demo:
        fleet = _Fleet(demo.wait_started())
        fleet.until("healthy", "healthy", "healthy")
        assert demo.order("break", "shared")[0] == 0
        fleet.until("degraded", "degraded", "degraded", said="0 of 2 peers reached it since")
        assert demo.order("mend", "shared")[0] == 0
        fleet.until("healthy", "healthy", "healthy")
        assert fleet.left == set()

        code, sentence = demo.order("break", "private")
        assert (code, sentence[:44]) == (0, "replica 1 alone is cut off from PostgreSQL: ")
        fleet.until("unhealthy", "healthy", "healthy", said="2 of 2 peers reached it since")
        assert demo.order("mend", "private")[0] == 0
        fleet.until("healthy", "healthy", "healthy")
        assert fleet.left == {1}
        _ends(demo, signal.SIGTERM)


def test_a_budget_burns_and_one_person_is_called(tmp_path):
    """Requests fail while all probes are well: one FIRING and one RESOLVED of each sender, and nothing burns on."""
    with _demo(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as demo:
        at = demo.wait_started()
        senders = {"outrider", "alertmanager"} if available() else {"outrider"}
        words = lambda: _words(_get(f"{at['webhook']}/alerts"))  # noqa: E731
        _until(lambda: _upstream(at["outrider-1-admin"])["delivered_spans"] > 0)
        assert demo.order("break", "slo")[0] == 0
        _until(lambda: words() == {(each, "orders"): ["firing"] for each in senders}, within=240)
        (told,) = (each["body"]["data"] for each in _get(f"{at['webhook']}/alerts") if each["sender"] == "outrider")
        cause = told["annotations"]["root_cause"]
        assert cause.startswith("the service itself, as no probe sees a fault: it throws RuntimeError in /orders")
        assert demo.order("mend", "slo")[0] == 0
        _until(lambda: words() == {(each, "orders"): ["firing", "resolved"] for each in senders}, within=120)
        assert [_get(f"{at[f'outrider-{number}-admin']}/api/v1/alerts")["alerts"] for number in (1, 2, 3)] == [
            [],
            [],
            [],
        ]
        _ends(demo, signal.SIGTERM)


def _words(deliveries):
    """What each sender said of each objective, in its order."""
    found = {}
    for each in deliveries:
        body = each["body"]
        told = body["data"] if "data" in body else body["commonLabels"]
        word = body["type"].rpartition(".")[2] if "type" in body else body["status"]
        found.setdefault((each["sender"], told["slo"]), []).append(word)
    return found


def _ends(demo, number):
    begun = time.monotonic()
    demo.process.send_signal(number)
    assert demo.process.wait(_ENDS_WITHIN) == 0
    assert time.monotonic() - begun < _ENDS_WITHIN
    assert demo.nothing_left()


def test_in_a_terminal_keys_break_and_mend(tmp_path):
    """A key stops the real server, the screen says so, q ends; the terminal is as it was, on the screen it was."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    before = termios.tcgetattr(theirs)
    with _demo(tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=_take_terminal) as demo:
        screen = _Reader(ours)
        screen.wait_for("READY")
        screen.wait_for("q quit")
        demo.children = psutil.Process(demo.process.pid).children(recursive=True)
        os.write(ours, b"?")
        screen.wait_for("again to mend; q ends")
        os.write(ours, b"r")
        screen.wait_for("Valkey is stopped")
        screen.wait_for("READY, DEGRADED")
        os.write(ours, b"r")
        screen.wait_for("Valkey runs again")
        os.write(ours, b"i")
        screen.wait_for("replica 1 alone is cut off from PostgreSQL")
        screen.wait_for("NOT READY")
        os.write(ours, b"q")
        screen.wait_for('include "outrider.sidecar.volumes"')
        assert "nothing is left behind" in screen.seen
        assert demo.process.wait(_ENDS_WITHIN) == 0
        assert demo.nothing_left()
    assert screen.seen.rindex("\x1b[?1049l") > screen.seen.rindex("\x1b[?1049h")  # back from the alternate screen
    assert screen.seen.rindex("\x1b[?25h") > screen.seen.rindex("\x1b[?25l")  # the cursor is there again
    assert termios.tcgetattr(theirs) == before
    for end in (ours, theirs):
        os.close(end)


def _take_terminal():
    os.setsid()
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first terminal a session leader opens is its own


class _Reader:
    """What a terminal was sent."""

    def __init__(self, end):
        self.seen = ""
        self._end = end
        self._from = 0
        os.set_blocking(end, False)

    def wait_for(self, text):
        """Until it was drawn, after whatever was waited for before."""

        def drawn():
            with suppress(BlockingIOError):
                self.seen += os.read(self._end, 65536).decode(errors="replace")
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen[self._from :])
            return text in plain

        _until(drawn, within=_STARTS_WITHIN)
        self._from = len(self.seen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_demo_that_is_told_to_stop_while_it_starts(tmp_path, number):
    """Whoever ends it needs no patience, and nothing stays of what had started."""
    with _demo(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.process.stdout.readline().startswith("starting PostgreSQL")
        demo.children = psutil.Process(demo.process.pid).children(recursive=True)
        _ends(demo, number)
        assert "dependencies:" not in demo.process.stdout.read()


def test_what_is_killed_leaves_no_process(tmp_path):
    """SIGKILL of the demo ends its servers; the next starts over its files, and ends when its Outrider is killed."""
    with _demo(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as demo:
        demo.wait_started()
        refused = _refused(tmp_path)
        assert (refused.returncode, refused.stderr[:50]) == (78, "outrider demo: a demo runs in this folder already ")
        demo.process.kill()
        demo.process.wait()
        _, alive = psutil.wait_procs(demo.children, timeout=60)
        assert not alive
        (demo.home / "addresses.json").unlink()
    with _demo(
        tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as demo:
        demo.wait_started()
        next(child for child in demo.children if "run" in child.cmdline()).kill()
        _, told = demo.process.communicate(timeout=_ENDS_WITHIN)
        assert demo.process.returncode == 70
        assert re.match(r"outrider demo: Outrider of replica [123] ended by itself", told)
        assert demo.nothing_left()


def _refused(folder, *options):
    command = [sys.executable, "-m", "outrider", "demo", *options]
    return subprocess.run(command, cwd=folder, env=_ENV, capture_output=True, text=True, check=False)


def test_a_port_in_use_names_port_and_setting(tmp_path):
    """One line, exit 78, and the way out; nothing was started and no file written."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _refused(tmp_path, f"--public={free_port()}", f"--admin={port}", f"--otlp={free_port()}")
    assert done.returncode == 78
    assert re.fullmatch(rf"outrider demo: port {port} is in use, .*listen\.admin.*--admin \d+\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            ["--break", "everything"],
            64,
            "there are shared (or postgres), private, redis, service, memory, upstream, slo",
        ),
        (["--mend", "redis"], 69, "no demo runs in this folder"),
        (["--public", "web"], 64, "write a number from 1 to 65535"),
    ],
    ids=["unknown", "no demo", "no port"],
)
def test_wrong_use_is_one_line(tmp_path, options, code, words):
    """What is wrong, and what would be right."""
    done = _refused(tmp_path, *options)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
