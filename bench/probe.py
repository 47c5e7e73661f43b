"""CPU of one HTTP probe over a new connection, sixteen at once, beside blackbox_exporter.

python -m bench.probe FILE      the agent, its probes back to back
"""

import asyncio
import os
import shutil
import socket
import statistics
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import aiohttp
import uvloop

from agent.app import App
from agent.cli.open import read_plan
from agent.demo.process import HOST, Server, ServerError, free_port
from agent.reload import Source
from agent.scheduler.timetable import Pace
from bench.installed import Process, sample
from bench.rows import Row

AT_ONCE, ROUNDS = 16, 3
SECONDS = 3.0  # of a round
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


class Target(asyncio.Protocol):
    """A front door that is always well."""

    def connection_made(self, transport):
        """Called by the loop."""
        self.transport = transport

    def data_received(self, data):
        """Any bytes are a request."""
        self.transport.write(ANSWER)
        self.transport.close()


class Subject(Server):
    """What is measured: started ready, and gone at the end."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    @property
    def url(self):
        """Its base URL."""
        return f"http://{HOST}:{self.port}"

    def _ready(self):
        try:
            socket.create_connection((HOST, self.port), 0.5).close()
        except OSError:
            return False
        return True


class Unpaced(Subject):
    """The whole agent, with its state machine and metrics; only the shortest interval that a file may ask is lifted."""

    name = "outrider"

    def _prepare(self):
        listen = f"listen: {{public: '{HOST}:{self.port}', admin: '{HOST}:{free_port()}'}}"
        probes = "".join(f"  p{number}: {{type: http, url: '{self.target}'}}\n" for number in range(AT_ONCE))
        (self.folder / "outrider.yaml").write_text(f"service: bench\n{listen}\nprobes:\n{probes}")

    def _command(self):
        self._prepare()
        return [sys.executable, "-m", "bench.probe", str(self.folder / "outrider.yaml")]

    def _environment(self):
        return os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}

    async def looked(self, seconds):
        """How many probes passed in so many seconds; they never rest."""
        before = self._passed()
        await asyncio.sleep(seconds)
        return self._passed() - before

    def _passed(self):
        with urllib.request.urlopen(f"{self.url}/metrics") as page:
            return sample(page.read().decode(), "outrider_probe_attempts_total", outcome="pass")


class Blackbox(Subject):
    """blackbox_exporter, with the module that most people use."""

    name = "blackbox"

    def _prepare(self):
        module = "modules: {http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}}\n"
        (self.folder / "blackbox.yml").write_text(module)

    def _command(self):
        program = shutil.which("prometheus-blackbox-exporter")
        if program is None:
            raise ServerError("prometheus-blackbox-exporter is not installed (make ci-tools)")
        listen = f"--web.listen-address={HOST}:{self.port}"
        return [program, f"--config.file={self.folder / 'blackbox.yml'}", listen, "--log.level=error"]

    async def looked(self, seconds):
        """How many probes passed in so many seconds, each asked for by a request of its own."""
        loop, passed = asyncio.get_running_loop(), 0
        until = loop.time() + seconds
        async with aiohttp.ClientSession() as session:

            async def one():
                nonlocal passed
                while loop.time() < until:
                    async with session.get(f"{self.url}/probe", params={"target": self.target}) as page:
                        passed += "\nprobe_success 1\n" in await page.text()

            await asyncio.gather(*(one() for _ in range(AT_ONCE)))
        return passed


async def cost(subject):
    """Microseconds of CPU per probe in one round."""
    process = Process(subject.pid)
    before = process.cpu
    passed = await subject.looked(SECONDS)
    return (process.cpu - before) / passed * 1e6


async def compare():
    """Microseconds per probe in each round, by name, and why there is no peer. Rounds alternate."""
    server = await asyncio.get_running_loop().create_server(Target, HOST, 0)
    target = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/"
    with Unpaced(target) as unpaced:
        try:
            blackbox = Blackbox(target).start()
        except ServerError as error:
            return await rounds([unpaced]), str(error)
        with blackbox:
            return await rounds([unpaced, blackbox]), ""


async def rounds(subjects):
    """What each round said, by name."""
    for subject in subjects:
        await subject.looked(1.0)  # warm
    found = {subject.name: [] for subject in subjects}
    for _ in range(ROUNDS):
        for subject in subjects:
            found[subject.name].append(await cost(subject))
    return found


def rows():
    """CPU time of the process by the kernel, over the probes that passed meanwhile; the target is in this process.

    Outrider's includes its scheduler, state, counters and one scrape a round; blackbox_exporter's includes the request
    for the probe and the page with its answer, which is how it is used.
    """
    found, missing = uvloop.run(compare())
    ours = statistics.median(found[Unpaced.name])
    peer = missing or f"blackbox_exporter {statistics.median(found[Blackbox.name]):.0f} us"
    what = f"HTTP probe, new connection, {AT_ONCE} at once, with state and metrics"
    yield Row(what, f"{ours:.0f} us CPU", peer, "300 us", "230 us", ours < 300)


def unpaced(file):
    """The agent of this file, each probe started again as soon as it ended."""
    plan = read_plan(file).plan
    pace = Pace(0.0, 0.0, 0.0)
    plan = replace(plan, probes={name: replace(probe, pace=pace) for name, probe in plan.probes.items()})
    uvloop.run(App(plan, Source(lambda: plan, (), lambda: (), dict)).run())


if __name__ == "__main__":
    unpaced(sys.argv[1])
