"""Where the CPU of the telemetry path goes: a sampler inside of a whole agent at full speed.

python -m bench.cpu FILE OUT    the agent of this file; sampled from the first SIGPROF on, written as JSON at its end
"""

import asyncio
import json
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from agent.demo.process import HOST, free_port
from bench.otelcol import Listening
from bench.otlp import settled
from bench.spans import SPANS, Upstream, pinned, send, service_bodies
from bench.subjects import measured

ROOT = Path(__file__).parent.parent
EVERY = 0.001  # CPU seconds between two samples; the kernel may round it up
PROBE = "probes: {memory: {type: memory}}"
TOP = 15
#: By name: durability, requests, and how many a second.
PLAYS = {
    "memory, full speed": ("memory", 20_000, math.inf),
    "process, full speed": ("process", 20_000, math.inf),
    "process, 10,000 spans a second": ("process", 3_000, 100),
}
#: What stands in a file's path, and the room that is: the first that fits, from the innermost frame outwards.
ROOMS = (
    ("/agent/receiver/validate.py", "receiver: validate"),
    ("/agent/receiver/tally.py", "receiver: validate"),
    ("/agent/receiver/pieces.py", "receiver: validate"),
    ("/agent/receiver/", "receiver"),
    ("/agent/red/", "request metrics"),
    ("/agent/relay/journal", "store"),
    ("/agent/state/", "store"),
    ("/agent/relay/", "relay"),
    ("/exporters/otlp/", "sender"),
    ("/config/net/", "sender"),
    ("/aiohttp/client", "sender"),
    ("/aiohttp/connector", "sender"),
    ("/aiohttp/web", "HTTP in: parse, answer"),
    ("/aiohttp/http_parser", "HTTP in: parse, answer"),
    ("/agent/connections.py", "HTTP in: parse, answer"),
    ("/agent/cli/", ""),  # the call that runs the loop
    ("/agent/", "the rest of the agent"),
)


@dataclass
class Sampler:
    """CPU seconds by room, and by room and place, in the thread that used them; SIGPROF begins it.

    A C function is charged to the line that called it; what the event loop does by itself, to what runs after it.
    """

    rooms: Counter = field(default_factory=Counter)
    places: Counter = field(default_factory=Counter)
    _spent: dict = field(default_factory=dict)

    def tick(self, _, frame):
        """One signal, in the main thread: whatever each thread used since the last is charged to where it is now."""
        if not self._spent:
            signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
        for thread, top in (sys._current_frames() | {threading.main_thread().ident: frame}).items():  # noqa: SLF001
            now = time.clock_gettime(time.pthread_getcpuclockid(thread))
            spent = now - self._spent.setdefault(thread, now)
            room, place = where(top)
            if spent and room:
                self._spent[thread] = now
                self.rooms[room] += spent
                self.places[f"{place} ({room})"] += spent

    def __str__(self):
        return json.dumps({"rooms": self.rooms, "places": self.places})


def where(frame):
    """The room that a frame works for, "" for none, and the innermost place in a file of that room."""
    while frame is not None:
        name = frame.f_code.co_filename
        for part, room in ROOMS:
            if part in name:
                return room, f"{'/'.join(Path(name).parts[-3:])}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "", ""


class Sampled(Listening):
    """An agent with the sampler in it."""

    name = "sampled"

    def __init__(self, upstream, durability):
        super().__init__(upstream)
        self.durability = durability

    @property
    def out(self):
        """What was sampled, when it has ended."""
        return self.folder / "samples.json"

    def _prepare(self):
        listen = f"listen: {{public: '{HOST}:{free_port()}', admin: '{HOST}:{free_port()}'}}"
        forward = f"forward: {{gateway: {{endpoint: 'http://{HOST}:{self.upstream}'}}}}"
        traces = f"traces: {{receive: {{http: '{HOST}:{self.port}'}}, {forward}, durability: {self.durability}}}"
        lines = ("service: bench", listen, f"state_dir: {self.folder}/state", "readiness: {drain: 0s}", PROBE, traces)
        (self.folder / "outrider.yaml").write_text("\n".join(lines))

    def _command(self):
        self._prepare()  # the port is known only now
        return [sys.executable, "-m", "bench.cpu", str(self.folder / "outrider.yaml"), str(self.out)]

    def _environment(self):
        return os.environ | {"PYTHONPATH": str(ROOT)}


async def sampled(durability, requests, rate=math.inf):
    """CPU seconds by room, and by place, of an agent that forwards so many requests, at most `rate` a second."""
    bodies, upstream = service_bodies(), Upstream()
    async with upstream.listening() as port:
        with pinned(-1), Sampled(port, durability) as subject:
            with measured():
                await send(subject.port, bodies, max(100, requests // 10), rate * 10)
                os.kill(subject.pid, signal.SIGPROF)
                await send(subject.port, bodies, requests, rate)
                await settled(upstream, requests * sum(map(len, bodies)) / len(bodies))
            await asyncio.to_thread(subject.stop)
            found = json.loads(subject.out.read_text())
    return found["rooms"], found["places"]


def tables(*, quick=False):
    """In Markdown: what a span costs in each room, by what is played; and the dearest places of each play."""
    found, scale = {}, 20 if quick else 1
    for what, (durability, requests, rate) in PLAYS.items():
        rooms, places = uvloop.run(sampled(durability, requests // scale, rate))
        spans = requests // scale * SPANS
        found[what] = {room: spent / spans * 1e6 for room, spent in rooms.items()}, places
    yield f"| room: us a span | {' | '.join(found)} |"
    yield "|---|" + "---|" * len(found)
    for room in sorted({room for rooms, _ in found.values() for room in rooms}):
        cells = (
            f"{rooms.get(room, 0):.2f} ({rooms.get(room, 0) / sum(rooms.values()):.0%})" for rooms, _ in found.values()
        )
        yield f"| {room} | {' | '.join(cells)} |"
    yield f"| all | {' | '.join(f'{sum(rooms.values()):.2f}' for rooms, _ in found.values())} |"
    for what, (_, places) in found.items():
        yield f"\n| place: {what} | share |\n|---|---|"
        for place, spent in Counter(places).most_common(TOP):
            yield f"| {place} | {spent / sum(places.values()):.1%} |"


def _agent(file, out):
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.tick)
    from outrider.__main__ import main

    code = main(["run", "-c", file])
    signal.setitimer(signal.ITIMER_PROF, 0)
    Path(out).write_text(str(sampler))
    return code


if __name__ == "__main__":
    sys.exit(_agent(*sys.argv[1:]))
