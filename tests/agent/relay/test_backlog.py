"""What memory cannot hold waits on disk, leaves in order beside live traffic, and is there for the next process."""

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.relay.entry import Signal
from agent.relay.journal import SCHEMA, Journal
from agent.relay.relay import Refused, Relay
from agent.relay.settings import Limits, Settings
from agent.relay.store import LaneKey
from agent.state.database import Database
from exporters.base import Delivery, Permanent, Retryable
from tests.agent.pipeline import balanced, ended, settled, submit, working
from tests.agent.relay.lanes import Script
from tests.agent.relay.shelf import Shelf, lane
from tests.agent.spans import until
from tests.virtual import run

QUICK = Settings(linger=0.0, merge_bytes=1000)


def body(number, size=1000):
    return f"<{number:06}>".encode().ljust(size, b".")


def numbers(sender):
    """Of the bodies that the upstream took, in that order."""
    return [int(part[:6]) for taken in sender.taken for part in taken.decode().split("<")[1:]]


class Switch(Script):
    """Refuses connections until it is turned on."""

    on = False

    async def send(self, body, signal="traces", headers=()):
        if not self.on:
            raise Retryable("connect", "refused")
        return await super().send(body, signal, headers)


def relay_of(sender, store, *, memory=20_000, **options):
    options = {"settings": QUICK, "chance": lambda: 0.5, **options}
    limits = Limits(**{"memory": memory, **options.pop("limits", {})})
    return Relay({"gateway": sender}, store=store, limits=limits, **options)


@asynccontextmanager
async def journal(folder, *lanes):
    """The real store, its books checked at the end."""
    database = Database(folder, [SCHEMA])
    await database.open()
    store = Journal(database)
    await store.open(lanes or [LaneKey(Signal.TRACES, "gateway")])
    try:
        yield store
        assert await store.verify() == []
    finally:
        await store.aclose()
        await database.aclose()


async def fill(relay, first, last, items=10):
    for number in range(first, last):
        await submit(relay, body(number), items)


async def test_what_memory_cannot_hold_waits_on_disk_and_is_delivered_once(tmp_path):
    """Fifty times the memory goes through, none is lost or doubled, and memory stays in its bounds."""
    sender = Switch()
    async with journal(tmp_path) as store, working(relay_of(sender, store)) as relay:
        await fill(relay, 0, 1000)
        account = relay.ledger.accounts["gateway"]
        assert relay.memory.bytes <= 20_000
        assert account.queue.items == 10_000
        assert relay.pipeline()["destinations"]["gateway"]["backlog_spans"] > 9000
        sender.on = True
        await until(settled(relay))
        assert sorted(numbers(sender)) == list(range(1000))
        assert (account.delivered, account.queue.bytes, relay.memory.bytes) == (10_000, 0, 0)


def test_live_traffic_comes_first_and_the_backlog_every_fourth_time():
    """Both leave in order, so the newest does not wait for days of backlog, and the backlog does not starve."""

    async def main():
        sender, shelf = Switch(), Shelf()
        relay = relay_of(sender, shelf)
        await fill(relay, 0, 40)
        live = [int(entry.body[1:7]) for entry in relay.ledger.accounts["gateway"].queue.in_memory_before()]
        async with working(relay):
            sender.on = True
            await relay.ledger.accounts["gateway"].queue.empty.wait()
        return live, numbers(sender)

    live, sent = run(main())
    assert 8 < len(live) < 20
    turns = len(live) // 3 * 4
    assert [one for one in sent if one in live] == live
    assert [one for one in sent if one not in live] == list(range(40 - len(live)))
    assert sent[3:turns:4] == list(range(len(sent[3:turns:4])))


@pytest.mark.case("G6")
async def test_a_restart_resumes_where_it_was(tmp_path):
    """The next process sends what was left, the oldest first, and its numbers go on."""
    sender = Switch()
    async with journal(tmp_path) as store, working(relay_of(sender, store)) as relay:
        sender.on = True
        await fill(relay, 0, 10)
        await until(settled(relay))
        sender.on = False
        await fill(relay, 10, 60)
    assert relay.kept_spans == 500
    sender.taken.clear()
    async with journal(tmp_path) as store, working(relay_of(sender, store)) as relay:
        account = relay.ledger.accounts["gateway"]
        assert (account.accepted, account.delivered, account.queue.items, account.recovered) == (600, 100, 500, 500)
        assert relay.ledger.received["http"] == 600
        assert account.queue.oldest_seconds() > 0
        sender.on = True
        await fill(relay, 60, 61)
        await until(settled(relay))
        assert (account.delivered, account.accepted) == (610, 610)
    assert [one for one in numbers(sender) if one < 60] == list(range(10, 60))


@pytest.mark.case("H2")
async def test_what_cannot_be_sent_before_the_end_is_kept_and_told(tmp_path, caplog):
    """A drain against a dead upstream deletes nothing from disk, and the last line has the numbers."""
    caplog.set_level(logging.INFO)
    async with journal(tmp_path) as store, working(relay_of(Switch(), store)) as relay:
        await fill(relay, 0, 30)
        assert not await relay.drain(0.2)
    assert relay.kept_spans == 300
    assert relay.ledger.accounts["gateway"].dropped.total() == 0
    last = [record.getMessage() for record in caplog.records if "accepted" in record.getMessage()]
    assert last == [
        "traces to gateway: accepted 300 spans, delivered 0, refused upstream 0, dropped 0, kept on disk 300"
    ]


@pytest.mark.case("H6")
async def test_an_end_without_a_drain_is_safe(tmp_path):
    """A second signal cuts the drain short: closing writes what waits, and nothing is dropped."""
    async with journal(tmp_path) as store:
        relay = relay_of(Switch(), store)
        loose = [asyncio.create_task(submit(relay, body(number), 1)) for number in range(10)]
        await asyncio.sleep(0)
        await relay.aclose()
        await asyncio.gather(*loose)
    assert (relay.kept_spans, relay.ledger.accounts["gateway"].dropped.total()) == (10, 0)


@pytest.mark.case("F5")
def test_a_disk_in_trouble_is_told_and_memory_serves(caplog):
    """Taken until memory is full, then refused; with the disk back everything is on it, and nothing was lost."""

    async def main():
        sender, shelf = Switch(), Shelf()
        async with working(relay_of(sender, shelf)) as relay:
            await fill(relay, 0, 5)
            shelf.trouble = "No space left on device"
            with pytest.raises(Refused, match="queue_full"):
                await fill(relay, 5, 40)
            view = relay.pipeline()
            assert (view["storage_degraded"], view["storage"]["trouble"]) == (True, "No space left on device")
            account = relay.ledger.accounts["gateway"]
            taken = account.accepted // 10
            assert 10 < taken < 20
            assert relay.ledger.refused["queue_full"] == 10
            shelf.trouble = ""
            assert await shelf.flush()
            await fill(relay, taken, 40)
            sender.on = True
            await account.queue.empty.wait()
        assert sorted(numbers(sender)) == list(range(40))
        assert shelf.balanced()

    run(main())


def test_a_full_memory_waits_for_the_disk_and_refuses_nobody():
    """What came at once and is being written is not a reason to say no: a moment later there is room."""

    async def main():
        shelf = Shelf(delay=0.01)
        relay = relay_of(Switch(), shelf)
        await asyncio.gather(*[submit(relay, body(number), 1) for number in range(100)])
        assert relay.ledger.accounts["gateway"].queue.items == 100
        await relay.aclose()
        assert relay.kept_spans == 100

    run(main())


def test_a_body_larger_than_the_memory_goes_through_the_disk():
    """Memory holds it until it is written; without a disk it is refused."""

    async def main():
        sender, shelf = Switch(), Shelf()
        async with working(relay_of(sender, shelf)) as relay:
            await submit(relay, body(1, 50_000), 1)
            await submit(relay, body(2), 1)
            assert relay.memory.bytes < 20_000
            shelf.trouble = "read-only"
            with pytest.raises(Refused):
                await submit(relay, body(3, 50_000), 1)
            shelf.trouble = ""
            sender.on = True
            await relay.ledger.accounts["gateway"].queue.empty.wait()
        assert sorted(numbers(sender)) == [1, 2]

    run(main())


@pytest.mark.case("G7")
async def test_a_destination_that_is_added_owes_what_comes_from_now_on(tmp_path):
    """It gets neither the backlog of others nor a share of their numbers."""
    first, second = Switch(), Switch()
    async with journal(tmp_path) as store:
        async with working(relay_of(first, store)) as relay:
            await fill(relay, 0, 30)
        second.on = first.on = True
        relay = Relay({"gateway": first, "added": second}, store=await reopened(store), settings=QUICK)
        async with working(relay):
            await fill(relay, 30, 33)
            await until(settled(relay))
            assert numbers(second) == [30, 31, 32]
            assert relay.ledger.accounts["added"].accepted == 30
            assert sorted(numbers(first)) == list(range(33))


async def reopened(store):
    """The same journal, asked by another relay."""
    await store.flush()
    await store.aclose()
    again = Journal(store._database)
    await again.open([LaneKey(Signal.TRACES, "gateway"), LaneKey(Signal.TRACES, "added")])
    store.aclose, store.verify = again.aclose, again.verify
    return again


@pytest.mark.case("G7")
def test_a_removed_destination_may_come_back_to_its_queue(caplog):
    """Within the grace it resumes where it was; what came meanwhile is not its own."""

    async def main():
        shelf = Shelf()
        relay = relay_of(Switch(), shelf, clock=asyncio.get_running_loop().time)
        other = Switch()
        relay.add("other", other)
        await fill(relay, 0, 30)
        account = relay.ledger.accounts["gateway"]
        await relay.remove("gateway")
        assert "gateway" not in relay.ledger.accounts
        await fill(relay, 30, 40)
        back = Switch()
        back.on = other.on = True
        relay.add("gateway", back)
        assert relay.ledger.accounts["gateway"] is account
        async with working(relay):
            await account.queue.empty.wait()
            assert numbers(back) == list(range(30))
            await relay.ledger.accounts["other"].queue.empty.wait()
        assert (account.accepted, account.delivered) == (300, 300)

    run(main())


@pytest.mark.case("G7")
def test_what_a_removed_destination_did_not_come_back_for_is_dropped(caplog):
    """An hour later its spans are counted as removed, and the disk is free."""

    async def main():
        shelf = Shelf()
        relay = relay_of(Switch(), shelf, clock=asyncio.get_running_loop().time)
        await fill(relay, 0, 30)
        account = relay.ledger.accounts["gateway"]
        await relay.remove("gateway")
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(3500)
        assert (account.queue.items, shelf.bytes) == (300, 30_000)
        await asyncio.sleep(200)
        assert (account.queue.items, account.dropped["removed"], shelf.bytes) == (0, 300, 0)
        assert shelf.accounts[lane()]["dropped", "removed"] == 300
        assert not relay.ledger.gone
        await ended(task)
        assert shelf.balanced()

    run(main())


def test_what_the_disk_lost_is_counted(caplog):
    """A file that was set aside as corrupt takes its entries along: told and booked, and the lane goes on."""

    async def main():
        sender, shelf = Switch(), Shelf()
        async with working(relay_of(sender, shelf)) as relay:
            await fill(relay, 0, 40)
            account = relay.ledger.accounts["gateway"]
            held = account.queue.live
            shelf.forget()
            shelf.settle = lambda *_: None
            sender.on = True
            await account.queue.empty.wait()
            assert account.delivered == held * 10
            assert account.dropped["lost"] == 400 - held * 10

    run(main())
    assert "the disk has" in caplog.text


def test_a_disk_that_cannot_be_read_now_is_waited_for():
    """Trouble is no loss: live traffic goes on, and the backlog follows when the disk is back."""

    async def main():
        sender, shelf = Switch(), Shelf()
        async with working(relay_of(sender, shelf)) as relay:
            await fill(relay, 0, 40)
            account = relay.ledger.accounts["gateway"]
            shelf.trouble = "Input/output error"
            sender.on = True
            await asyncio.sleep(60)
            assert account.queue.live == 0
            assert account.queue.backlog_items > 200
            shelf.trouble = ""
            await account.queue.empty.wait()
            assert (account.delivered, account.dropped.total()) == (400, 0)

    run(main())


def test_what_was_learnt_of_an_upstream_survives_a_restart():
    """The next process merges no more than this upstream takes, until its settings change."""

    async def main():
        sender, shelf = Switch(largest=150_000), Shelf()
        sender.on = True
        big = Settings(linger=0.1)
        async with working(relay_of(sender, shelf, memory=2_000_000, settings=big)) as relay:
            for number in range(4):
                await submit(relay, body(number, 90_000), 1)
            await relay.ledger.accounts["gateway"].queue.empty.wait()
        assert shelf.learnt == {lane(): 90_000}
        again = relay_of(sender, shelf.again(), settings=big)
        assert again.pipeline()["destinations"]["gateway"]["learnt_merge_bytes"] == 90_000
        await again.remove("gateway", keep=True)
        again.add("gateway", Switch())
        assert again.store.learnt == {lane(): 0}

    run(main())


async def test_sampled_spans_are_in_the_books(tmp_path):
    """Received and accepted as any other, dropped as sampled, also where a whole request was left out."""
    sender = Switch()
    sender.on = True
    async with journal(tmp_path) as store, working(relay_of(sender, store)) as relay:
        await submit(relay, body(1), 7, sampled=3)
        await submit(relay, b"", 0, sampled=5)
        await submit(relay, body(2), 2, transport="grpc", sampled=1)
        await submit(relay, body(3), 4)
        await until(settled(relay))
        account = relay.ledger.accounts["gateway"]
        assert (account.accepted, account.delivered, account.dropped["sampled"]) == (22, 13, 9)
        assert relay.ledger.received == {"http": 19, "json": 0, "grpc": 3}
    async with journal(tmp_path) as store:
        left = store.left()[LaneKey(Signal.TRACES, "gateway")]
        assert left.account == {("accepted", ""): 22, ("delivered", ""): 13, ("dropped", "sampled"): 9}
        assert store.received()[Signal.TRACES, "http"] == 19


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 30)),
        st.tuples(st.just("upstream"), st.booleans()),
        st.tuples(st.just("disk"), st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 100)),
        st.tuples(st.just("say"), st.sampled_from([Permanent("invalid"), Permanent("too_large"), Delivery(3)])),
        st.tuples(st.just("die"), st.just(None)),
        st.tuples(st.just("restart"), st.just(None)),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_books_balance_whatever_happens(steps):
    """Outages of upstream and disk, refusals, workers that die, restarts: every accepted span has exactly one fate."""

    async def main():
        sender, shelf, sent = Switch(), Shelf(), 0
        relay, tasks = await started(sender, shelf)
        for what, how in [*steps, ("disk", True), ("upstream", True)]:
            if what == "send":
                for _ in range(how):
                    try:
                        await submit(relay, body(sent), 10)
                    except Refused:
                        break
                    sent += 1
            elif what == "upstream":
                sender.on = how
            elif what == "disk":
                shelf.trouble = "" if how else "full"
                await shelf.flush()
            elif what == "wait":
                await asyncio.sleep(how / 10)
            elif what == "say":
                sender.replies.append(how)
            elif what == "die":
                await ended(*tasks)
                tasks = work(relay)
            else:
                await ended(*tasks)
                await relay.aclose()
                shelf = shelf.again()
                relay, tasks = await started(sender, shelf)
            assert balanced(relay)
            assert shelf.balanced()
            assert relay.memory.bytes <= 20_000
        async with asyncio.timeout(3600):
            await relay.ledger.accounts["gateway"].queue.empty.wait()
        await ended(*tasks)
        account = relay.ledger.accounts["gateway"]
        assert account.accepted == sent * 10
        assert account.balanced()
        assert len(set(numbers(sender))) * 10 >= account.delivered
        assert not shelf.entries
        assert relay.memory.bytes == 0

    run(main())


def work(relay):
    works = [relay.run, *(destination.run for destination in relay.destinations.values())]
    return [asyncio.create_task(one()) for one in works]


async def started(sender, shelf):
    relay = relay_of(sender, shelf, clock=asyncio.get_running_loop().time)
    return relay, work(relay)
