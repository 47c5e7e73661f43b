"""A relay in bad company: lanes that are not at the same place, senders that cannot be closed, headers that weigh."""

import asyncio
import contextlib

import pytest

from agent.relay.entry import HOPS, Signal, size_of
from agent.relay.relay import Refused, Relay
from agent.relay.settings import Limits, Settings
from exporters.base import Delivery
from tests.agent.pipeline import balanced, submit, working
from tests.agent.relay.shelf import Shelf


class Sender:
    """Takes everything; closing it fails where it is told to."""

    def __init__(self, *, broken=False):
        self.broken, self.closed = broken, False

    async def send(self, body, signal="traces", headers=()):
        return Delivery()

    async def aclose(self):
        if self.broken:
            raise RuntimeError("a plug-in's own fault")
        self.closed = True


async def test_what_one_lane_has_settled_is_dropped_from_the_other_alone():
    """The disk fails with a backlog on it: the oldest in memory give way, in the books of whoever still owes them."""
    shelf = Shelf()
    relay = Relay({"a": Sender(), "b": Sender()}, store=shelf, limits=Limits(memory=20_000, on_full="drop_oldest"))
    for _ in range(20):
        await submit(relay, b"x" * 2000, 1)
    queues = {name: relay.ledger.accounts[name].queue for name in ("a", "b")}
    assert queues["a"].backlog_items == queues["b"].backlog_items > 5
    shelf.trouble = "the disk is full"
    for _ in range(5):
        await submit(relay, b"x" * 2000, 1)
    settled = queues["a"].in_memory_before()
    relay.destinations["a"].lanes[Signal.TRACES].settle(settled, {("delivered", ""): len(settled)})
    for _ in range(5):
        await submit(relay, b"x" * 2000, 1)
    assert balanced(relay)
    assert relay.ledger.accounts["a"].dropped["queue_full"] == 0
    assert relay.ledger.accounts["b"].dropped["queue_full"] > 0
    assert queues["a"].backlog_items == queues["a"].items - 5
    await relay.aclose()


async def test_a_sender_that_cannot_be_closed_keeps_nobody_else_open(caplog):
    """It is told, and the others are closed, at a reload and at the end."""
    good = Sender()
    relay = Relay({"bad": Sender(broken=True), "worse": Sender(broken=True), "good": good})
    await relay.remove("worse")
    await relay.aclose()
    assert good.closed
    assert "the sender to bad could not be closed" in caplog.text


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "disk"])
async def test_headers_count_as_what_they_cost(durable):
    """Fifteen KiB of headers with a span fill the queue as fifteen KiB of body would; a name of a tenant is free."""
    shelf = Shelf() if durable else None
    limits = Limits(memory=200_000, disk=200_000, on_full="refuse")
    relay = Relay({"a": Sender()}, store=shelf, limits=limits)
    taken = 0
    with contextlib.suppress(Refused):
        while taken < 100:
            await submit(relay, b"x" * 100, 1, headers=(("x-large", f"{taken}".ljust(15_000)),))
            taken += 1
    assert taken < 15
    assert size_of(b"x" * 100, ((HOPS, "1"), ("x-tenant", "acme"))) == 100
    await relay.aclose()


async def test_a_small_memory_is_never_on_its_way_as_a_whole():
    """An upstream that hangs holds one request: the rest can give way, so whoever comes is always taken."""

    class Hangs(Sender):
        async def send(self, body, signal="traces", headers=()):
            await asyncio.Event().wait()

    limits, settings = Limits(memory=100_000, on_full="drop_oldest"), Settings(linger=0.05)
    relay = Relay({"a": Hangs()}, limits=limits, settings=settings)
    async with working(relay):
        while relay.memory.room(2000):
            await submit(relay, b"x" * 2000, 1)
        while not relay.ledger.accounts["a"].inflight:
            await asyncio.sleep(0.01)
        for _ in range(100):
            await submit(relay, b"x" * 2000, 1)
        assert relay.ledger.accounts["a"].dropped["queue_full"] > 90
