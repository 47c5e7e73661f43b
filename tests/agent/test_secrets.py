"""Canaries in every place that may hold a secret, and a search for them in everything that anyone can read."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.hostile import answering
from tests.running import ROOT, agent

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).with_name("plugins")
#: In places of their own, so that a leak says where it came from.
PLACES = (
    *("dsn-password", "redis-password", "url-password", "query", "bearer", "basic-password", "header", "body"),
    *("from-file", "from-variable", "from-default", "plug-in", "otlp-header"),
    *("webhook-header", "webhook-query", "alertmanager", "pagerduty", "slack", "teams"),
    *("heartbeat-path", "heartbeat-header"),
)
CANARIES = {place: f"canary{number:02d}x{place.replace('-', '')}" for number, place in enumerate(PLACES)}
CANARIES["pagerduty"] = CANARIES["pagerduty"].ljust(32, "0")  # as long as a routing key has to be
SIGNING = base64.b64encode(b"canary99xsigningsecret0123456789").decode()
PATHS = (
    *("/", "/metrics", "/health/status", "/readyz?verbose", "/readyz/db", "/readyz/cache", "/readyz/app"),
    *("/api/v1/status", "/api/v1/probes", "/api/v1/probes/db", "/api/v1/slos", "/api/v1/alerts"),
    *("/api/v1/pipeline", "/api/v1/config", "/api/v1/openapi.json", "/nonexistent"),
)
FILE = """
state_dir: STATE
probes:
  db: {{type: postgres, dsn: 'postgresql://u:{dsn-password}@127.0.0.1:1/d?password={dsn-password}', interval: 200ms}}
  db2: {{type: postgres, dsn: '${{CANARY_DSN}}', interval: 200ms}}
  cache: {{type: redis, url: 'redis://:{redis-password}@127.0.0.1:1/0', interval: 200ms}}
  cache2: {{type: redis, url: '${{file:STATE/canary}}', interval: 200ms}}
  app:
    type: http
    url: 'UP/x?token={query}'
    interval: 200ms
    auth: {{bearer: {bearer}}}
    headers: {{x-key: {header}, x-other: '${{NOT_SET:-{from-default}}}'}}
    method: POST
    body: '{{"password": "{body}"}}'
    expect: {{status: 299}}
  app2: {{type: http, url: 'UP', auth: {{basic: {{username: me, password: {basic-password}}}}}, interval: 200ms}}
  app3: {{type: http, url: 'http://u:{url-password}@127.0.0.1:1/', interval: 200ms}}
  own: {{type: 'faulty:Faulty', orders: STATE/orders, token: {plug-in}, interval: 200ms}}
slos:
  promise: {{objective: 99.99%, sli: {{probe: db2}}, alerts: {{min_bad: 1}}}}
traces:
  receive: {{http: '127.0.0.1:OTLP_PORT'}}
  forward: {{up: {{endpoint: 'http://127.0.0.1:1', headers: {{authorization: 'Bearer {otlp-header}'}}}}}}
heartbeat: {{url: 'http://127.0.0.1:1/{heartbeat-path}', interval: 1s, headers: {{x-key: {heartbeat-header}}}}}
alerts:
  receivers:
    hook:
      type: webhook
      url: 'http://127.0.0.1:1/hook?key={webhook-query}'
      secret: whsec_SIGNING
      old_secret: whsec_SIGNING
      headers: {{x-key: {webhook-header}}}
    calls: {{type: pagerduty, routing_key: {pagerduty}, url: 'http://127.0.0.1:1/v2/enqueue'}}
    chat: {{type: slack, url: 'http://127.0.0.1:1/services/T0/B0/{slack}'}}
    cards: {{type: teams, url: 'http://127.0.0.1:1/workflows/{teams}?sig={teams}'}}
    fleet: {{type: alertmanager, urls: ['http://u:{alertmanager}@127.0.0.1:1']}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The file of canaries, its environment and the folder it names, with a server that answers its HTTP probes."""
    folder = tmp_path_factory.mktemp("state")
    (folder / "canary").write_text(f"redis://:{CANARIES['from-file']}@127.0.0.1:1/0\n")
    (folder / "orders").write_text("raise")
    dsn = f"postgresql://u:{CANARIES['from-variable']}@127.0.0.1:1/d"
    env = {"PYTHONPATH": str(FOLDER), "CANARY_DSN": dsn, "PYTHONWARNINGS": "default"}
    with answering() as upstream:
        text = FILE.format(**CANARIES).replace("STATE", str(folder)).replace("SIGNING", SIGNING)
        yield text.replace("UP", upstream.url), env


def leaks(text):
    """The places whose canary is in a text, plain or in base64."""
    found = [name for name, canary in CANARIES.items() if canary in text]
    encoded = base64.b64encode(f"me:{CANARIES['basic-password']}".encode()).decode()
    return [*found, *(name for name, part in (("signing", SIGNING), ("basic", encoded)) if part in text)]


def outrider(*words, env):
    """All that one command says."""
    command = [sys.executable, "-X", "dev", "-m", "outrider", *words]
    ended = subprocess.run(
        command, check=False, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=120
    )
    return ended.stdout + ended.stderr


def test_no_secret_leaves_a_running_agent(place):
    """Run at debug level, fail every probe, crash a plug-in, page, reload, refuse a bad file: no canary anywhere."""
    text, env = place
    assert set(CANARIES) - set(leaks(text)) == {"from-file", "from-variable"}, "what the search would find"
    with agent(text, env=env) as one:
        one.until("/livez")
        one.file.write_text(one.file.read_text().replace("format: text", "format: json, level: debug"))
        one.wait(lambda: "configuration loaded" in one.log.read_text())
        one.wait(lambda: "faulty.py" in one.log.read_text(), "the plug-in's traceback")
        for name in ("hook", "calls", "chat", "cards", "fleet"):
            one.wait(lambda name=name: f"receiver {name}" in one.log.read_text(), "the alert that could not be sent")
        one.wait(lambda: all(probe["last"] for probe in one.json("/api/v1/probes")["probes"] if probe["name"] != "own"))
        for path in PATHS:
            assert leaks(one.get(path, one.admin)[1].decode()) == [], path
            assert leaks(one.get(path)[1].decode()) == [], path
        good = one.file.read_text()
        one.file.write_text(
            good.replace("interval: 200ms}\n  cache:", "intervall: 200ms}\n  cache:").replace("redis://:", "redi$://:")
        )
        status, answer = one.post("/api/v1/reload")
        assert (status, leaks(answer.decode())) == (422, [])
        one.file.write_text(good + "\x00")
        assert leaks(one.post("/api/v1/reload")[1].decode()) == []
        one.signal(15)
        one.ends()
        assert leaks(one.log.read_text()) == []


def test_no_secret_leaves_a_command(place, tmp_path):
    """`check` and `probe` in every form."""
    text, env = place
    file = tmp_path / "outrider.yaml"
    file.write_text("service: checkout\n" + text.replace("OTLP_PORT", "4318"))
    for words in (["check"], ["check", "--json"], ["probe"], ["probe", "--json"], ["probe", "--debug"]):
        said = outrider(*words, "-c", str(file), env=env)
        assert len(said) > 200, words
        assert leaks(said) == [], words


BREAKS = {
    "a port that is none": ("@127.0.0.1:1/d?", "@127.0.0.1:port/d?"),
    "an unknown scheme": ("redis://:", "potato://:"),
    "a key misspelt": ("bearer:", "bearerr:"),
    "a list for a secret": ("{bearer: ", "{bearer: [a, "),
    "no closing quote": ("x-key:", "x-key: '"),
    "a header that cannot be": ("auth: {basic: {username: me,", "auth: {basic: {username: 'm:e',"),
    "a bad signing secret": ("whsec_", "whsec-"),
    "no scheme": ("'postgresql://", "'"),
    "two hosts": ("@127.0.0.1:1/'", "@127.0.0.1:1,b/'"),
    "a variable within": ("dsn: '${CANARY_DSN}'", "dsn: '${CANARY_DSN}${NOT_SET}'"),
    "a duration": ("dsn: '${CANARY_DSN}', interval: 200ms", "dsn: '${CANARY_DSN}', interval: '${CANARY_DSN}'"),
    "a name": ("receive: {http: '127.0.0.1:4318'}", "receive: {http: '${CANARY_DSN}'}"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_no_secret_is_in_an_error(place, tmp_path, name):
    """A malformed value is told by its place, not by itself."""
    from agent.cli import Stop
    from agent.cli.open import open_plan

    text, env = place
    before, after = BREAKS[name]
    text = "service: checkout\n" + text.replace("OTLP_PORT", "4318")
    assert before in text
    file = tmp_path / "outrider.yaml"
    file.write_text(text.replace(before, after))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        for key, value in env.items():
            patch.setenv(key, value)
        with pytest.raises(Stop) as stopped:
            open_plan(str(file))
    assert str(file) in str(stopped.value)
    assert leaks(str(stopped.value)) == []


@pytest.mark.case("R22")
def test_strangers_learn_no_host_and_no_detail(place):
    """The public listener shows names and states; hosts, ports, users and error texts are for the admin one."""
    text, env = place
    with agent(text, env=env) as one:
        one.wait(lambda: b"db" in one.get("/readyz?verbose")[1])
        one.wait(lambda: one.json("/api/v1/probes/db")["state"] == "down")
        for path in ("/readyz?verbose", "/health/status", "/readyz/db", "/readyz", "/livez?verbose", "/metrics"):
            body = one.get(path)[1].decode()
            for secret in ("127.0.0.1", "localhost", "postgresql://", "Connection refused", "Errno"):
                assert secret not in body, path
        assert one.get("/api/v1/probes")[0] == 404
        assert one.get("/")[0] == 404
