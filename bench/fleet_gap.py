"""kill -9 of an agent under load, started again at once as a kubelet would: for how long it is not there."""

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from agent.demo.children import Outrider
from bench.fleet_stage import HOST, Service, again, port
from bench.load import upstream
from bench.rows import Row
from bench.spans import request_body

KILLS, INTERVALS = 10, (1.0, 5.0)
RATE = 100  # questions a second on /livez and on /readyz each
SPANS, POSTS = 10, 50  # spans in a request, requests a second
SETTLED = 1.0  # seconds of answers between two kills
PATIENCE = 30.0  # seconds until it is back
ANSWER = 1.0  # seconds; a kubelet's own patience
FILE = """\
service: shop
listen: {{public: '{host}:{public}', admin: 'unix:{folder}/admin.sock'}}
log: {{format: text}}
probes: {{app: {{type: http, url: 'http://{host}:{app}/healthz', interval: {interval:g}s}}}}
readiness: {{drain: 0s}}
traces:
  receive: {{http: '{host}:{otlp}'}}
  forward: {{gateway: {{endpoint: 'http://{host}:{upstream}'}}}}
"""


@dataclass
class Watch:
    """Asks one thing steadily, over a new connection each time, and remembers when it was answered 200."""

    port: int
    question: bytes
    rate: float
    good: list = field(default_factory=list)  # when each question that was answered well had been sent

    async def run(self):
        """For ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._one())
                await asyncio.sleep(1 / self.rate)

    async def _one(self):
        sent = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    writer.write(self.question)
                    status = (await reader.readline())[9:12]
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return
        if status == b"200":
            self.good.append(sent)

    def since(self, moment):
        """Seconds from a moment to the first question after it that was answered well; None while there is none."""
        later = [at for at in self.good if at > moment]
        return min(later) - moment if later else None


def _question(verb, path, body=b""):
    kind = "Content-Type: application/x-protobuf\r\n" if body else ""
    head = f"{verb} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def kills(sidecar, otlp, number, hands):
    """So many kills; what was asked -> the gaps in seconds, counted from the kill."""
    loop = asyncio.get_running_loop()
    watches = {
        "/livez": Watch(sidecar.port, _question("GET", "/livez"), RATE),
        "/readyz": Watch(sidecar.port, _question("GET", "/readyz"), RATE),
        "OTLP": Watch(otlp, _question("POST", "/v1/traces", request_body(SPANS)), POSTS),
    }
    asking = [asyncio.create_task(watch.run()) for watch in watches.values()]
    gaps = {name: [] for name in watches}
    for _ in range(number):
        await asyncio.sleep(SETTLED)
        await loop.run_in_executor(hands, sidecar.kill)
        moment = time.perf_counter()
        await loop.run_in_executor(hands, lambda: sidecar.start(wait=False))
        deadline = moment + PATIENCE
        while None in (found := [watch.since(moment) for watch in watches.values()]):
            if time.perf_counter() > deadline:
                raise RuntimeError(f"not back after {PATIENCE:.0f} s:\n{sidecar.log[-2000:]}")
            await asyncio.sleep(0.02)
        for name, gap in zip(watches, found, strict=True):
            gaps[name].append(gap)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return gaps


def measure(interval, number):
    """The gaps of an agent whose one probe has this interval, in seconds."""
    with ThreadPoolExecutor(1) as hands, TemporaryDirectory(prefix="outrider-bench-") as folder, upstream() as gateway:
        service, public, otlp = Service(port(), "postgresql://127.0.0.1:9/none"), port(), port()
        file = Path(folder) / "outrider.yaml"
        file.write_text(
            FILE.format(
                host=HOST,
                public=public,
                folder=folder,
                app=service.port,
                interval=interval,
                otlp=otlp,
                upstream=gateway,
            )
        )
        sidecar = Outrider(public, folder=Path(folder), file=file, peers_token="")
        try:
            hands.submit(service.start).result()
            hands.submit(again, sidecar).result()
            return uvloop.run(kills(sidecar, otlp, number, hands))
        finally:
            hands.submit(sidecar.close).result()
            hands.submit(service.close).result()


def rows(*, number=KILLS, intervals=INTERVALS):
    """From the kill to the first good answer of each, asked 100 times a second (OTLP 50, 500 spans a second in all).

    `/readyz` has to wait for the first attempt, which comes after a random part of the interval.
    """
    for interval in intervals:
        gaps = measure(interval, number)
        shown = "; ".join(f"{name} {_spread(found)}" for name, found in gaps.items())
        what = f"kill -9 of an agent, {number} times, app probe every {interval:g} s: gap, minimum / median / maximum"
        yield Row(what, shown)


def _spread(found):
    return f"{min(found):.2f} / {statistics.median(found):.2f} / {max(found):.2f} s"
