"""A real agent as a process of its own, for tests and benchmarks."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds for anything to happen on a busy machine
AT_ONCE = 15.0  # seconds in which it does what another does at once; how little that is, `bench/` says


@dataclass
class Agent:
    """A running agent under measurement."""

    process: subprocess.Popen
    public: int
    admin: int
    otlp: int
    started: float  # perf_counter when it was started
    log: Path
    file: Path

    def get(self, path, port=None):
        """Status and body of one GET on the public listener."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.public}{path}", timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path):
        """The body of one GET on the admin listener."""
        return json.loads(self.get(path, self.admin)[1])

    def post(self, path, **headers):
        """Status and body of one POST on the admin listener."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}{path}", method="POST", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def wait(self, condition, what="the condition"):
        """Wait until `condition()` is true; it may fail to connect meanwhile."""
        deadline = time.perf_counter() + PATIENCE
        while time.perf_counter() < deadline:
            with contextlib.suppress(OSError):
                if found := condition():
                    return found
            time.sleep(0.02)
        raise AssertionError(f"{what} never came:\n{self.log.read_text()[-3000:]}")

    def says(self, text):
        """Wait until its log has this: a thread of its own writes it, a moment after what it tells of."""
        self.wait(lambda: text in self.log.read_text(), f"{text!r} in the log")

    def signal(self, number):
        """Send a signal."""
        self.process.send_signal(number)

    def ends(self):
        """Wait for the exit code."""
        return self.process.wait(PATIENCE)

    def until(self, path, status=200, seconds=PATIENCE, port=None):
        """Wait until `path` answers with `status`; returns seconds since the start of the process."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            with contextlib.suppress(OSError):
                if self.get(path, port)[0] == status:
                    return time.perf_counter() - self.started
            time.sleep(0.002)
        raise RuntimeError(f"{path} never answered {status}:\n{self.log.read_text()[-2000:]}")

    @property
    def cpu(self):
        """CPU seconds so far, from the kernel."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    @property
    def rss(self):
        """Resident bytes now."""
        return psutil.Process(self.process.pid).memory_info().rss


@contextlib.contextmanager
def agent(
    body: str,
    *options: str,
    drain: str = "0s",
    env: dict[str, str] | None = None,
    listen: str = "",
    readiness: str = "",
) -> Iterator[Agent]:
    """An agent with this file (`listen` is filled in, and OTLP_PORT in the text), stopped at the end.

    `listen` and `readiness` are further keys of these sections: `grpc_health: 127.0.0.1:9743`.
    """
    ports: set[int] = set()
    while len(ports) < 3:  # two draws may give one port, also one that the caller drew
        ports |= {port for port in (free_port(),) if str(port) not in f"{listen} {readiness} {body}"}
    public, admin, otlp = ports
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "outrider.yaml", Path(folder) / "log"
        text = f"service: bench\nlisten: {{public: '127.0.0.1:{public}', admin: '127.0.0.1:{admin}', {listen}}}\n"
        text += f"readiness: {{drain: {drain}, {readiness}}}\nlog: {{format: text}}\n"
        file.write_text(text + body.replace("OTLP_PORT", str(otlp)))
        with log.open("w") as stream:
            command = [sys.executable, "-m", "outrider", "run", "-c", str(file), *options]
            started = time.perf_counter()
            process = subprocess.Popen(command, stderr=stream, stdout=stream, cwd=ROOT, env=os.environ | (env or {}))
            running = Agent(process, public, admin, otlp, started, log, file)
            try:
                yield running
            finally:
                process = running.process  # a test may have started it again
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.send_signal(signal.SIGINT)  # a second one ends a long drain
                process.wait(PATIENCE)
