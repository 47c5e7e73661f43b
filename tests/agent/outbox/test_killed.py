"""A real agent, killed while its webhook is down: the one call comes, once, with the time that it was made."""

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.assemble import assemble, survey
from agent.events import Observation, Outcome
from agent.slo.engine import SloEngine
from agent.slo_state import SCHEMA, SloState
from agent.state.database import Database
from config.errors import Problems
from config.load import load
from probes.reason import Reason
from tests.ports import free_port
from tests.running import PATIENCE, ROOT, agent

pytestmark = pytest.mark.e2e

FILE = """state_dir: FOLDER
probes: {{app: {{type: http, url: 'http://127.0.0.1:{app}/', interval: 1s, when_down: ignore, slo: 99.9%}}}}
alerts: {{receivers: {{oncall: {{type: webhook, url: 'http://127.0.0.1:{hook}/', timeout: 2s}}}}}}
"""


@contextlib.contextmanager
def webhook(port, answers=()):
    """Takes what is posted to the port; `answers` are (status, headers) that come before that."""
    got, answers = [], list(answers)

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = answers.pop(0) if answers else (204, {})
            got.append((status, self.headers["webhook-id"], json.loads(body), time.monotonic()))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Taking)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def failed(at):
    """One attempt that ended then."""
    return Observation("app", "http", 1, at, at, at, Outcome.FAIL, Reason.CONNECT_REFUSED, phase="connect")


async def burnt(folder, body):
    """A state folder as an agent leaves it whose probe has failed for ten minutes: the next one calls at once."""
    loaded, problems = load(f"service: bench\n{body}".encode(), {}, survey=survey), Problems("file")
    engine, now = SloEngine(assemble(loaded.config, problems).objectives), time.time()
    for age in range(600, 0, -1):
        engine.observe(failed(now - age))
        engine.tick(now - age)
    database = Database(folder, [SCHEMA])
    await database.open()
    await SloState(engine, database).aclose()
    await database.aclose()


def killed(running, stream):
    """SIGKILL, and the same agent once more."""
    running.process.kill()
    running.process.wait(PATIENCE)
    command = [sys.executable, "-m", "outrider", "run", "-c", str(running.file)]
    running.process = subprocess.Popen(command, stderr=stream, stdout=stream, cwd=ROOT)


def number(running, family, **labels):
    """One sample of the metrics page."""
    page = running.get("/metrics")[1].decode()
    wanted = "".join(rf'(?=[^}}]*{name}="{value}")' for name, value in labels.items())
    found = re.search(rf"^{family}\{{{wanted}[^}}]*\}} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


def firing(running):
    """The alert that fires, from the API."""
    return next((each for each in running.json("/api/v1/alerts")["alerts"] if each["state"] == "firing"), None)


def letters(folder):
    """How many letters wait in the state folder: what was just taken is still there for a moment."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/outrider.db?mode=ro", uri=True, timeout=30)) as db:
        return db.execute("SELECT count(*) FROM letters").fetchone()[0]


async def test_killed_between_the_alert_and_the_webhook(tmp_path):
    """Killed before anybody took it, and again after: one firing arrives, with its own time; nobody is called twice."""
    hook = free_port()
    body = FILE.format(app=free_port(), hook=hook).replace("FOLDER", str(tmp_path))
    await burnt(tmp_path, body)
    with agent(body) as running, running.log.open("a") as stream:
        running.wait(lambda: "trying on" in running.log.read_text(), "the first attempt")
        before = running.wait(lambda: firing(running), "the alert")
        killed(running, stream)
        running.wait(lambda: "waited for it before the restart" in running.log.read_text(), "what was kept")
        running.wait(lambda: (number(running, "outrider_outbox_oldest_seconds", receiver="oncall") or 0) > 0, "its age")
        with webhook(hook, [(429, {"Retry-After": "1"}), (503, {})]) as got:
            running.wait(lambda: len(got) >= 3, "the call")
            running.wait(lambda: not letters(tmp_path), "the end, on disk too")
            killed(running, stream)
            after = running.wait(lambda: firing(running), "the alert after the second kill")
            running.wait(lambda: number(running, "outrider_notifications_waiting", receiver="oncall") == 0, "silence")
            assert number(running, "outrider_notifications_total", receiver="oncall", outcome="retried") == 0
    assert [status for status, *_ in got] == [429, 503, 204]
    assert len({id_ for _, id_, *_ in got}) == 1
    assert all(sent["type"] == "slo.alert.firing" for _, _, sent, _ in got)
    times = [datetime.fromisoformat(told["started_at"]).timestamp() for told in (got[0][2]["data"], before, after)]
    assert max(times) - min(times) < 0.01  # written in milliseconds here, in microseconds there
    assert got[1][3] - got[0][3] >= 1.0
