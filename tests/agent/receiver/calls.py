"""A receiver of OTLP/gRPC whose relay does what a test tells it to, and clients of it."""

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.receiver.admission import Budget
from agent.receiver.grpc import serving
from agent.receiver.grpc_calls import OtlpGrpc
from agent.receiver.intake import Intake, Processed
from agent.receiver.limits import Limits
from agent.relay.entry import Signal
from agent.relay.ledger import Ledger
from config.net.grpc_core import grpc
from config.sections.traces import Receive
from config.types import ListenAddress
from exporters.otlp.grpc import METHODS

MIB = 1 << 20
ANYWHERE = ListenAddress("127.0.0.1", 0)


@dataclass
class Submitted:
    """What a relay was given."""

    signal: Signal
    body: bytes
    items: int
    headers: dict[str, str]
    transport: str


@dataclass
class Relay:
    """Takes everything once `open` is set, unless it has something to raise."""

    ledger: Ledger = field(default_factory=Ledger)
    submitted: list[Submitted] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    waiting: int = 0
    error: Exception | None = None

    async def submit(self, signal, body, items, headers, *, transport, sampled=0) -> None:
        self.asked += 1
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        if self.error:
            raise self.error
        self.submitted.append(Submitted(signal, body, items, dict(headers), transport))


class _AsItIs:
    async def apply(self, signal, body, items, invalid):
        return Processed(body, items - len(invalid))


class Seen(Budget):
    """A budget that knows its highest level."""

    peak = 0

    @property
    def used(self) -> int:
        return self._used

    @used.setter
    def used(self, value: int) -> None:
        self._used = value
        self.peak = max(self.peak, value)


@dataclass
class Receiver:
    """One that listens."""

    relay: Any
    budget: Seen
    receiver: OtlpGrpc
    address: ListenAddress
    channel: Any = None

    @property
    def target(self) -> str:
        """For a client of gRPC."""
        return str(self.address)

    def refused(self, code: str) -> int:
        """Calls refused with this code."""
        return self.relay.ledger.refused_requests["grpc", code]

    async def export(self, body: bytes, signal: str = "traces", **options: Any) -> bytes:
        """One call."""
        return await self.channel.unary_unary(METHODS[signal])(body, **options)

    async def refusal(self, body: bytes, signal: str = "traces", **options: Any) -> Any:
        """The error of a call that must fail."""
        try:
            answer = await self.export(body, signal, **options)
        except grpc.aio.AioRpcError as error:
            return error
        raise AssertionError(f"it was taken: {answer!r}")


@asynccontextmanager
async def receiving(
    relay=None,
    *,
    max_body=MIB,
    memory=8 * MIB,
    signals=(Signal.TRACES,),
    address=ANYWHERE,
    credentials=None,
    seconds=30.0,
    patience=20.0,
    **receive,
):
    """A receiver on a free port, and a plain channel to it unless there are credentials.

    `relay` None: one that takes everything at once.
    """
    budget, options = Seen(memory), Receive(**receive)
    if relay is None:
        relay = Relay()
        relay.open.set()
    intake = Intake(relay, _AsItIs(), signals=signals)
    limits = Limits(max_body, memory)
    receiver = OtlpGrpc(
        intake, limits=limits, budget=budget, receive=options, message_seconds=seconds, patience=patience
    )
    async with serving(receiver, address, options.tls) as bound:
        found = Receiver(relay, budget, receiver, bound)
        async with dialled(found.target, credentials) as found.channel:
            yield found
    assert not budget.used


def dialled(target, credentials=None, **more):
    """A channel of a client that allows everything itself."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1), *more.items()]
    if credentials is None:
        return grpc.aio.insecure_channel(target, options)
    return grpc.aio.secure_channel(target, credentials, options)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


DATA, HEADERS, RST, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7


def call(path: str, encoding: str = "identity") -> bytes:
    """The start of a call on stream 1 of a new connection, its message still missing."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        "grpc-encoding": encoding,
    }
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + frame(HEADERS, 4, 1, block)


async def frames(reader):
    """The frames that come, as (kind, flags, payload)."""
    while True:
        try:
            head = await reader.readexactly(9)
            yield head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
