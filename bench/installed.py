"""What surrounds a measured process: bytecode as after an installation, and where a peer's numbers come from."""

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.running import agent

#: Uses every kind, so that nothing is left to compile. Nothing listens at port 9.
_EVERYTHING = """probes:
  memory: {type: memory}
  postgres: {type: postgres, dsn: 'postgresql://127.0.0.1:9/x'}
  redis: {type: redis, url: 'redis://127.0.0.1:9'}
  http: {type: http, url: 'http://127.0.0.1:9/', expect: {json: {status: ok}}}
traces: {receive: {http: '127.0.0.1:OTLP_PORT'}, forward: {gateway: {endpoint: 'http://127.0.0.1:9'}}}
alerts: {receivers: {hook: {type: webhook, url: 'http://127.0.0.1:9/'}}, routes: [{to: [hook]}]}
"""


@contextmanager
def bytecode():
    """Let every process started meanwhile find compiled modules, as in an image or after `pip install`.

    A development environment may have none (PYTHONDONTWRITEBYTECODE): then each start compiles everything anew, which
    takes twice the time, and leaves a heap that is larger than a user's.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = {key: os.environ.get(key) for key in ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")}
        os.environ |= {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        try:
            with agent(_EVERYTHING) as running:
                running.until("/livez")
                running.get("/metrics")
            yield
        finally:
            for key, value in before.items():
                os.environ.pop(key)
                if value is not None:
                    os.environ[key] = value


@dataclass(frozen=True)
class Process:
    """A process under measurement, as the kernel counts it."""

    pid: int

    @property
    def cpu(self):
        """CPU seconds so far, of all its threads."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    @property
    def rss(self):
        """Resident bytes now."""
        return psutil.Process(self.pid).memory_info().rss


def sample(page, name, **labels):
    """The sum of the samples of a metrics page that have this name and these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = (line for line in page.splitlines() if line.partition("{")[0].partition(" ")[0] == name)
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in wanted))
