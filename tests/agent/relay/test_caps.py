"""When too much waits, the oldest goes: in exact numbers, told once a minute, and never what is on its way."""

import asyncio
import logging

import pytest

from agent.relay.relay import Refused, Relay
from agent.relay.settings import Limits, Settings
from exporters.base import Delivery, Retryable
from tests.agent.pipeline import ended, submit, working
from tests.agent.relay.lanes import Script
from tests.agent.relay.shelf import Shelf, lane
from tests.agent.relay.test_backlog import Switch, body, numbers
from tests.virtual import run

DAY = 86400.0


class Away(Switch):
    """Asks back in five minutes, so that simulated days have few attempts."""

    async def send(self, body, signal="traces", headers=()):
        if not self.on:
            raise Retryable("503", "away", after=300.0)
        return await super().send(body, signal, headers)


def relay_of(sender, store=None, *, linger=0.0, **limits):
    """By the loop's clock, whatever the time of day."""
    clock = asyncio.get_running_loop().time
    made = {"memory": 20_000, "max_age": 3 * DAY, **limits}
    settings = Settings(linger=linger, merge_bytes=1000, tidy=60)
    times = {"clock": clock, "wall": clock, "chance": lambda: 0.5}
    return Relay({"gateway": sender}, store=store, limits=Limits(**made), settings=settings, **times)


def dropped(caplog):
    return [record.getMessage() for record in caplog.records if ": dropped" in record.getMessage()]


@pytest.mark.case("F2")
def test_a_full_memory_may_give_up_its_oldest():
    """With `drop_oldest` everything is taken, and what was dropped is counted exactly; the newest is there."""

    async def main():
        sender = Switch()
        async with working(relay_of(sender, on_full="drop_oldest")) as relay:
            for number in range(100):
                await submit(relay, body(number), 10)
                assert relay.memory.bytes <= 20_000
            account = relay.ledger.accounts["gateway"]
            assert account.accepted == 1000
            assert account.dropped["queue_full"] + account.queue.items == 1000
            assert relay.ledger.refused["queue_full"] == 0
            sender.on = True
            await account.queue.empty.wait()
            taken = numbers(sender)
            assert taken == list(range(100 - len(taken), 100))
            assert account.dropped["queue_full"] == 1000 - 10 * len(taken)

    run(main())


def test_what_is_on_its_way_is_not_dropped():
    """A request that an upstream is answering right now has its fate from the upstream."""

    class Slow(Script):
        async def send(self, body, signal="traces", headers=()):
            self.taken.append(body)
            await asyncio.sleep(100)
            return Delivery()

    async def main():
        sender = Slow()
        async with working(relay_of(sender, on_full="drop_oldest", memory=4000)) as relay:
            await submit(relay, body(0), 1)
            await asyncio.sleep(1)
            for number in range(1, 20):
                await submit(relay, body(number), 1)
            await asyncio.sleep(150)
            account = relay.ledger.accounts["gateway"]
            assert (account.delivered, numbers(sender)[0]) == (1, 0)
            assert account.delivered + account.dropped["queue_full"] + account.queue.items == 20
            await account.queue.empty.wait()

    run(main())


@pytest.mark.case("E26")
def test_a_disk_that_is_full_gives_up_its_oldest(caplog):
    """After a long outage the newest is there, the rest is counted, and the log tells number and time range."""

    async def main():
        sender, shelf = Switch(), Shelf()
        async with working(relay_of(sender, shelf, disk=100_000)) as relay:
            for number in range(2000):
                await submit(relay, body(number), 10)
                await asyncio.sleep(1)
                assert shelf.bytes <= 101_000
            account = relay.ledger.accounts["gateway"]
            gone = account.dropped["queue_full"]
            assert gone + account.queue.items == 20_000
            assert shelf.accounts[lane()]["dropped", "queue_full"] == gone
            assert 90 <= account.queue.items // 10 <= 100
            told = dropped(caplog)
            sender.on = True
            await account.queue.empty.wait()
            assert sorted(numbers(sender)) == list(range(gone // 10, 2000))
        assert shelf.balanced()
        return told

    told = run(main())
    assert told[0].startswith("traces to gateway: dropped ")
    assert "1970-01-01T00:16:40Z" in told[0]
    assert "the queue is full (traces.queue)" in told[0]
    assert 25 <= len(told) <= 2000 / 60 + 2


@pytest.mark.case("E26")
def test_live_traffic_is_not_stuck_behind_a_day_of_backlog():
    """While an old backlog drains, what comes now is there within five seconds."""

    class Measured(Away):
        async def send(self, body, signal="traces", headers=()):
            await asyncio.sleep(0.05)
            return await super().send(body, signal, headers)

    async def main():
        loop, sender, shelf, ages = asyncio.get_running_loop(), Measured(), Shelf(), []
        async with working(relay_of(sender, shelf)) as relay:
            for number in range(2000):
                await submit(relay, body(number), 1)
            await asyncio.sleep(DAY)
            account = relay.ledger.accounts["gateway"]
            sender.on = True
            while not sender.taken:
                await asyncio.sleep(1)
            for number in range(2000, 2200):
                came = loop.time()
                await submit(relay, body(number), 1)
                while number not in numbers(sender)[-5:]:
                    await asyncio.sleep(0.05)
                ages.append(loop.time() - came)
            assert account.queue.backlog
            assert sorted(ages)[int(len(ages) * 0.95)] < 5
            await account.queue.empty.wait()

    run(main())


@pytest.mark.parametrize("disk", [True, False], ids=["disk", "memory"])
def test_what_is_too_old_is_dropped(disk):
    """Whoever comes back after three days does not want it any more; what is younger is delivered."""

    async def main():
        sender, shelf = Away(), Shelf() if disk else None
        async with working(relay_of(sender, shelf, memory=50_000)) as relay:
            for number in range(30):
                await submit(relay, body(number), 10)
            await asyncio.sleep(2 * DAY)
            for number in range(30, 60 if disk else 32):
                await submit(relay, body(number), 10)
            await asyncio.sleep(1.5 * DAY)
            account = relay.ledger.accounts["gateway"]
            assert account.dropped["too_old"] == 300
            sender.on = True
            await account.queue.empty.wait()
            assert min(numbers(sender)) == 30
        assert not disk or shelf.balanced()

    run(main())


def test_a_disk_that_may_not_drop_refuses():
    """`on_full: refuse` keeps what is there and tells the sender."""

    async def main():
        shelf = Shelf()
        relay = relay_of(Switch(), shelf, disk=50_000, on_full="refuse")
        for number in range(50):
            await submit(relay, body(number), 10)
        with pytest.raises(Refused, match="queue_full"):
            await submit(relay, body(50), 10)
        account = relay.ledger.accounts["gateway"]
        assert (account.accepted, account.dropped.total(), shelf.bytes) == (500, 0, 50_000)
        await relay.aclose()

    run(main())


def test_what_is_delivered_while_the_oldest_are_looked_up_is_not_dropped():
    """The disk's answer is older than the upstream's: each span has one fate."""

    async def main():
        sender, shelf = Switch(), Shelf()
        relay = relay_of(sender, shelf, disk=10_000)
        for number in range(11):
            await submit(relay, body(number), 10)
        answer = shelf.oldest

        async def late(limit):
            found = await answer(limit)
            sender.on = True
            await relay.ledger.accounts["gateway"].queue.empty.wait()
            return found

        shelf.oldest = late
        task = asyncio.create_task(relay.destinations["gateway"].run())
        await relay.tidy()
        account = relay.ledger.accounts["gateway"]
        assert (account.delivered, account.dropped.total(), account.balanced()) == (110, 0, True)
        await ended(task)

    run(main())


def test_every_destination_counts_what_it_lost_itself():
    """One that took everything loses nothing when the disk makes room for another."""

    async def main():
        well, away, shelf = Switch(), Switch(), Shelf()
        well.on = True
        relay = relay_of(well, shelf, disk=20_000)
        relay.add("away", away)
        async with working(relay):
            for number in range(100):
                await submit(relay, body(number), 10)
                await asyncio.sleep(1)
            accounts = relay.ledger.accounts
            assert (accounts["gateway"].delivered, accounts["gateway"].dropped.total()) == (1000, 0)
            assert accounts["away"].dropped["queue_full"] + accounts["away"].queue.items == 1000
        assert shelf.balanced()

    run(main())


def test_limits_can_be_changed_while_it_runs():
    """A reload that makes the queue smaller takes effect at once."""

    async def main():
        shelf = Shelf()
        async with working(relay_of(Switch(), shelf, disk=1_000_000)) as relay:
            for number in range(100):
                await submit(relay, body(number), 10)
            relay.limits = Limits(memory=5000, disk=10_000)
            await asyncio.sleep(1)
            assert shelf.bytes <= 10_000
            await submit(relay, body(100), 10)
            assert relay.memory.bytes <= 5000
            assert relay.capacity == 10_000

    run(main())


def test_the_line_at_the_end_tells_the_rest(caplog):
    """What was dropped within the last minute is told before the process ends."""
    caplog.set_level(logging.WARNING)

    async def main():
        async with working(relay_of(Script(*[Retryable("connect")] * 99), on_full="drop_oldest")) as relay:
            for number in range(100):
                await submit(relay, body(number), 10)

    run(main())
    assert len(dropped(caplog)) == 1
