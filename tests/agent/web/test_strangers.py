"""Strangers, and pages in a browser, at everything that a real agent answers to: what they learn and what they move."""

import contextlib
import http.client
import json
import re

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.agent.web.test_hostile_balancers import HOST, asking, connect, drawn, told
from tests.running import AT_ONCE, PATIENCE, agent

pytestmark = pytest.mark.e2e

CANARY = "canary-reason"
SECRETS = (CANARY, "127.0.0.1", "localhost", "Connection refused", "Errno", "postgresql", "Traceback")
PUBLIC = (
    *("/readyz?verbose", "/readyz", "/readyz/db", "/readyz/app", "/health", "/health/ready", "/health/status"),
    *(
        "/groups/all?verbose",
        "/groups/all",
        "/api/v1/gate?bake=1s",
        "/api/v1/gate",
        "/peerz",
        "/metrics",
        "/livez?verbose",
    ),
    *("/api/v1/override", "/api/v1/maintenance", "/api/v1/status", "/api/v1/config", "/groups/none", "/"),
)
ACCEPTS = ("text/plain", "application/json", "application/health+json")


@pytest.fixture(scope="module")
def broken():
    """An agent with a dependency that refuses, a group, peers that are not there, and a person's words."""
    check, rpc, nobody = drawn(3)
    body = f"""
probes:
  db: {{type: postgres, dsn: 'postgresql://{CANARY}:{CANARY}@{HOST}:{nobody}/d', interval: 200ms, failure_threshold: 1}}
  app: {{type: http, url: 'http://{HOST}:{nobody}/{CANARY}', interval: 200ms, failure_threshold: 1, shared: true}}
groups: {{all: {{members: [db, app]}}}}
"""
    listen = f"agent_check: '{HOST}:{check}', grpc_health: '{HOST}:{rpc}'"
    readiness = f"peers: {{urls: ['http://{HOST}:{nobody}'], refresh: 200ms}}"
    with agent(body, listen=listen, readiness=readiness) as running:
        running.until("/readyz/db", 503)
        running.wait(lambda: {each["state"] for each in running.json("/api/v1/probes")["probes"]} == {"down"})
        running.check, running.rpc = check, rpc
        yield running


def change(one, path, method, body, **headers):
    """Status and text of a request to the admin listener, its headers as given."""
    asking = http.client.HTTPConnection(HOST, one.admin, timeout=30)
    try:
        asking.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            asking.putheader(name.replace("_", "-"), value)
        asking.putheader("Content-Length", str(len(body)))
        asking.endheaders(body)
        answer = asking.getresponse()
        return answer.status, answer.read().decode()
    finally:
        asking.close()


def word(reason, **more):
    """The body of an override."""
    return json.dumps({"ready": True, "for": "1m", "reason": reason} | more).encode()


JSON = {"Content_Type": "application/json"}


def public(one, path, accept):
    """Head and body of a GET on the public listener, in one text."""
    with connect(one.public) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode())
        return client.makefile(newline="").read()


@pytest.mark.case("R22")
def test_strangers_learn_no_reason_on_any_public_path(broken):
    """Neither what failed and where, nor why a person forced the verdict or asked for maintenance; nor the version."""
    from outrider import __version__

    window = json.dumps({"probes": ["db"], "for": "1m", "reason": CANARY}).encode()
    for forced in (False, True):
        if forced:
            assert change(broken, "/api/v1/override", "POST", word(CANARY, ready=False), **JSON)[0] == 200
            assert change(broken, "/api/v1/maintenance", "POST", window, **JSON)[0] == 200
        for path in PUBLIC:
            for accept in ACCEPTS:
                said = public(broken, path, accept)
                shown = (*SECRETS, f'"{__version__}"') if path != "/metrics" else SECRETS
                assert [secret for secret in shown if secret in said] == [], (path, accept)
        assert told(broken.check) == "down #unready\n"
        with grpc.insecure_channel(f"{HOST}:{broken.rpc}") as channel:
            listed = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=PATIENCE)
        assert set(listed.statuses) == {"", "readiness", "liveness", "db", "app", "group/all"}
    assert change(broken, "/api/v1/override", "DELETE", b"")[0] == 200


INJECTED = 'x\n2026-01-01 critical forged \x1b[31m\u2028<script>alert(1)</script><img src=x onerror=alert(1)>" onload="'


def test_a_reason_forges_no_log_line_and_no_page(broken):
    """New lines and escapes become blanks, in the log and in the answer; on the page a tag is text."""
    status, said = change(broken, "/api/v1/override", "POST", word(INJECTED), **JSON)
    assert status == 200
    assert json.loads(said)["override"]["reason"].startswith("x 2026-01-01 critical forged [31m")
    page = broken.get("/", broken.admin)[1].decode()
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    text = broken.log.read_text()
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line.startswith("2026-01-01")] == []
    assert change(broken, "/api/v1/override", "DELETE", b"")[0] == 200


FROM_A_PAGE = {
    "a form": {"Content_Type": "application/x-www-form-urlencoded"},
    "plain text": {"Content_Type": "text/plain"},
    "another origin": JSON | {"Origin": "http://evil.example"},
    "no origin that is any": JSON | {"Origin": "null"},
    "a name that points here": JSON | {"Host": "evil.example"},
    "a name and its origin": JSON | {"Host": "evil.example:1", "Origin": "http://evil.example:1"},
    "no host": JSON | {"Host": ""},
}


@pytest.mark.parametrize("headers", FROM_A_PAGE.values(), ids=FROM_A_PAGE)
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PUT"])
def test_a_page_elsewhere_changes_nothing(broken, method, headers):
    """A browser on this machine is refused whatever it sends for a page of another origin; nothing is in force."""
    headers = {"Origin": "http://evil.example"} | headers if method == "DELETE" else headers  # or no browser sends it
    for path in ("/api/v1/override", "/api/v1/maintenance", "/api/v1/maintenance/x"):
        status, said = change(broken, path, method, word("by a page"), **headers)
        assert status in {403, 404, 405, 415}, (path, said)
    assert json.loads(broken.get("/api/v1/override", broken.admin)[1]) == {"override": None}
    asked = json.loads(broken.get("/api/v1/maintenance", broken.admin)[1])["windows"]
    assert [each for each in asked if "by a page" in each["text"]] == []


BODIES = {
    "deep": b'{"reason": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "NaN": b'{"ready": NaN, "for": "1m", "reason": "x"}',
    "a number that is none": b'{"ready": true, "for": 1e999, "reason": "x"}',
    "a lone surrogate": b'{"ready": true, "for": "1m", "reason": "\\ud800", "more": 1}',
    "not UTF-8": b'{"ready": true, "for": "1m", "reason": "\xff\xfe"}',
    "a byte too many": word("x").ljust(4097),
    "for ever": word("x", **{"for": "99999h"}),
    "a minus": word("x", **{"for": "-1m"}),
    "twice": word("x") * 2,
    "text for a word": word("x", ready="true"),
    "nothing": b"",
    "null": b"null",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["/api/v1/override", "/api/v1/maintenance"])
def test_a_body_that_is_none_changes_nothing(broken, path, body):
    """Each is refused in one sentence, without a traceback and without what was sent."""
    status, said = change(broken, path, "POST", body, **JSON)
    assert status in {400, 413}
    assert json.loads(said)["detail"]
    assert "Traceback" not in broken.log.read_text()
    assert json.loads(broken.get("/api/v1/override", broken.admin)[1]) == {"override": None}


def test_slow_bodies_keep_nobody_waiting(broken):
    """As many as the listener takes, each one byte of sixty: health is answered at once, and they are sent away."""
    fields = f"Host: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 60\r\n"
    with contextlib.ExitStack() as stack, asking(broken) as (codes, seconds):
        slow = [stack.enter_context(connect(broken.admin)) for _ in range(64)]
        for client in slow:
            client.sendall(f"POST /api/v1/override HTTP/1.1\r\n{fields}\r\n{{".encode())
            client.settimeout(PATIENCE)
        ended = [client.recv(200) for client in slow]
    assert all(not each or re.match(rb"HTTP/1.1 (408|503)", each) for each in ended)
    assert max(seconds) < AT_ONCE
    assert len(set(codes)) == 1
