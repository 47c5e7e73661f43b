"""Replicas with a real agent each, and real balancers in front, configured as docs/balancers.md says."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agent.demo.process import HOST, Server
from tests.docs.pages import DOCS, blocks
from tests.ports import free_port
from tests.running import PATIENCE, Agent, agent

#: A replica's own front door decides, quickly; what everyone knows of it is a probe that only degrades.
FILE = """
probes:
  app: {{type: http, url: "http://{host}:{port}/healthz", interval: 1500ms, timeout: 1400ms, fast_interval: 100ms,
        failure_threshold: 2}}
  cache: {{type: http, url: "http://{host}:{port}/cachez", interval: 1500ms, timeout: 1400ms, fast_interval: 100ms,
          failure_threshold: 2, when_down: degraded}}
groups:
  front: {{members: [app]}}
"""


def needs(program):
    """A mark: skipped without the program, and never in CI."""
    there = shutil.which(program, path=f"{Path(sys.executable).parent}:/usr/sbin:{os.environ['PATH']}")
    return pytest.mark.skipif(
        not os.environ.get("CI") and there is None, reason=f"{program} is not installed (make ci-tools)"
    )


def page(language, number=0):
    """One piece of the page: the `number`th of its language."""
    found = [block.text for block in blocks(DOCS / "balancers.md") if block.language == language]
    return found[number]


def yaml_page(start):
    """The YAML of the page that starts so."""
    (found,) = (block.text for block in blocks(DOCS / "balancers.md") if block.text.lstrip().startswith(start))
    return found


async def until(condition, what="it", seconds=PATIENCE):
    """Wait until `condition()`, which may await, is true; returns what it found and the seconds it took."""
    clock = asyncio.get_running_loop().time
    started = clock()
    while clock() - started < seconds:
        with contextlib.suppress(OSError, aiohttp.ClientError):
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found, clock() - started
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what() if callable(what) else what} never came within {seconds} s")


@dataclass
class Replica:
    """A service of three lines, and the Outrider beside it. Tests break what it answers."""

    check_port: int
    grpc_port: int
    port: int = 0
    agent: Agent | None = None
    app: int = 200  # the status of the service and of its own check
    health: int | None = None  # of the check alone
    cache: int = 200
    served: int = 0
    answered: list = field(default_factory=list)  # every status, newest last

    async def answer(self, request):
        """The service and its checks."""
        if request.path == "/cachez":
            return web.Response(status=self.cache)
        if request.path == "/healthz":
            return web.Response(status=self.health or self.app)
        self.served += 1
        self.answered.append(self.app)
        return web.Response(status=self.app, text=str(self.port))

    def placed(self, line):
        """A line of the page with this replica's address and ports."""
        ports = {8000: self.port, 9740: self.agent.public, 9742: self.check_port, 9743: self.grpc_port}
        line = re.sub(r"10\.0\.0\.1\d", HOST, line)
        return re.sub(r"\b(8000|974[023])\b", lambda match: str(ports[int(match[0])]), line)


@contextlib.asynccontextmanager
async def replicas(number=3):
    """So many, each judged and ready."""
    async with contextlib.AsyncExitStack() as stack:
        made = [await stack.enter_async_context(_replica()) for _ in range(number)]
        for each in made:
            log = each.agent.log
            await until(
                lambda each=each: get(each.agent.public, "/readyz"), lambda log=log: f"ready: {log.read_text()}"
            )
        yield made


@contextlib.asynccontextmanager
async def _replica():
    replica = Replica(check_port=free_port(), grpc_port=free_port())
    runner = web.ServerRunner(web.Server(replica.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        replica.port = runner.addresses[0][1]
        listen = f"agent_check: '{HOST}:{replica.check_port}', grpc_health: '{HOST}:{replica.grpc_port}'"
        file = FILE.format(host=HOST, port=replica.port)
        with contextlib.ExitStack() as stack:
            running = agent(file, listen=listen, readiness="ready_delay: 0s", drain="60s")
            replica.agent = stack.enter_context(running)
            try:
                yield replica
            finally:
                await asyncio.to_thread(stack.close)  # its last probe is answered meanwhile
    finally:
        await runner.cleanup()


async def get(port, path="/", **headers):
    """The body of one GET; "" for any status but 200."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{port}{path}", headers=headers) as said:
        text = await said.text()
        return text if said.status == 200 else ""


class Balancer(Server):
    """A balancer with a configuration from the page, in front of replicas."""

    program = ""

    def __init__(self, text, replicas, at="80"):
        """`at`: how the page writes where the balancer itself listens."""
        super().__init__()
        self.text, self.replicas, self.at = text, replicas, at

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def _prepare(self):
        """Nothing: the port is not known yet."""

    def configuration(self):
        """The text with the addresses of this machine."""
        lines = []
        for line in self.text.splitlines():
            if found := re.search(r"10\.0\.0\.1(\d)", line):
                if int(found[1]) > len(self.replicas):
                    continue
                line = self.replicas[int(found[1]) - 1].placed(line)  # noqa: PLW2901 - the same line, placed
            lines.append(line)
        return "\n".join(lines).replace(self.at, self.at.replace("0.0.0.0", HOST).replace("80", str(self.port))) + "\n"

    def write(self, name, text):
        """Its file."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _find(self):
        return shutil.which(self.program, path=f"{Path(sys.executable).parent}:/usr/sbin:{os.environ['PATH']}")

    def _ready(self):
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 0.5):
            return True
        return False


class Haproxy(Balancer):
    """With a socket for its statistics."""

    name = program = "haproxy"

    def _command(self):
        text = f"global\n    stats socket {self.folder}/stats mode 600 level admin\n{self.configuration()}"
        return [self._find(), "-db", "-f", self.write("haproxy.cfg", text)]

    async def stats(self):
        """Server -> its row."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / "stats"))
        writer.write(b"show stat\n")
        lines = (await reader.read()).decode().splitlines()
        writer.close()
        await writer.wait_closed()
        head = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(head, line.split(","), strict=False)) for line in lines[1:] if line]
        return {row["svname"]: row for row in rows}

    async def status(self, server="app1"):
        """UP, DOWN (agent) ..., and the weight."""
        row = (await self.stats())[server]
        return row["status"], int(row["weight"])


class Envoy(Balancer):
    """With its admin port."""

    name = program = "envoy"

    def _command(self):
        self.admin = free_port()
        text = f"admin: {{address: {{socket_address: {{address: {HOST}, port_value: {self.admin}}}}}}}\n"
        path = self.write("envoy.yaml", text + self.configuration())
        return [self._find(), "-c", path, "--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]

    async def flags(self, replica):
        """What Envoy holds against this replica: healthy, /failed_active_hc, /degraded_active_hc."""
        said = await get(self.admin, "/clusters")
        return re.search(rf":{replica.port}::health_flags::(\S+)", said)[1]


class Nginx(Balancer):
    """In the foreground, as one process."""

    name = program = "nginx"

    def _command(self):
        ways = "".join(
            f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = self.configuration().replace("http {", f"http {{ access_log off; {ways}", 1)
        path = self.write("nginx.conf", f"daemon off; master_process off; pid {self.folder}/pid;\n{text}")
        return [self._find(), "-c", path, "-e", "stderr"]


class Load:
    """Clients that ask without a pause: what they were told."""

    def __init__(self, url):
        self.url, self.told, self.enough = url, [], False

    async def _ask(self):
        async with aiohttp.ClientSession() as session:
            while not self.enough:
                try:
                    async with session.get(self.url, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as answer:
                        await answer.read()
                        self.told.append(answer.status)
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.told.append(type(error).__name__)
                await asyncio.sleep(0.005)

    async def more(self, number):
        """Wait until so many more were answered."""
        wanted = len(self.told) + number
        await until(lambda: len(self.told) >= wanted, f"{number} answers")

    @property
    def errors(self):
        """Whatever was not 200."""
        return [each for each in self.told if each != 200]


@contextlib.asynccontextmanager
async def load(url, clients=4):
    """So many clients, until the end."""
    made = Load(url)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(made._ask())
        try:
            yield made
        finally:
            made.enough = True  # no request is cut off


async def parts(url, replicas, number=60):
    """Which part of so many requests each replica gets."""
    before = [each.served for each in replicas]
    async with aiohttp.ClientSession() as session:
        for _ in range(number):
            async with session.get(url) as answer:
                assert answer.status == 200
    return [(each.served - was) / number for each, was in zip(replicas, before, strict=True)]
