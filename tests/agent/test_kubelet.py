"""A Pod's life with Outrider in it, as a kubelet sees it that runs the chart's own manifest."""

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading

import pytest

from agent.cli import addresses
from tests import kubelet
from tests.helm.engine import objects, outrider, pod
from tests.ports import free_port
from tests.running import ROOT, agent

SECOND = 0.05  # how long a second of the manifest's periods lasts here
MANIFEST = outrider(pod(objects({"app": {"image": "registry.example/shop:1"}})))


class Server(http.server.ThreadingHTTPServer):
    """Answers every path by `answers[path]`: a status, a place to go to, and a body."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.heads, self.hold = {}, [], threading.Event()

    @property
    def base(self):
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, place, body = self.server.answers.get(self.path, (200, None, b"ok"))
        self.server.heads.append((self.path, dict(self.headers)))
        if status == "hang":
            self.server.hold.wait(60)
            return
        self.send_response(status)
        if place:
            self.send_header("Location", place)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who asks reads no more than it wants
            self.wfile.write(body)

    def log_message(self, *args):
        """Silent."""


@contextlib.contextmanager
def serving():
    """A server in a thread of its own."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.hold.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def server():
    """One for a test alone."""
    with serving() as one:
        yield one


@pytest.mark.case("N01")
def test_statuses_and_silence(server):
    """200 passes; 500, nobody there, and a server that does not answer in time fail."""
    server.answers = {"/bad": (500, None, b"no"), "/slow": ("hang", None, b"")}
    assert kubelet.ask(server.base + "/good") == ("success", "ok")
    assert kubelet.ask(server.base + "/bad") == ("failure", "no")
    assert kubelet.ask(server.base + "/slow", timeout=0.2)[0] == "failure"
    assert kubelet.ask(f"http://127.0.0.1:{free_port()}/")[0] == "failure"


@pytest.mark.case("N02")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_on_the_same_host_are_followed(server, status):
    """What counts is what stands at their end; a circle has none."""
    server.answers = {
        "/to-good": (status, "/good", b""),
        "/to-bad": (status, f"{server.base}/bad", b""),
        "/bad": (500, None, b"no"),
        "/round": (status, "/round", b""),
    }
    assert kubelet.ask(server.base + "/to-good") == ("success", "ok")
    assert kubelet.ask(server.base + "/to-bad") == ("failure", "no")
    assert kubelet.ask(server.base + "/round")[0] == "failure"


@pytest.mark.case("N03")
def test_a_redirect_elsewhere_is_a_warning(server):
    """It is not followed, and counts as a success."""
    server.answers = {"/away": (302, "http://elsewhere.invalid/", b"")}
    assert kubelet.ask(server.base + "/away")[0] == "warning"


@pytest.mark.case("N05")
def test_headers_stay_on_the_way(server):
    """Host and the kubelet's own name are in the first request and in the one after a redirect."""
    server.answers = {"/to": (302, "/good", b"")}
    assert kubelet.ask(server.base + "/to", headers={"Host": "shop.example"})[0] == "success"
    assert [path for path, _ in server.heads] == ["/to", "/good"]
    for _, head in server.heads:
        assert (head["Host"], head["User-Agent"], head["Connection"]) == ("shop.example", kubelet.WHO, "close")


@pytest.mark.case("N06")
def test_ten_kibibytes_of_a_body_are_read(server):
    """A longer one is no failure."""
    server.answers = {"/long": (200, None, b"x" * 1_000_000)}
    assert kubelet.ask(server.base + "/long") == ("success", "x" * 10_240)


@pytest.mark.case("N07")
def test_no_proxy_is_asked(server, monkeypatch):
    """A proxy for the app's own requests is not between the kubelet and the Pod."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert kubelet.ask(server.base + "/") == ("success", "ok")


FILE = """
probes:
  app: {type: http, url: "http://127.0.0.1:APP/healthz", PACE}
  orders: {type: http, url: "http://127.0.0.1:ORDERS/", shared: true, when_down: unready, PACE}
"""
PACE = "interval: 1s, timeout: 900ms, fast_interval: 100ms"


@pytest.mark.e2e
def test_a_pod_from_its_start_to_its_end(tmp_path):
    """Ready follows the verdict through start, a private and a shared fault, drain and stop; liveness never fails."""
    with serving() as app, serving() as orders:
        app.answers["/healthz"] = (503, None, b"starting")
        text = FILE.replace("PACE", PACE)
        text = text.replace("APP", str(app.server_port)).replace("ORDERS", str(orders.server_port))
        with agent(text, f"--state-dir={tmp_path}", drain="1s", readiness="ready_delay: 0s") as one:
            container = kubelet.Container(MANIFEST, f"http://127.0.0.1:{one.public}", SECOND)
            container.until(lambda: container.started)
            assert not container.liveness.seen + container.readiness.seen
            container.asks(3)
            assert not container.ready, "the app has not started yet"
            _runs(container, one, app, orders)
            _ends(container, one, tmp_path)
            assert container.liveness.seen["failure"] == 0
            assert not container.killed


def _runs(container, one, app, orders):
    """Ready while the app is, whatever becomes of the thing that every replica uses."""
    del app.answers["/healthz"]
    container.until(lambda: container.ready)
    app.answers["/healthz"] = (500, None, b"broken")
    container.until(lambda: not container.ready)
    del app.answers["/healthz"]
    container.until(lambda: container.ready)
    before = container.readiness.seen["failure"]
    orders.answers["/"] = (500, None, b"down for everyone")
    container.until(lambda: one.get("/readyz/orders")[0] == 503)
    container.asks(10)
    assert container.readiness.seen["failure"] == before
    assert container.ready


def _ends(container, one, state_dir):
    """The hook at the first moment, SIGTERM once the app is gone: unready at once, alive to the end, exit code 0."""
    container.deleting = True
    command = [sys.executable, "-m", *MANIFEST["lifecycle"]["preStop"]["exec"]["command"]]
    env = {"PATH": os.environ["PATH"], addresses.VARIABLE: str(state_dir)}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=120)
    assert one.get("/readyz") == (503, b"draining")
    container.until(lambda: not container.ready)
    assert one.get("/livez")[0] == 200
    assert one.process.poll() is None
    one.signal(signal.SIGTERM)
    assert one.ends() == 0
