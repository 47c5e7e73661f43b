"""Three fleets side by side over one database: the same service, the same fault, another answer to "may it serve?"."""

import asyncio
import os
import random
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.demo.children import Outrider, Way
from agent.demo.process import HOST, Server, ServerError, port_taken
from agent.demo.servers import Postgres
from agent.demo.together import close_all, start_all
from bench.haproxy import Check, Haproxy

ROOT = Path(__file__).parent.parent
REPLICAS = 4
PATIENCE = 60.0  # seconds until a fleet is whole again after a fault
TOKEN = "bench-fleet"

#: Who decides. The thresholds of the two that are counted by HAProxy are alike: three failures in a row, a second
#: apart, and two passes. Where Outrider counts, HAProxy takes its word at once.
CHECKS = {
    "shallow": Check("/alive", "inter 1s fall 3 rise 2"),
    "deep": Check("/deep", "inter 1s fall 3 rise 2"),
    "outrider": Check("/readyz", "inter 500ms fall 1 rise 1"),
}
#: Beside each replica of the third fleet. Three failures and two passes as well, which are the defaults.
FILE = """\
service: shop
listen: {{public: '{host}:{public}', admin: 'unix:{folder}/admin.sock'}}
log: {{format: text}}
defaults: {{interval: 2s, fast_interval: 500ms, timeout: 1s}}
probes:
  app: {{type: http, url: 'http://{host}:{app}/healthz'}}
  orders-db: {{type: postgres, dsn: '{dsn}', shared: true}}
readiness:
  peers: {{urls: [{peers}], refresh: 500ms, token: '${{PEERS_TOKEN}}'}}
  drain: 0s
"""

_LOWEST, _HIGHEST = 15000, 32000  # below the range of outgoing connections, so that a port that rests stays free
_given: set[int] = set()


def port():
    """A free port that is given to nobody else here, also while nothing listens on it."""
    while True:
        number = random.randrange(_LOWEST, _HIGHEST)
        if number not in _given and not port_taken(number):
            _given.add(number)
            return number


class Service(Server):
    """One replica of the service."""

    name = "service"

    def __init__(self, number, dsn):
        super().__init__(number)
        self.dsn = dsn

    @property
    def url(self):
        """Its base URL."""
        return f"http://{HOST}:{self.port}"

    def say(self, what):
        """`break` or `mend`."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/{what}", method="POST"), timeout=5):
            pass

    def _prepare(self):
        """Nothing: it keeps no files."""

    def _command(self):
        return [sys.executable, "-m", "bench.fleet_service", str(self.port), self.dsn]

    def _environment(self):
        return os.environ | {"PYTHONPATH": str(ROOT)}

    def _ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/alive", timeout=1):
                return True
        except OSError:
            return False


@dataclass
class Fleet:
    """One of the three. The first replica has a way to the database of its own, which can be cut."""

    name: str
    way: Way
    services: list
    sidecars: list
    balancer: Haproxy


@dataclass
class Stage:
    """A database and the fleets over it. Every server is started and ended by one thread (see `Server`)."""

    database: Postgres
    replicas: int = REPLICAS  # of each fleet
    fleets: list = field(default_factory=list)
    hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    async def run(self, work, *arguments):
        """Do something that blocks, in that thread."""
        return await asyncio.get_running_loop().run_in_executor(self.hands, work, *arguments)

    async def whole(self):
        """Return when every replica of every fleet gets requests."""
        deadline = time.monotonic() + PATIENCE
        while missing := [fleet.name for fleet in self.fleets if await self.run(fleet.balancer.up) < self.replicas]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not whole after {PATIENCE:.0f} s: {', '.join(missing)}")
            await asyncio.sleep(0.1)

    def start(self, folder):
        """Everything, in the order of need."""
        self.database.start()
        self.fleets = [_fleet(name, self.database, self.replicas, folder) for name in CHECKS]
        start_all([fleet.way for fleet in self.fleets])
        start_all([service for fleet in self.fleets for service in fleet.services])
        start_all([sidecar for fleet in self.fleets for sidecar in fleet.sidecars])
        start_all([fleet.balancer for fleet in self.fleets])

    def close(self):
        """Everything, in the other order."""
        waves = ([f.balancer for f in self.fleets], [each for f in self.fleets for each in f.sidecars])
        for wave in (*waves, [each for f in self.fleets for each in f.services], [f.way for f in self.fleets]):
            close_all(wave)
        self.database.close()


def again(server):
    """Start a server on the port it had."""
    for _ in range(20):
        try:
            return server.start()
        except ServerError:
            time.sleep(0.1)
    return server.start()


def _fleet(name, database, replicas, folder):
    way = Way(port(), to=database)
    services = [Service(port(), way.url if number == 0 else database.url) for number in range(replicas)]
    asked, sidecars = [each.port for each in services], []
    if name == "outrider":
        asked = [port() for _ in services]
        peers = ", ".join(f"'http://{HOST}:{number}'" for number in asked)
        for number, service in zip(asked, services, strict=True):
            home = folder / str(number)
            home.mkdir()
            text = FILE.format(host=HOST, public=number, folder=home, app=service.port, dsn=service.dsn, peers=peers)
            (home / "outrider.yaml").write_text(text)
            sidecars.append(Outrider(number, folder=home, file=home / "outrider.yaml", peers_token=TOKEN))
    targets = list(zip((each.port for each in services), asked, strict=True))
    return Fleet(name, way, services, sidecars, Haproxy(port(), CHECKS[name], targets))


@asynccontextmanager
async def stage(replicas=REPLICAS):
    """The three fleets, whole; all gone at the end."""
    made = Stage(Postgres(port(), max_connections=100), replicas)
    with TemporaryDirectory(prefix="outrider-bench-") as folder:
        try:
            await made.run(made.start, Path(folder))
            await made.whole()
            yield made
        finally:
            await made.run(made.close)
            made.hands.shutdown()
