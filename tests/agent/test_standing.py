"""One real agent: groups, maintenance, overrides, peers that come and go with a reload."""

import json
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.running import agent

PROBE = "type: http, interval: 1s, timeout: 900ms, fast_interval: 200ms, failure_threshold: 2, success_threshold: 1"
NOWHERE = "http://127.0.0.1:9"


class _Target(BaseHTTPRequestHandler):
    """200 on paths that are not in `broken`."""

    broken: set[str]

    def do_GET(self):
        self.send_response(503 if self.path in self.broken else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def target():
    """A server whose paths can be broken one by one; gives (url, broken)."""
    broken: set[str] = set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Target", (_Target,), {"broken": broken}))
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", broken
    server.shutdown()
    server.server_close()


def ask(one, method, path, body=None):
    """Status, headers and JSON of a request to the admin listener."""
    content = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.admin}{path}", content, {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.mark.case("S05")
def test_groups_have_verdicts_of_their_own(target):
    """Only its members count, by its rule, and a member that is only shown elsewhere is needed here."""
    url, broken = target
    body = f"""
groups: {{both: {{members: [a, b]}}, either: {{members: [a, b], rule: any}}}}
probes:
  a: {{{PROBE}, url: "{url}/a", when_down: degraded}}
  b: {{{PROBE}, url: "{url}/b", when_down: degraded}}
  c: {{{PROBE}, url: "{url}/c"}}
"""
    with agent(body) as one:
        one.until("/groups/both")
        broken.update({"/a", "/c"})
        one.until("/groups/both", 503)
        one.until("/readyz", 503)
        assert one.get("/groups/either?verbose") == (
            200,
            b"[-]a failed: reason withheld\n[+]b ok\n1 of 2 work, 1 must\neither check passed\n",
        )
        assert one.get("/groups/none")[0] == 404
        assert b'outrider_group_ready{group="both"} 0.0' in one.get("/metrics")[1]
        assert one.json("/api/v1/status")["groups"]["either"]["ready"] is True


def test_a_probe_in_maintenance_has_no_say_and_keeps_its_state(target):
    """Down in the window: ready and healthy; after it: down at once, for the attempts went on."""
    url, broken = target
    with agent(f'probes: {{a: {{{PROBE}, url: "{url}/a"}}}}') as one:
        one.until("/readyz")
        status, _, answer = ask(one, "POST", "/api/v1/maintenance", {"probes": ["a"], "for": "1h", "reason": "upgrade"})
        assert status == 200, answer
        broken.add("/a")
        one.wait(lambda: one.json("/api/v1/probes/a")["state"] == "down")
        assert one.get("/readyz") == (200, b"ok")
        assert one.get("/readyz/a")[0] == 503
        assert b'outrider_probe_state{probe="a",state="maintenance",type="http"} 1.0' in one.get("/metrics")[1]
        assert ask(one, "DELETE", f"/api/v1/maintenance/{json.loads(answer)['id']}")[0] == 200
        assert one.get("/readyz")[0] == 503


def test_a_persons_word_counts_until_it_ends(target):
    """Forced ready over a probe that is down, and unready over one that is up; never silently."""
    url, broken = target
    with agent(f'probes: {{a: {{{PROBE}, url: "{url}/a"}}}}\n') as one:
        one.until("/readyz")
        assert ask(one, "POST", "/api/v1/override", {"ready": False, "for": "1h", "reason": "test"})[0] == 200
        assert one.get("/readyz")[0] == 503
        broken.add("/a")
        one.wait(lambda: one.json("/api/v1/probes/a")["state"] == "down")
        assert ask(one, "POST", "/api/v1/override", {"ready": True, "for": "1h", "reason": "it is needed"})[0] == 200
        status, headers, _ = ask(one, "GET", "/readyz")
        assert (status, headers["Outrider-Ready"]) == (200, "forced")
        assert "it is needed" in one.json("/api/v1/status")["verdict"]["reasons"][0]
        assert ask(one, "DELETE", "/api/v1/override")[0] == 200
        assert one.get("/readyz")[0] == 503


def test_degraded_hosts_are_told_to_envoy(target):
    """The header is there while the replica is ready and degraded, and only then."""
    url, broken = target
    with agent(f'probes: {{a: {{{PROBE}, url: "{url}/a", when_down: degraded}}}}') as one:
        one.until("/readyz")
        assert "X-Envoy-Degraded" not in ask(one, "GET", "/readyz")[1]
        broken.add("/a")
        one.wait(lambda: one.get("/readyz")[1] == b"degraded")
        assert ask(one, "GET", "/readyz")[1]["X-Envoy-Degraded"] == "true"


def test_peers_come_and_go_with_the_file():
    """A reload starts to ask, with a token shuts out strangers, and stops again."""
    with agent("") as one:
        one.until("/readyz")
        assert one.get("/peerz")[0] == 404
        bare = one.file.read_text()
        drain = "readiness: {drain: 0s"
        one.file.write_text(bare.replace(drain, f"{drain}, peers: {{urls: [{NOWHERE}], refresh: 100ms}}"))
        one.until("/peerz")
        one.wait(lambda: one.json("/api/v1/status")["peers"] == {"known": 1, "fresh": 0, "isolated": True})
        assert one.get("/readyz") == (200, b"degraded")
        one.file.write_text(bare.replace(drain, f"{drain}, peers: {{urls: [{NOWHERE}], refresh: 100ms, token: word}}"))
        one.until("/peerz", 401)
        one.file.write_text(bare)
        one.until("/peerz", 404)
        assert one.get("/readyz") == (200, b"ok")
