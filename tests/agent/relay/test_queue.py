"""The queue keeps order, bounds and numbers, wherever its entries are."""

import asyncio

import pytest

from agent.relay.entry import Entry, Signal
from agent.relay.memory import OVERHEAD, Memory
from agent.relay.queue import Queue
from agent.relay.store import Left
from tests.virtual import run


def entry(seq, size=10, items=1, at=0.0, headers=()):
    return Entry(seq, Signal.TRACES, b"x" * size, items, at, headers)


def queue(*entries, limit=100_000, wall=lambda: 0.0):
    memory = Memory(limit)
    made = Queue(memory, wall)
    for one in entries:
        memory.hold(one, 1)
        made.put(one)
    return made


def seqs(entries):
    return [one.seq for one in entries]


def test_memory_counts_bodies_and_what_they_cost_beside():
    """A memory of tiny bodies is full long before their bytes alone would fill it."""
    memory = Memory(10 * (OVERHEAD + 10))
    taken = 0
    while memory.room(10):
        taken += 1
        memory.hold(entry(taken), 1)
    assert (taken, memory.bytes, len(memory)) == (10, 100, 10)


def test_a_body_that_many_owe_is_counted_once_and_until_the_last():
    """Memory is given back when the last of its owners released the body."""
    memory = Memory(10_000)
    memory.hold(entry(1), 3)
    memory.release(1)
    memory.release(1)
    assert memory.bytes == 10
    memory.release(1)
    assert (memory.bytes, memory.oldest()) == (0, None)
    memory.release(1)
    assert memory.bytes == 0


def test_the_head_stays_until_it_is_settled():
    """Reading the head takes nothing away; settling takes exactly what was read."""
    made = queue(entry(1, items=1), entry(2, items=2), entry(3, items=3))
    assert seqs(made.head(20)) == [1, 2]
    assert seqs(made.head(1)) == [1]
    made.settle(made.head(20))
    assert (made.items, made.bytes, len(made), made.empty.is_set()) == (3, 10, 1, False)
    made.settle(made.head(20))
    assert (made.items, made.bytes, made.empty.is_set()) == (0, 0, True)


def test_nothing_has_no_head_and_no_age():
    """An empty queue answers every question."""
    made = queue()
    assert (made.head(10), made.head_read(10), made.oldest_seconds(), made.first_live) == ([], [], 0.0, None)


def test_the_head_is_alike_in_headers():
    """Others are passed over and keep their place."""
    one, two = (("x-tenant", "one"),), (("x-tenant", "two"),)
    made = queue(entry(1, headers=one), entry(2, headers=two), entry(3, headers=one))
    made.settle(head := made.head(1000))
    assert seqs(head) == [1, 3]
    assert seqs(made.head(1000)) == [2]


def test_age_is_that_of_the_oldest():
    """The backlog is older than what is in memory."""
    made = queue(entry(7, at=5.0), entry(8, at=6.0), wall=lambda: 7.5)
    assert made.oldest_seconds() == 2.5
    made.restore(Left({}, 2, 2, 20, 1.0, 0))
    assert made.oldest_seconds() == 6.5


def test_what_leaves_memory_is_backlog_and_still_owed():
    """Shelving changes where entries are, not how many there are."""
    made = queue(entry(1, items=2), entry(2, items=3))
    made.shelve(entry(1, items=2))
    assert (made.items, made.bytes, made.backlog, made.backlog_items, made.first_live) == (5, 20, 1, 2, 2)
    made.read([entry(1, items=2)])
    assert (made.backlog, made.read_back, made.cursor) == (1, 1, 1)
    made.settle(made.head_read(100))
    assert (made.items, made.bytes, made.backlog, made.backlog_items) == (3, 10, 0, 0)


def test_what_a_worker_has_in_hand_is_not_shelved():
    """Entries that are being sent stay where they are."""
    made = queue(entry(1), entry(2))
    made.head(10)
    made.shelve(entry(1))
    made.shelve(entry(2))
    assert (made.live, made.backlog) == (1, 1)
    made.release()
    made.shelve(entry(1))
    assert (made.live, made.backlog) == (0, 2)


@pytest.mark.parametrize("place", ["live", "ahead", "unread"])
def test_what_is_dropped_is_gone_once(place):
    """Dropping takes an entry out of every place, and a second time does nothing."""
    made = queue(entry(1, items=4))
    if place != "live":
        made.shelve(entry(1, items=4))
    if place == "ahead":
        made.read([entry(1, items=4)])
    assert made.drop(entry(1, size=0, items=4))
    assert not made.drop(entry(1, size=0, items=4))
    assert (made.items, made.bytes, len(made), made.backlog_items) == (0, 0, 0, 0)
    assert made.empty.is_set()


def test_what_is_on_its_way_is_not_dropped():
    """Who knows whether the upstream took it?"""
    made = queue(entry(1), entry(2))
    made.wire = frozenset({1})
    assert [made.drop(entry(1)), made.drop(entry(2))] == [False, True]
    assert seqs(made.owed([entry(1), entry(2)])) == [1]


def test_what_left_while_the_disk_was_asked_is_not_dropped_again():
    """An answer of the disk may be older than a delivery."""
    made = queue(entry(1), entry(5))
    made.shelve(entry(1))
    with made.watching() as left:
        made.settle([entry(5)])
        assert left == {5}
        assert not made.drop(entry(5))
    assert made.items == 1


def test_parked_entries_can_be_read_from_the_beginning():
    """A lane without a worker has everything on disk."""
    made = queue(entry(1), entry(2), entry(3), wall=lambda: 9.0)
    made.shelve(entry(1))
    made.read([entry(1)])
    made.park()
    assert (made.live, made.backlog, made.items, made.bytes, made.cursor) == (0, 3, 3, 30, 0)
    assert made._memory.bytes == 10  # the one that was shelved by the queue alone
    made.read([entry(1), entry(2), entry(3)])
    made.settle(made.head_read(100))
    assert (made.items, made.bytes, made.empty.is_set()) == (0, 0, True)


def test_what_the_disk_lost_is_given_up():
    """What is at hand or in memory stays."""
    made = queue(entry(8, items=5), entry(9, items=1))
    made.restore(Left({}, 3, 30, 300, 1.0, 0))
    made.shelve(entry(8, items=5))
    made.read([entry(1, size=100, items=10)])
    assert made.lose() == 25
    assert (made.items, made.backlog_items, made.bytes, made.live) == (11, 10, 110, 1)


def test_reached_waits_for_enough_bytes():
    """A waiter wakes when the size is there, not at the first entry."""

    async def main():
        made = queue()
        waiter = asyncio.create_task(made.reached(25))
        for number in range(2):
            made.put(entry(number + 1))
            await asyncio.sleep(1)
        assert not waiter.done()
        made.put(entry(3))
        await waiter
        await made.some()

    run(main())
