"""A fleet of real agents that call people: one Redis that they share, one webhook, one Alertmanager with another."""

import contextlib
import http.client
import json
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from agent.demo.alertmanager import Alertmanager
from agent.demo.servers import Valkey
from bench.installed import bytecode
from tests.fleet.play import Replica, end, free_ports, start
from tests.fleet.ways import HOST, Ways

PATIENCE = 90.0  #: seconds for what takes ten on a machine with nothing else to do
RESOLVE = 20  #: seconds of silence after which Alertmanager takes an alert to be over
_CHANGE, _OVER = "alert fleet cache: error budget", "no longer burns"  # in an agent's log


class Ear:
    """Webhooks on one port: replica n at `/n`, Alertmanager at `/behind`. It answers 503 while `down`."""

    def __init__(self):
        self.down, self.refused, self._heard = False, 0, []
        ear = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if ear.down:
                    ear.refused += 1
                else:
                    ear._heard.append((time.time(), self.path, json.loads(body)))
                self.send_response(503 if ear.down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size, daemon_threads = 128, True

        self._server = Server((HOST, 0), Door)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()

    def told(self):
        """What Outrider said: (Unix time, who, does it fire, when it began)."""
        return [
            (at, path, body["type"] == "slo.alert.firing", body["data"]["started_at"])
            for at, path, body in self._heard
            if path != "/behind"
        ]

    def words(self):
        """The same: whether it fires, alone."""
        return [fires for _, _, fires, _ in self.told()]

    def behind(self):
        """What Alertmanager passed on: whether it fires."""
        return [body["status"] == "firing" for _, path, body in self._heard if path == "/behind"]

    def forget(self):
        """Begin anew."""
        self._heard.clear()


class Callers:
    """The agents, their ways to the one cache, and who is called."""

    def __init__(self, replicas: Sequence[Replica], ways: Ways, cache: Valkey, ear: Ear) -> None:
        self.replicas, self.ways, self.cache, self.ear = list(replicas), ways, cache, ear

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it, for as long as a busy machine may take."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            with contextlib.suppress(OSError, http.client.HTTPException):  # an agent may be slow to answer
                if condition():
                    return
            time.sleep(0.2)
        raise AssertionError(f"never: {what}; heard {self.ear.words()}, {self.ear.behind()}")

    def firing(self) -> int:
        """How many replicas see the alert fire."""
        return sum(map(_fires, self.replicas))

    def met(self) -> bool:
        """Whether each hears enough of the others."""
        enough = min(len(self.replicas) - 1, 12)
        return all(each.sample("outrider_peers_fresh") >= enough for each in self.replicas)

    def quiet(self) -> bool:
        """Whether nobody has anything left to say: it is over for all, and each knows that it was said."""
        return all(map(_quiet, self.replicas))

    def aware(self) -> bool:
        """Whether all know that somebody was called."""
        return all(_words(each) == {"announced"} for each in self.replicas)

    def over(self) -> None:
        """Wait until the end has been told everywhere, and nothing more can come."""
        self.until(lambda: False in self.ear.words(), "the end is told")
        self.until(self.quiet, "nobody has anything left to say")
        self.until(lambda: False in self.ear.behind(), "Alertmanager tells the end")

    def called(self) -> None:
        """Wait until all see it, and both receivers have been told."""
        self.until(lambda: self.firing() == len(self.replicas), "all see it")
        self.until(lambda: True in self.ear.words() and True in self.ear.behind(), "somebody is called")

    def kill(self, path: str) -> None:
        """The one that tells the webhook under this path is no more."""
        dead = next(each for each in self.replicas if f"/{each.file.stem}" == path)
        self.replicas.remove(dead)
        dead.process.send_signal(signal.SIGKILL)
        dead.process.wait()


def _fires(replica: Replica) -> bool:
    """By its log, which costs it nothing: fifty pages of metrics a second would be the largest load of all."""
    changes = [line for line in replica.said().splitlines() if _CHANGE in line]
    return bool(changes) and _OVER not in changes[-1]


def _quiet(replica: Replica) -> bool:
    """It is over here, and either the receivers took the end from it, or it heard that they have."""
    if _fires(replica):
        return False
    return _words(replica) <= {"resolved"}


def _words(replica: Replica) -> set[str]:
    """What it tells the others of its alerts."""
    return {word for word, _ in json.loads(replica.get("/peerz")[1])["alerts"].values()}


@contextlib.contextmanager
def calling(size: int) -> Iterator[Callers]:
    """So many agents, all up, who have met; nobody has been called yet."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outrider-calling-")))
        stack.enter_context(bytecode())  # fifty that each compile everything would take minutes to start
        cache, redis = stack.enter_context(Valkey()), stack.enter_context(Valkey())
        ear = stack.enter_context(Ear())
        alertmanager = stack.enter_context(Alertmanager(f"{ear.url}/behind", resolve_seconds=RESOLVE))
        chosen = free_ports(2 * size)
        ways = stack.enter_context(Ways(cache.port, chosen[size:]))
        replicas = []
        for number, port in enumerate(chosen[:size]):
            replica = Replica(port, folder / f"{number}.yaml", folder / f"{number}.log")
            text = _FILE.format(
                listen=f'{{public: "{HOST}:{port}", admin: "unix:{folder / f"{number}.sock"}"}}',
                redis=redis.url,
                way=f"redis://{HOST}:{ways.ports[number]}/0",
                hook=f"{ear.url}/{number}",
                alertmanager=alertmanager.url,
            )
            replica.file.write_text(text)
            replicas.append(replica)
        stack.callback(end, replicas)
        start(replicas, seconds=2 * PATIENCE)
        callers = Callers(replicas, ways, cache, ear)
        callers.until(callers.met, "all have met")
        yield callers


_FILE = """
service: fleet
listen: {listen}
log: {{format: text}}
readiness:
  drain: 0s
  peers: {{redis: "{redis}", refresh: 2s, rate: 1000/s}}
probes:
  cache:
    type: redis
    url: {way}
    shared: true
    when_down: degraded
    interval: 2s
    fast_interval: 1s
    slow_interval: 2s
    timeout: 1500ms
slos:
  cache:
    objective: 99.95%
    sli: {{probe: cache}}
    alerts: {{windows: [{{long: 60s, short: 5s, factor: 14.4}}]}}
alerts:
  receivers:
    hook: {{type: webhook, url: "{hook}"}}
    fleet: {{type: alertmanager, urls: ["{alertmanager}"], resend: 5s}}
"""
