"""grpc.health.v1: Check, Watch and List over the verdicts, for balancers and clients that speak gRPC.

Imported only where `listen.grpc_health` is written: gRPC costs memory and start-up time.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from config.net.grpc_core import grpc  # before whoever imports gRPC itself

# isort: split
from grpc_health.v1 import health_pb2, health_pb2_grpc

from agent.connections import Limits
from agent.grpc_port import open_port
from agent.sparing import SparingLog
from agent.web.balancers.services import everything, serving
from agent.web.desk import Desk
from config.types import ListenAddress

SETTING = "listen.grpc_health"  #: the key of the file that has the address
LOOK_EVERY = 0.25  #: seconds between two looks for all watchers together
WATCHERS = 64
CLOSING_SECONDS = 1.0  #: for calls on their way when the listener closes

_CONNECTIONS, _STREAMS = 128, 16  # streams of one connection
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # or two agents would share a port, and neither would know
    ("grpc.max_concurrent_streams", _STREAMS),
    ("grpc.max_receive_message_length", 4096),  # bytes: a request is one name
    ("grpc.max_metadata_size", 8192),  # bytes
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 30_000),  # without a call
    ("grpc.keepalive_time_ms", 30_000),  # a client that vanished under its Watch is gone 40 s later
    ("grpc.keepalive_timeout_ms", 10_000),
)

_Answer = TypeVar("_Answer")
_Status = health_pb2.HealthCheckResponse
_WORDS = {True: _Status.SERVING, False: _Status.NOT_SERVING, None: _Status.SERVICE_UNKNOWN}


@contextlib.asynccontextmanager
async def grpc_health(desk: Desk, address: ListenAddress) -> AsyncIterator[ListenAddress]:
    """Answer at `address`; yields where it really listens: its port is never 0. Raises CannotListen."""
    health = _Health(desk)
    most = Limits(_CONNECTIONS, share=1 / 16, quiet=0).connections
    server = grpc.aio.server(options=(*_OPTIONS, ("grpc.max_allowed_incoming_connections", most)))
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    bound = open_port(server, SETTING, address)
    looking = asyncio.create_task(health.look(), name=SETTING)
    try:
        await server.start()
        yield bound
    finally:
        looking.cancel()
        health.close()
        await server.stop(CLOSING_SECONDS)
        await asyncio.wait({looking})


class _Health:
    """The three calls. One task looks for all watchers, and each tells its client what changed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: dict[str, bool] = {}
        self._looked = asyncio.Event()  # set, and replaced, after every look
        self._watchers = 0
        self._closed = False
        self._log = SparingLog(logging.getLogger(__name__))

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """How one service stands now."""
        found = await self._ask(lambda: serving(self._desk, request.service), context)
        if found is None:
            text = "no probe or group has this name; List tells those there are"
            await context.abort(grpc.StatusCode.NOT_FOUND, text)
        return _Status(status=_WORDS[found])

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802
        """How all stand now."""
        found = await self._ask(lambda: everything(self._desk), context)
        statuses = {name: _Status(status=_WORDS[up]) for name, up in found.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """How one service stands, now and after every change, until either side ends it."""
        if self._watchers >= WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHERS} calls watch already")
        self._watchers += 1
        try:
            told, found = None, await self._ask(lambda: serving(self._desk, request.service), context)
            while not self._closed:
                if _WORDS[found] != told:
                    told = _WORDS[found]
                    yield _Status(status=told)
                await self._looked.wait()
                found = self._seen.get(request.service)
        finally:
            self._watchers -= 1

    async def look(self) -> None:
        """Look again and again while somebody watches. What cannot be told is told as it was."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self._watchers:
                try:
                    self._seen = everything(self._desk)
                except Exception as error:  # noqa: BLE001 - the next look may go well
                    self._tell(error)
                else:
                    self._wake()

    def close(self) -> None:
        """End every Watch in good order."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()

    async def _ask(self, question: Callable[[], _Answer], context: Any) -> _Answer:
        """The answer. A fault of ours is for our log: gRPC would tell its text to strangers."""
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._tell(error)
        await context.abort(grpc.StatusCode.INTERNAL, "no verdict to tell: the agent's log says why")
        raise AssertionError  # abort raises

    def _tell(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        self._log.write(logging.ERROR, "answer", f"{SETTING}: no verdict to tell", now, error)
