"""OTLP/gRPC in: how much is taken at once, what is asked back, and what becomes of calls that nobody waits for."""

import asyncio
import contextlib
import sys
import time

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from agent.receiver import grpc_calls
from agent.receiver.limits import Limits
from agent.relay.relay import Refused
from config.net.grpc_core import grpc
from config.sections.traces import Receive
from exporters.otlp import retryinfo
from exporters.otlp.grpc import METHODS
from tests.agent.receiver.calls import DATA, MIB, call, dialled, frame, receiving
from tests.agent.spans import request, until

Codes = grpc.StatusCode


@pytest.fixture
async def receiver():
    """A receiver of spans with a limit of 1 MiB."""
    async with receiving() as listening:
        yield listening


def exactly(size):
    """A request of so many bytes."""
    body = request(1, filler=size - 1000)
    missing = size - len(body)
    odd = b"\x9a\x06\x00" * (missing % 2)  # an unknown field, and then resources without a scope
    return body + odd + b"\n\x00" * ((missing - len(odd)) // 2)


def advice(error):
    """Seconds that an error asks to wait, as each of the two carriers has it."""
    trailing = dict(error.trailing_metadata())
    whole, retry = Status.FromString(trailing[retryinfo.DETAILS]), RetryInfo()
    assert whole.details[0].Unpack(retry)
    assert whole.code == error.code().value[0]
    legacy = RetryInfo.FromString(trailing[retryinfo.LEGACY])
    return retry.retry_delay.seconds, legacy.retry_delay.seconds


@pytest.mark.case("C4")
@pytest.mark.case("C5")
@pytest.mark.parametrize("packing", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
async def test_the_limit_is_exact(receiver, packing):
    """A message of just the limit is taken; one byte more is refused for good, by whatever way it comes."""
    assert await receiver.export(exactly(MIB), compression=packing) == b""
    error = await receiver.refusal(exactly(MIB + 1), compression=packing)
    assert error.code() is Codes.RESOURCE_EXHAUSTED
    assert retryinfo.in_metadata(error.trailing_metadata()) is None
    await until(lambda: receiver.refused("cancelled") == 1)
    assert await receiver.export(request(1)) == b""


async def test_a_lowered_limit_is_in_force_at_once(receiver):
    """What a reload makes smaller is refused in our own words, without RetryInfo."""
    receiver.receiver.change(Limits(1000, MIB), Receive())
    error = await receiver.refusal(exactly(1001))
    assert error.code() is Codes.RESOURCE_EXHAUSTED
    assert "1000 bytes" in error.details()
    assert retryinfo.in_metadata(error.trailing_metadata()) is None
    assert receiver.refused("resource_exhausted") == 1


@pytest.mark.case("F1")
async def test_a_full_queue_asks_back(receiver):
    """UNAVAILABLE with RetryInfo in both carriers; the spans are the ledger's, not counted as a request."""
    receiver.relay.error = Refused("queue_full")
    error = await receiver.refusal(request(1))
    assert (error.code(), advice(error)) == (Codes.UNAVAILABLE, (1, 1))
    assert "queue_full" in error.details()
    assert receiver.refused("unavailable") == 0


async def test_no_room_asks_back():
    """While others hold the budget a call waits a moment, and is then asked back in the same way."""
    async with receiving(patience=0.05) as receiver:
        with receiver.budget.share() as others:
            others.cover(receiver.budget.capacity - MIB + 1)
            error = await receiver.refusal(request(1))
        assert (error.code(), advice(error), receiver.refused("unavailable")) == (Codes.UNAVAILABLE, (1, 1), 1)
        assert await receiver.export(request(1)) == b""


async def test_too_many_calls_ask_back(receiver, monkeypatch):
    """However many calls wait, their number is bounded."""
    monkeypatch.setattr(grpc_calls, "CALLS", 3)
    receiver.relay.open.clear()
    calls = [asyncio.create_task(receiver.export(request(1))) for _ in range(3)]
    await until(lambda: receiver.relay.waiting == 3)
    error = await receiver.refusal(request(1))
    assert (error.code(), advice(error)) == (Codes.UNAVAILABLE, (1, 1))
    receiver.relay.open.set()
    await asyncio.gather(*calls)


@pytest.mark.case("F3")
async def test_uploads_are_read_as_there_is_room():
    """60 parallel uploads of half the budget each: charged before they are read, and each is taken in its turn."""
    async with receiving(max_body=2 * MIB, memory=4 * MIB, patience=60.0) as receiver:
        body = exactly(2 * MIB)
        async with contextlib.AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(dialled(receiver.target)) for _ in range(6)]
            calls = [channel.unary_unary(METHODS["traces"])(body) for channel in channels for _ in range(10)]
            assert await asyncio.gather(*calls) == [b""] * 60
        assert receiver.budget.peak <= receiver.budget.capacity


async def test_a_message_that_never_comes():
    """Calls without a whole message end after a while; who comes meanwhile is asked back, and taken soon."""
    async with receiving(max_body=4 * MIB, seconds=3.0, patience=0.1) as receiver, contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", receiver.address.port)
            stack.callback(writer.close)
            writer.write(call(METHODS["traces"]) + frame(DATA, 0, 1, b"\x00\x00\x00\x10"))
        await until(lambda: receiver.refused("unavailable") == 18)
        error = await receiver.refusal(request(1))
        assert (error.code(), advice(error)) == (Codes.UNAVAILABLE, (1, 1))
        await until(lambda: receiver.refused("deadline_exceeded") == 2)
        assert await receiver.export(request(1)) == b""


async def test_a_call_without_a_message(receiver):
    """INVALID_ARGUMENT: there is nothing to answer."""

    async def nothing():
        for never in ():
            yield never

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await receiver.channel.stream_unary(METHODS["traces"])(nothing())
    assert error.value.code() is Codes.INVALID_ARGUMENT
    assert receiver.refused("invalid_argument") == 1


@pytest.mark.case("C8")
async def test_a_deadline_leaves_nothing_half_done(receiver):
    """A sender that gave up while we wrote learns so; its request is taken whole all the same, once."""
    receiver.relay.open.clear()
    body = request(5)
    error = await receiver.refusal(body, timeout=1.0)
    assert error.code() is Codes.DEADLINE_EXCEEDED
    await until(lambda: receiver.refused("cancelled") == 1)
    assert (receiver.relay.waiting, receiver.relay.submitted) == (1, [])
    assert receiver.budget.used == len(body)
    receiver.relay.open.set()
    await until(lambda: receiver.relay.submitted)
    assert [taken.body for taken in receiver.relay.submitted] == [body]


@pytest.mark.case("C8")
async def test_closing_waits_for_what_was_begun():
    """A listener that closes cancels its callers, not what is being written for them."""
    async with receiving() as receiver:
        receiver.relay.open.clear()
        sent = asyncio.create_task(receiver.refusal(request(1), timeout=1.0))
        await until(lambda: receiver.relay.waiting)
        await sent
        asyncio.get_running_loop().call_later(0.1, receiver.relay.open.set)
    assert len(receiver.relay.submitted) == 1


async def test_large_messages_do_not_hold_up_the_loop():
    """Reading one of 8 MiB takes the loop some milliseconds, whoever sends it."""
    async with receiving(max_body=8 * MIB, memory=16 * MIB) as receiver:
        receiver.receiver._take = _nothing  # checking it is another's work
        body, turns = exactly(8 * MIB), []
        sending = asyncio.create_task(_elsewhere(receiver.target, body))
        while not sending.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - before)
        assert await sending == 0
    assert max(turns) < 0.2  # of processor


async def _nothing(signal, body, headers, share):
    with share:
        return 0, ""


async def _elsewhere(target, body):
    """Send from another process, whose work does not count."""
    script = (
        "import sys, grpc; c = grpc.insecure_channel(sys.argv[1], [('grpc.max_send_message_length', -1)]);"
        "c.unary_unary(sys.argv[2])(sys.stdin.buffer.read())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, target, METHODS["traces"], stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(body)
    return process.returncode
