"""An agent without an agent: a board, a clock that stands still until told, and servers over them."""

import asyncio
import contextlib
import functools
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer

from agent.alerting.silences import Here
from agent.connections import Limits
from agent.events import Observation, Outcome
from agent.health.board import Board, Member
from agent.lifecycle import Lifecycle
from agent.readiness.policy import Policy, decide
from agent.web import listeners, tables
from agent.web.desk import Desk, ReloadResult
from agent.web.routes import Routes
from config.types.address import ListenAddress
from probes.base import Measurement
from probes.reason import Reason

SECRET = "hunter2-dsn-secret"
HOST = "db.internal.example"
DETAIL = f"{HOST} said: password {SECRET} is wrong"


@dataclass
class World:
    """What the desk answers from; tests move it."""

    now: float = 1000.0
    wall: float = 1_767_225_600.0
    policy: Policy = field(default_factory=Policy)
    board: Board = field(default_factory=Board)
    alive: bool = True
    answers: dict = field(default_factory=dict)
    views_taken: int = 0

    def __post_init__(self):
        self.keeper = Here()
        self.lifecycle = Lifecycle(15.0, clock=lambda: self.now, configured=True)

    def probe(self, name, outcome=None, reason=Reason.OK, *, times=3, detail="", measurement=None, ago=1.0, **member):
        """A probe, and how its attempts ended."""
        if name not in self.board.view(self.now):
            self.board.enter(Member(name, **{"type": "postgres", "target": f"{HOST}:5432", **member}), self.now - 100)
        for number in range(times if outcome else 0):
            ended = self.now - ago - (times - number) * 0.1
            phase = "connect" if outcome is Outcome.FAIL else ""
            self.board.record(
                Observation(
                    name, "postgres", number + 1, ended - 0.012, ended, self.wall - ago, outcome, reason, phase=phase,
                    detail=detail, measurement=measurement or Measurement(),
                )
            )  # fmt: skip

    def up(self, name, **more):
        self.probe(name, Outcome.PASS, **more)

    def down(self, name, **more):
        self.probe(name, Outcome.FAIL, Reason.AUTH, **{"detail": DETAIL, **more})

    def degraded(self, name, **more):
        self.probe(name, Outcome.WARN, Reason.THRESHOLD, **{"detail": DETAIL, **more})

    def views(self):
        self.views_taken += 1
        return self.board.view(self.now)

    def verdict(self, exclude):
        return decide(self.views(), self.policy, draining=self.lifecycle.draining, exclude=exclude)

    async def reload(self):
        return self.answers.get("reload", ReloadResult())

    def desk(self):
        return Desk(
            lambda: "checkout", "9.8.7",
            lambda exclude: self.verdict(exclude),  # noqa: PLW0108 - a test may put another in its place
            self.views, self.lifecycle,
            live=lambda: self.alive,
            sources=lambda: self.answers.get("sources", ()),
            config=lambda: self.answers.get("config", {}),
            reload=self.reload,
            pipeline=lambda: self.answers.get("pipeline", {}),
            slos=lambda: self.answers.get("slos", []),
            alerts=lambda: self.answers.get("alerts", []),
            silences=self.keeper.silences, keeper=self.keeper, quiet=lambda: self.answers.get("quiet", False),
            undelivered=lambda: self.answers.get("undelivered", ()),
            now=lambda: self.now, wall=lambda: self.wall,
        )  # fmt: skip


class _Served(BaseTestServer):
    """The real server of a listener, for pytest-aiohttp's client."""

    def __init__(self, routes):
        super().__init__()
        self.routes = routes

    async def _make_runner(self, **kwargs):
        return web.ServerRunner(listeners.server("listen.public", self.routes, Limits(256, share=1, quiet=8)))


@pytest.fixture
def world():
    return World()


@pytest.fixture
async def public(aiohttp_client, world):
    """A stranger's client."""
    return await aiohttp_client(_Served(Routes(tables.public(world.desk()))))


@pytest.fixture
async def admin(aiohttp_client, world):
    """A client on the same machine, at the admin listener."""
    return await aiohttp_client(_Served(Routes(tables.admin(world.desk()), trusted=True)))


@pytest.fixture
async def listening(world):
    """The public listener itself, for raw sockets."""
    async with listeners.public(world.desk(), ListenAddress("127.0.0.1", 0)) as listener:
        yield listener


@contextlib.asynccontextmanager
async def dial(port, host="127.0.0.1", **more):
    """A connection that is gone afterwards, sent or not."""
    reader, writer = await asyncio.open_connection(host, port, **more)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(port, request=b"GET /livez HTTP/1.0\r\n\r\n", host="127.0.0.1"):
    """One request over a connection of its own: all that comes back until the server closes."""
    answer = bytearray()
    async with dial(port, host) as (reader, writer), asyncio.timeout(60):
        writer.write(request)
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                answer += chunk
    return bytes(answer)


@pytest.fixture
def raw(listening):
    """Asks the public listener in raw bytes."""
    return functools.partial(ask, listening.port)
