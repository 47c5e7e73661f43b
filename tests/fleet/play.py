"""A fleet of real agents on one database: started, broken, watched.

Every number of the file is a tenth of its default, so that a fault of a minute takes six seconds; the timeout is a
seventh and the time between two looks at the peers a quarter, for fifty agents share a machine here. What no key
scales stays: 60 s for which an attempt of a peer counts, 1 s between two extra attempts, up to 10 s until a lost Redis
is tried again.
"""

import contextlib
import http.client
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.demo.process import port_taken
from agent.demo.servers import Postgres, Valkey
from tests.fleet.watch import Watch
from tests.fleet.ways import HOST, Ways, uncovered
from tests.running import PATIENCE, ROOT

INTERVAL, FAST, TIMEOUT, REFRESH = 1.0, 0.2, 0.4, 0.5
FAILURES, SUCCESSES = 3, 2
READY_DELAY = 1.0
ASKED = 12  #: peers of which each asks at a look: agent.peers.way
_LONGER = 1.1  # by so much an interval may be longer: agent.scheduler.timetable
#: Seconds until everyone has noticed that the database is gone, and until one is back that was out for it.
NOTICED = (INTERVAL + FAST * (FAILURES - 1)) * _LONGER + TIMEOUT * FAILURES
RECOVERED = (INTERVAL + FAST * (SUCCESSES - 1)) * _LONGER + TIMEOUT * SUCCESSES + READY_DELAY
SLACK = 20.0  #: seconds that asking the others may cost; 1-2, but on a busy machine

_START_SECONDS = 300.0
_AT_ONCE = 6  # agents that start at the same time: more would only wait for each other
_PORTS = range(15000, 32000)  # below those that the kernel gives away: nobody takes one between its choice and its use
_UNREADY = "this replica is unready"
_DOWN = "probe orders-db is down"
_STATE = re.compile("probe orders-db is ([a-z]+)")
_READY = frozenset({"ok", "degraded"})


@dataclass
class Replica:
    """One agent: its process, the port of its verdicts, what it prints."""

    port: int
    file: Path
    log: Path
    process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, without a wait."""
        command = [sys.executable, "-m", "outrider", "run", "-c", str(self.file)]
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(command, stderr=stream, stdout=stream, cwd=ROOT, env=uncovered())

    def ready(self) -> bool:
        """Whether it says so now. AssertionError when it has ended."""
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz")[0] == 200
        return False

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one GET."""
        asking = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            asking.request("GET", path)
            answer = asking.getresponse()
            return answer.status, answer.read().decode()
        finally:
            asking.close()

    def sample(self, name: str) -> float:
        """One number of its metrics page, by name and labels as they stand there."""
        return float(re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)[1])

    def said(self, offset: int = 0) -> str:
        """What it printed from there on."""
        with self.log.open("rb") as stream:
            stream.seek(offset)
            return stream.read().decode(errors="replace")


@dataclass(frozen=True)
class Mark:
    """A moment to look back to."""

    at: float
    offsets: tuple[int, ...]


class Fleet:
    """The agents, their ways to the database, where they leave word, and who watches them."""

    def __init__(self, replicas: Sequence[Replica], ways: Ways, redis: Valkey | None, watch: Watch) -> None:
        self.replicas, self.ways, self.redis, self.watch = replicas, ways, redis, watch

    def mark(self) -> Mark:
        """This moment."""
        return Mark(time.monotonic(), tuple(each.log.stat().st_size for each in self.replicas))

    def left(self, mark: Mark) -> dict[int, str]:
        """Who was unready since then, for however short a time, and what is known of it.

        A balancer saw it, or it said so itself: an agent prints a line at each change of any verdict that it gave.
        """
        found = {}
        for number, replica in enumerate(self.replicas):
            said = [line for line in replica.said(mark.offsets[number]).splitlines() if _UNREADY in line]
            seen = [change for change in self.watch.since(number, mark.at) if change.word not in _READY]
            if said or seen:
                found[number] = f"said {said}, seen {seen}"
        return found

    def noticed(self, mark: Mark) -> int:
        """How many have found the database down since then."""
        return sum(_DOWN in each.said(offset) for each, offset in zip(self.replicas, mark.offsets, strict=True))

    def settle(self, seconds: float = PATIENCE) -> None:
        """Wait until all find the database up and are ready; they may be degraded, as one that was flapping is."""
        self.until(lambda: self.up() == len(self.replicas), "all are up and ready", seconds)

    def up(self) -> int:
        """How many find the database up, and are ready."""
        states = [_STATE.findall(each.said())[-1:] for each in self.replicas]
        return sum(state == ["up"] and word in _READY for state, word in zip(states, self.watch.words(), strict=True))

    def until(self, condition: Callable[[], bool], what: str, seconds: float) -> float:
        """Wait for it; returns the seconds it took."""
        began = time.monotonic()
        while not condition():
            waited = time.monotonic() - began
            assert waited < seconds, f"not within {seconds:g} s: {what}; they say {self.watch.words()}"
            time.sleep(0.02)
        return time.monotonic() - began

    def meet(self, seconds: float = PATIENCE) -> None:
        """Wait until each knows enough of the others."""
        enough = min(len(self.replicas) - 1, ASKED)
        fresh = "outrider_peers_fresh"
        self.until(lambda: all(each.sample(fresh) >= enough for each in self.replicas), "all have met", seconds)

    def signal(self, number: int, what: signal.Signals) -> None:
        """Send one agent a signal."""
        self.replicas[number].process.send_signal(what)


def play(*events: tuple[float, Callable[[], object]]) -> None:
    """Let each happen so many seconds from now."""
    began = time.monotonic()
    for after, happen in sorted(events, key=lambda event: event[0]):
        time.sleep(max(0.0, began + after - time.monotonic()))
        happen()


@contextlib.contextmanager
def fleet(size: int, *, by: str = "redis", seed: int = 0) -> Iterator[Fleet]:
    """So many agents, all ready, on a database of their own; they know each other by `redis` or `urls`."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outrider-fleet-")))
        database = stack.enter_context(Postgres(max_connections=3 * size + 10))
        redis = stack.enter_context(Valkey()) if by == "redis" else None
        chosen = free_ports(2 * size)
        ports, ways = chosen[:size], stack.enter_context(Ways(database.port, chosen[size:], seed))
        peers = f"redis: '{redis.url}'" if redis else f"urls: {[f'http://{HOST}:{port}' for port in ports]}"
        replicas = []
        for number, port in enumerate(ports):
            replica = Replica(port, folder / f"{number}.yaml", folder / f"{number}.log")
            replica.file.write_text(_file(port, folder / f"{number}.sock", ways.ports[number], peers))
            replicas.append(replica)
        stack.callback(end, replicas)
        start(replicas)
        watch = stack.enter_context(Watch(ports))
        started = Fleet(replicas, ways, redis, watch)
        started.settle()
        started.meet()
        yield started


def _file(port: int, admin: Path, way: int, peers: str) -> str:
    return f"""
service: fleet
listen: {{public: "{HOST}:{port}", admin: "unix:{admin}"}}
log: {{format: text}}
readiness:
  drain: 0s
  ready_delay: {READY_DELAY}s
  peers: {{{peers}, refresh: {REFRESH}s, rate: 1000/s}}
probes:
  orders-db:
    type: postgres
    dsn: postgresql://postgres@{HOST}:{way}/postgres?sslmode=disable
    shared: true
    when_down: unready
    interval: {INTERVAL}s
    fast_interval: {FAST}s
    slow_interval: {3 * INTERVAL}s
    timeout: {TIMEOUT}s
    failure_threshold: {FAILURES}
    success_threshold: {SUCCESSES}
    fresh_every: 6s
"""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens on."""
    chosen: list[int] = []
    for port in random.Random().sample(_PORTS, len(_PORTS)):
        if not port_taken(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise AssertionError("this machine has no free ports left")


def start(replicas: Sequence[Replica], seconds: float = _START_SECONDS) -> None:
    """Start all, a few at a time; each is ready when this returns."""
    waiting, starting = deque(replicas), []
    deadline = time.monotonic() + seconds
    while waiting or starting:
        while waiting and len(starting) < _AT_ONCE:
            starting.append(waiting.popleft())
            starting[-1].start()
        starting = [each for each in starting if not each.ready()]
        assert time.monotonic() < deadline, f"{len(waiting) + len(starting)} agents are not ready in time"
        time.sleep(0.02)


def end(replicas: Sequence[Replica]) -> None:
    """End all at once; nothing is lost with them."""
    started = [each.process for each in replicas if each.process is not None]
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    for process in started:
        process.wait()
