"""Has an upstream what came until now? Asked later, and answered with yes only where that is certain."""

from agent.relay.entry import Entry, Signal
from agent.relay.memory import Memory
from agent.relay.queue import Queue
from agent.relay.relay import Relay
from agent.relay.store import Left
from tests.agent import upstream as scriptable
from tests.agent.pipeline import relaying, settled, submit
from tests.agent.spans import request, until
from tests.agent.upstream import Reply, partial


async def test_what_was_taken_is_delivered_once_the_upstream_has_it(upstream):
    """No while it waits, yes when it was answered; what comes after it does not matter."""
    upstream.script.append(Reply(503))
    async with relaying(upstream.url, chance=lambda: 0.1) as relay:
        await submit(relay, request(3), 3)
        delivered = relay.delivery()
        assert not delivered()
        await until(delivered)
        await submit(relay, request(3), 3)
        assert delivered()
        assert not relay.delivery()()


async def test_one_of_many_destinations_is_enough(upstream):
    """A person opens the trace wherever it is."""
    upstream.always = Reply(delay=30)
    async with scriptable.listening() as quick, relaying(upstream.url, quick.url) as relay:
        await submit(relay, request(1), 1)
        await until(relay.delivery())
        assert relay.ledger.accounts["first"].queue.items


async def test_after_a_loss_nobody_can_tell(upstream):
    """The upstream refused a part: of which request it does not say."""
    upstream.script.append(partial(1, "limits"))
    async with relaying(upstream.url) as relay:
        await submit(relay, request(3), 3)
        delivered = relay.delivery()
        await until(settled(relay))
        assert not delivered()
        assert relay.delivery()()


async def test_what_sampling_leaves_out_is_no_loss(upstream):
    """Those spans were never to be delivered."""
    async with relaying(upstream.url) as relay:
        await submit(relay, request(3), 3)
        delivered = relay.delivery()
        await submit(relay, request(1), 1, sampled=9)
        await until(settled(relay))
        assert delivered()


def test_without_a_destination_nothing_is_delivered():
    """There is nobody who could have it."""
    assert not Relay({}).delivery()()


def test_a_queue_knows_what_it_owes_by_number():
    """In memory and read back; what lies unread on a disk may be anything."""
    queue = Queue(Memory(100_000))
    assert not queue.owes(100)
    for seq in (7, 8):
        queue.put(Entry(seq, Signal.TRACES, b"x", 1, 0.0))
    assert [queue.owes(seq) for seq in (6, 7, 8, 9)] == [False, True, True, True]
    queue.restore(Left({}, 1, 1, 1, 0.0, 0))
    assert queue.owes(0)
    queue.read([Entry(3, Signal.TRACES, b"x", 1, 0.0)])
    assert [queue.owes(seq) for seq in (2, 3)] == [False, True]
