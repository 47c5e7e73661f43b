"""The queue keeps order, bounds and numbers."""

import asyncio

from agent.relay.queue import OVERHEAD, Entry, Queue
from tests.virtual import run


def entry(size=10, spans=1, at=0.0):
    return Entry(b"x" * size, spans, at)


def test_capacity_counts_bodies_and_what_they_cost_beside():
    """A queue of tiny bodies is full long before their bytes alone would fill it."""
    queue = Queue(10 * (OVERHEAD + 10))
    taken = 0
    while queue.has_room(10):
        queue.put(entry())
        taken += 1
    assert (taken, queue.bytes, queue.spans) == (10, 100, 10)


def test_head_stays_until_it_is_settled():
    """Reading the head takes nothing away; settling takes exactly that many, oldest first."""
    queue = Queue(100_000)
    for spans in (1, 2, 3):
        queue.put(entry(spans=spans))
    assert [one.spans for one in queue.head(20)] == [1, 2]
    assert [one.spans for one in queue.head(1)] == [1]
    assert queue.settle(2) == 3
    assert (queue.spans, queue.bytes, len(queue)) == (3, 10, 1)
    assert not queue.empty.is_set()
    queue.settle(1)
    assert queue.empty.is_set()


def test_head_of_nothing_is_nothing():
    """An empty queue has no head and no age."""
    queue = Queue(1000)
    assert queue.head(10) == []
    assert queue.oldest_seconds() == 0.0


def test_age_is_that_of_the_oldest():
    """The age follows the clock it was given."""
    queue = Queue(1000, clock=lambda: 7.5)
    queue.put(entry(at=5.0))
    queue.put(entry(at=6.0))
    assert queue.oldest_seconds() == 2.5


def test_reached_waits_for_enough_bytes():
    """A waiter wakes when the size is there, not at the first entry."""

    async def main():
        queue = Queue(100_000)
        waiter = asyncio.create_task(queue.reached(25))
        for _ in range(2):
            queue.put(entry())
            await asyncio.sleep(1)
        assert not waiter.done()
        queue.put(entry())
        await waiter

    run(main())
