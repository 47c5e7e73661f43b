"""The ways of many replicas to one database: a port for each, which can be shut, hung or made to fail now and then.

One process of its own (`python -m tests.fleet.ways TARGET SEED PORT...`), so that no agent and no test slows it down.
It obeys one JSON line after the other on its standard input, and ends with that. `Ways` is who talks to it.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Self

import uvloop

from tests.running import ROOT

HOST = "127.0.0.1"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Ways:
    """The process, and what it is told. `ports[n]` is the way of replica n; leave it and it ends."""

    def __init__(self, target: int, ports: Sequence[int], seed: int = 0) -> None:
        self.ports = ports
        command = [sys.executable, "-m", "tests.fleet.ways", *map(str, (target, seed, *ports))]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=uncovered()
        )
        self._answer()

    def open(self, which: Iterable[int] | None = None) -> None:
        """Carry everything; what hung goes on."""
        self._tell("open", which)

    def refuse(self, which: Iterable[int] | None = None) -> None:
        """Nobody listens, and what stood is reset."""
        self._tell("refuse", which)

    def hang(self, which: Iterable[int] | None = None) -> None:
        """Connections are taken, and nothing moves any more, in old ones neither."""
        self._tell("hang", which)

    def fail(self, chance: float, which: Iterable[int] | None = None) -> None:
        """Reset what stands, and every new connection with this probability."""
        self._tell("fail", which, chance)

    def cut(self, which: Iterable[int] | None = None) -> None:
        """Reset what stands; what comes next is treated as before."""
        self._tell("cut", which)

    def _tell(self, mode: str, which: Iterable[int] | None, chance: float = 0.0) -> None:
        chosen = range(len(self.ports)) if which is None else which
        self._process.stdin.write(json.dumps([mode, list(chosen), chance]) + "\n")
        self._answer()  # it is so from now on

    def _answer(self) -> None:
        if not self._process.stdout.readline():
            raise AssertionError(f"the forwarder ended with {self._process.wait()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def uncovered() -> dict[str, str]:
    """Our environment for a child whose lines nobody counts: counting costs more than the rest of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


class _End(asyncio.Protocol):
    """One end of a carried connection; what it receives goes out at the other, when it may."""

    def __init__(self, way: "_Way", *, far: bool = False) -> None:
        self.way = way
        self.linked = far  # it has its other end, or is about to
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.way.ends.add(self)

    def data_received(self, data: bytes) -> None:
        self._held += data
        self.flow()

    def flow(self) -> None:
        """Pass on what is held back, unless the way hangs. What has no other end any more goes nowhere."""
        if self.other and self.way.mode != "hang":
            held, self._held = self._held, b""
            if not self.other.transport.is_closing():  # uvloop refuses such a write, asyncio would forget it
                self.other.transport.write(held)

    def connection_lost(self, exc: Exception | None) -> None:
        self.way.ends.discard(self)
        if self.other and self.other.transport:
            self.other.transport.close()

    def reset(self) -> None:
        """Away with it, and the other side shall notice at once."""
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it may have gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class _Way:
    """One port. It stays ours while nobody listens on it."""

    def __init__(self, target: int, port: int, chance: random.Random) -> None:
        self.target, self.random = target, chance
        self.mode, self.chance = "refuse", 0.0
        self.ends: set[_End] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # to listen again beside what is still open
        self.sock.bind((HOST, port))

    def turn(self, mode: str, chance: float) -> None:
        """Take another mode."""
        if mode in {"refuse", "fail", "cut"}:
            for end in tuple(self.ends):
                end.reset()
        if mode == "cut":
            return
        before, self.mode, self.chance = self.mode, mode, chance
        if (before == "refuse") != (mode == "refuse"):
            self._listen(listen=mode != "refuse")
        for end in tuple(self.ends):
            end.flow()
            if mode != "hang" and not end.linked:
                self._soon(self._link(end))

    def _listen(self, *, listen: bool) -> None:
        loop = asyncio.get_running_loop()
        if listen:
            self.sock.listen(128)
            loop.add_reader(self.sock, self._take)
        else:
            loop.remove_reader(self.sock)
            self.sock.shutdown(socket.SHUT_RDWR)  # Linux: listens no more, and stays bound

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self.sock.accept()
            if self.mode == "fail" and self.random.random() < self.chance:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                client.close()
            else:
                self._soon(self._carry(client))

    async def _carry(self, client: socket.socket) -> None:
        client.setblocking(False)
        _, end = await asyncio.get_running_loop().connect_accepted_socket(lambda: _End(self), client)
        if self.mode == "refuse":
            end.reset()
        elif self.mode != "hang":
            await self._link(end)

    async def _link(self, end: _End) -> None:
        """Connect it with the database."""
        end.linked = True
        loop = asyncio.get_running_loop()
        try:
            _, far = await loop.create_connection(lambda: _End(self, far=True), HOST, self.target)
        except OSError:
            end.reset()
            return
        if end not in self.ends or self.mode == "refuse":
            end.reset()
            far.reset()
            return
        end.other, far.other = far, end
        end.flow()

    def _soon(self, work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _serve(target: int, seed: int, *ports: int) -> None:
    chance = random.Random(seed)
    ways = [_Way(target, port, chance) for port in ports]
    for way in ways:
        way.turn("open", 0.0)
    print("ready", flush=True)  # noqa: T201 - its answer
    loop, told = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    while line := await told.readline():
        mode, which, share = json.loads(line)
        for number in which:
            ways[number].turn(mode, share)
        print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    uvloop.run(_serve(*map(int, sys.argv[1:])))
