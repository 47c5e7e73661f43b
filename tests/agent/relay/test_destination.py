"""One destination carries several signals over one sender, each in a lane of its own."""

from contextlib import asynccontextmanager

import pytest

from agent.relay.entry import Signal
from agent.relay.relay import Refused, Relay
from agent.relay.settings import Settings
from exporters.base import Delivery, Retryable
from exporters.contract import METRICS
from tests.agent.pipeline import settled, submit, working
from tests.agent.relay.lanes import Script
from tests.agent.spans import until

ALL = tuple(Signal)


class Fussy(Script):
    """Has no time for metrics."""

    async def send(self, body, signal="traces", headers=()):
        if signal == "metrics":
            raise Retryable("503", "no metrics today")
        return await super().send(body, signal, headers)


@asynccontextmanager
async def carrying(sender, signals=ALL):
    async with working(Relay({"gateway": sender}, signals=signals, settings=Settings(linger=0.0))) as relay:
        yield relay


async def test_signals_are_never_merged():
    """Each request leaves as the signal it came as."""
    sender = Script()
    async with carrying(sender) as relay:
        for signal in ALL:
            await submit(relay, signal.value.encode(), 5, signal)
        await until(settled(relay))
    assert sorted(zip(sender.signals, sender.bodies, strict=True)) == [
        ("logs", b"logs"),
        ("metrics", b"metrics"),
        ("traces", b"traces"),
    ]


async def test_one_signal_that_fails_holds_up_no_other():
    """Each lane has its own breaker and its own numbers."""
    async with carrying(Fussy()) as relay:
        for signal in ALL:
            await submit(relay, b"body", 5, signal)
        await until(lambda: sum(not account.queue.items for account in relay.ledger.lanes.values()) == 2)
        await until(lambda: relay.pipeline()["destinations"]["gateway"]["signals"]["metrics"]["failures"])
        view = relay.pipeline()["destinations"]["gateway"]
        assert (view["state"], view["delivered_spans"]) == ("idle", 5)
        assert (view["signals"]["metrics"]["state"], view["signals"]["metrics"]["queue_items"]) == ("failing", 5)
        assert view["signals"]["metrics"]["trouble"] == "503: no metrics today"
        assert view["signals"]["logs"]["delivered_items"] == 5


async def test_passed_items_are_counted_where_they_are_carried():
    """Two families for what is not a span, named as in the contract; none of them without pass-through."""
    names = {"outrider_otlp_passed_items_total", "outrider_otlp_queue_items"}
    async with carrying(Script(Delivery(2))) as relay:
        await submit(relay, b"body", 5, Signal.METRICS)
        await until(settled(relay))
        families = dict(relay.samples())
        for name in names:
            assert all(len(sample.labels) == len(METRICS[name].labels) for sample in families[name])
        ends = {sample.labels: sample.value for sample in families["outrider_otlp_passed_items_total"]}
        assert ends["metrics", "gateway", "accepted"] == 5
        assert ends["metrics", "gateway", "delivered"] == 3
        assert ends["metrics", "gateway", "rejected"] == 2
        assert ends["logs", "gateway", "dropped"] == 0
        assert relay.ledger.received["http"] == 0
        assert relay.pipeline()["signals"]["metrics"]["received_items"]["http"] == 5
    async with carrying(Script(), (Signal.TRACES,)) as relay:
        assert not names & set(dict(relay.samples()))


async def test_a_lane_that_dies_takes_its_destination_down_and_loses_nothing():
    """Whoever runs it starts it again, and what was queued leaves then."""
    relay = Relay({"gateway": Script(RuntimeError("bug"))}, signals=ALL, settings=Settings(linger=0.0))
    await submit(relay, b"body", 5, Signal.LOGS)
    with pytest.RaisesGroup(RuntimeError):
        await relay.destinations["gateway"].run()
    async with working(relay):
        await until(settled(relay))
    assert [account.delivered for account in relay.ledger.lanes.values()] == [0, 0, 5]


async def test_a_signal_that_is_not_carried_is_refused():
    """Nobody owes it."""
    async with carrying(Script(), (Signal.TRACES,)) as relay:
        with pytest.raises(Refused, match="no_destination"):
            await submit(relay, b"body", 5, Signal.LOGS)
