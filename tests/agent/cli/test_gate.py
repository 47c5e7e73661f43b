"""`outrider gate`: a deploy that goes well passes, and one that does not fails at once and says why."""

import contextlib
import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import PIPE

import pytest

from agent.cli import Stop
from agent.cli.smoke import smokes
from outrider.__main__ import main
from tests.ports import free_port
from tests.running import PATIENCE, ROOT, agent


class Service:
    """A service whose paths answer what a test wants; `/redirect` goes elsewhere, `/drip` never ends."""

    def __init__(self):
        self.status = {}
        self.asked = []
        self.stopped = threading.Event()
        outer = self

        class Paths(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers["User-Agent"]))
                status = outer.status.get(self.path, 200)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                while self.path == "/drip" and not outer.stopped.wait(0.02):
                    try:
                        self.wfile.write(b"x")
                    except OSError:
                        return

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Paths)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.stopped.set()
        self.server.shutdown()
        self.thread.join(PATIENCE)
        self.server.server_close()


@pytest.fixture
def service():
    one = Service()
    yield one
    one.close()


def probes(service, more=""):
    """A file with one quick probe of the service."""
    options = "interval: 1s, timeout: 900ms, fast_interval: 200ms, failure_threshold: 2"
    return f"probes: {{app: {{type: http, url: '{service.url}/healthz', {options}{more}}}}}\n"


@pytest.fixture
def running(service):
    """An agent beside the service."""
    with agent(probes(service)) as one:
        one.until("/readyz")
        yield one


@contextlib.contextmanager
def baking(*words):
    """A gate that bakes for an hour, from its first line on."""
    command = [sys.executable, "-m", "outrider", "gate", "--bake", "1h", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            assert process.stderr.readline().startswith("baking: ")
            yield process
        finally:
            process.kill()


def gate(*words, capsys):
    """Exit code, standard output, standard error."""
    code = main(["gate", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_passes_when_all_stays_well(running, service, capsys):
    """Ready, then well for the bake, every smoke request answered: 0, and what was done."""
    code, out, err = gate(
        "--bake", "2s", "--smoke", "/", "--smoke", f"{service.url}/a?b=c", "--smoke-base", service.url,
        f"http://127.0.0.1:{running.public}", capsys=capsys,
    )  # fmt: skip
    assert code == 0
    head, first, second = out.splitlines()
    assert head.startswith("passed: ready after ")
    assert "then well for 2s" in head
    assert re.fullmatch(rf"  {service.url}/: [123] requests, the slowest \d+ms", first)
    assert second.startswith(f"  {service.url}/a?b=c: ")
    assert err.startswith("baking: ")
    smoked = [agent_ for path, agent_ in service.asked if path == "/a?b=c"]
    assert len(smoked) >= 2
    assert smoked[0].startswith("outrider-gate/")


def test_fails_at_once_when_a_probe_goes_down(running, service):
    """No need to bake on: 1, with the reason the admin listener tells."""
    with baking(f"http://127.0.0.1:{running.admin}") as process:
        service.status["/healthz"] = 500
        out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1
    assert "of 1h:" in out.splitlines()[0]
    assert "app became down" in out
    assert "status" in out


def test_fails_when_a_smoke_request_fails(running, service):
    """The service breaks while its own health check is content: the first failure is told."""
    with baking("--smoke", f"{service.url}/pay", f"http://127.0.0.1:{running.public}") as process:
        service.status["/pay"] = 503
        out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1
    assert f"  {service.url}/pay answered 503" in out.splitlines()


def test_what_was_wrong_before_fails_and_is_said(running, service, capsys):
    """It is not this deploy's fault, and it is no deploy to trust."""
    service.status["/pay"] = 404
    url = f"http://127.0.0.1:{running.public}"
    code, out, _ = gate("--bake", "1h", "--smoke", f"{service.url}/pay", url, capsys=capsys)
    assert (code, out.splitlines()) == (1, ["failed before the bake began:", f"  {service.url}/pay answered 404"])


def test_degraded_before_fails_unless_accepted(service, capsys):
    """A dependency that is down already: fails, or passes with --accept-degraded."""
    service.status["/healthz"] = 500
    with agent(probes(service, ", when_down: degraded")) as one:
        one.wait(lambda: b"degraded" in one.get("/readyz")[1])
        url = f"http://127.0.0.1:{one.admin}"
        code, out, _ = gate("--bake", "1h", url, capsys=capsys)
        assert code == 1
        assert "before the bake began" in out
        assert "app degraded: down" in out
        # Its change of state must be older than the shortest look back.
        one.wait(lambda: not json.loads(one.get("/api/v1/gate?bake=1s")[1])["edges"])
        assert gate("--bake", "1s", "--accept-degraded", url, capsys=capsys)[0] == 0


def test_not_ready_in_time_is_1(service, capsys):
    """Nothing is baked; the reasons of the wait are told."""
    service.status["/healthz"] = 500
    with agent(probes(service)) as one:
        one.wait(lambda: b"[-]app failed: down" in one.get("/readyz?verbose", one.admin)[1])
        code, out, _ = gate("--for", "3s", f"http://127.0.0.1:{one.admin}", capsys=capsys)
    assert code == 1
    head, reason = out.splitlines()
    assert head.startswith("failed: not ready within ")
    assert reason.startswith("  app failed: down")


def test_an_agent_that_goes_away_fails(service):
    """Three looks in a row unanswered are no blip."""
    with agent(probes(service)) as one:
        one.until("/readyz")
        with baking(f"http://127.0.0.1:{one.public}") as process:
            one.process.kill()
            out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1
    assert "3 looks in a row unanswered: no agent answers" in out


def test_json(running, service, capsys):
    """For programs: the result, the smoke requests, and the agent's own last word."""
    url = f"http://127.0.0.1:{running.public}"
    code, out, err = gate("--bake", "1s", "--json", "--smoke", service.url, url, capsys=capsys)
    said = json.loads(out)
    assert (code, err, said["pass"], said["reasons"], said["before"]) == (0, "", True, [], False)
    assert (said["smoke"][0]["requests"] >= 2, said["gate"]["ready"]) == (True, True)


def test_nobody_there_is_69(capsys):
    """As everywhere."""
    url = f"http://127.0.0.1:{free_port()}"
    assert gate("--for", "1s", url, capsys=capsys)[0] == 69
    code, out, _ = gate("--for", "1s", "--json", url, capsys=capsys)
    assert (code, json.loads(out)["pass"]) == (69, False)


def test_another_kind_of_server_is_not_passed(service, capsys):
    """What answers 200 to everything is no agent."""
    code, _, err = gate("--bake", "1s", service.url, capsys=capsys)
    assert code == 1
    assert "is it an Outrider" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--bake", "500ms"], ["--bake", "2h"], ["--bake", "5"], ["--smoke", "/path"], ["--smoke", "ftp://x/"],
        ["--smoke", "http://"], ["--smoke", "http://u:secret@x/"], ["--smoke", "http://x:99999/"],
        ["--smoke", "http://x/a b"], ["--smoke", "http://x/\r\nHost: y"],
    ],
)  # fmt: skip
def test_nonsense_is_64(capsys, words):
    """Before anything is asked, and no password is repeated."""
    code, _, err = gate(*words, capsys=capsys)
    assert code == 64
    assert "secret" not in err


def test_a_path_is_joined_to_the_base():
    """Whatever the slashes."""
    found = smokes(["/a", "b?c=d", "http://y/z"], "http://x:1/shop/")
    assert [each.url for each in found] == ["http://x:1/shop/a", "http://x:1/shop/b?c=d", "http://y/z"]
    with pytest.raises(Stop):
        smokes(["/a"], "")


def test_a_redirect_is_good_and_not_followed(service):
    """A login page elsewhere is an answer."""
    service.status["/"] = 302
    (smoke,) = smokes([service.url], "")
    assert smoke.ask(5.0) == ""


def test_a_body_that_drips_is_cut(service):
    """The time limit is for the whole answer."""
    (smoke,) = smokes(["/drip"], service.url)
    assert smoke.ask(0.3).endswith("no whole answer within 0.3 s")
