"""When a destination tries, waits, halves and gives up: in simulated time, with a sender that follows a script."""

import asyncio
import contextlib
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.relay.destination import Destination, Settings
from agent.relay.ledger import Account
from agent.relay.queue import Entry, Queue
from exporters.base import Delivery, Permanent, Retryable
from tests.virtual import run


class Script:
    """A sender that raises or returns what the test lists, then accepts; `bad` in a body is refused for good."""

    def __init__(self, *replies, bad=None):
        self.replies = list(replies)
        self.bad = bad
        self.at = []
        self.bodies = []
        self.closed = 0

    async def send(self, body):
        self.at.append(asyncio.get_running_loop().time())
        self.bodies.append(body)
        if self.bad and self.bad in body:
            raise Permanent("invalid", "poison")
        reply = self.replies.pop(0) if self.replies else Delivery()
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def aclose(self):
        self.closed += 1


def destination(sender, *, linger=0.1, merge_bytes=1000, chance=lambda: 0.5):
    loop = asyncio.get_running_loop()
    account = Account(Queue(1_000_000, loop.time))
    return Destination("gateway", sender, account, Settings(merge_bytes, linger), clock=loop.time, chance=chance)


def put(target, *bodies, spans=10):
    for body in bodies:
        target.account.accepted += spans
        target.account.queue.put(Entry(body, spans, target.account.queue._clock()))


@contextlib.asynccontextmanager
async def running(target):
    task = asyncio.create_task(target.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert target.account.balanced()


def play(sender, *bodies, chance=lambda: 0.5, **options):
    """Queue the bodies, run until they are settled, and return the destination."""

    async def main():
        target = destination(sender, chance=chance, **options)
        put(target, *bodies)
        async with running(target):
            await target.account.queue.empty.wait()
        return target

    return run(main())


def gaps(sender):
    return [round(later - before, 3) for before, later in zip(sender.at, sender.at[1:], strict=False)]


def test_what_waits_is_merged():
    """Requests that came while the worker lingered leave as one, in order."""
    sender = Script()
    target = play(sender, b"a", b"b", b"c")
    assert sender.bodies == [b"abc"]
    assert target.account.delivered == 30


def test_merging_stops_at_the_cap():
    """A merged request never exceeds the cap, unless one request alone does."""
    sender = Script()
    play(sender, b"a" * 600, b"b" * 600, b"c" * 5000, b"d" * 10, merge_bytes=1000)
    assert list(map(len, sender.bodies)) == [600, 600, 5000, 10]


@pytest.mark.case("E7")
@pytest.mark.parametrize(
    ("after", "waited"),
    [(3.0, 3.25), (0.0, 0.25), (-5.0, 0.25), (None, 0.25), (1e9, 300.25)],
    ids=["seconds", "zero", "negative", "absent", "clamped"],
)
def test_retry_after_is_honoured_and_clamped(after, waited):
    """The wait is what the upstream asked for, at most five minutes, plus a random share; and nothing is dropped."""
    sender = Script(Retryable("503", after=after))
    target = play(sender, b"a")
    assert gaps(sender) == [waited]
    assert target.account.delivered == 10


@pytest.mark.case("E8")
def test_back_off_grows_to_its_cap():
    """Without advice the waits double up to thirty seconds."""
    sender = Script(*[Retryable("503")] * 10)
    play(sender, b"a", chance=lambda: 1.0)
    assert gaps(sender) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


@pytest.mark.case("E8")
def test_two_sidecars_do_not_align():
    """Another replica's chance makes another rhythm."""
    first, second = Script(*[Retryable("503")] * 5), Script(*[Retryable("503")] * 5)
    play(first, b"a", chance=iter([0.1, 0.9, 0.4, 0.7, 0.2]).__next__)
    play(second, b"a", chance=iter([0.8, 0.3, 0.6, 0.1, 0.9]).__next__)
    assert all(one != other for one, other in zip(gaps(first), gaps(second), strict=True))


@pytest.mark.case("E17")
def test_an_upstream_that_comes_back_is_found_within_two_seconds():
    """However long it was away, a refused connection is tried again at least every second."""
    sender = Script(*[Retryable("connect")] * 40)
    target = play(sender, b"a", chance=lambda: 1.0)
    assert max(gaps(sender)) <= 1.0
    assert target.account.retries["connect"] == 40


@pytest.mark.case("E11")
def test_refused_credentials_keep_the_spans():
    """401 and 403 are an operator's to mend: nothing is dropped, and the upstream is not stormed."""
    sender = Script(*[Permanent("auth")] * 12)
    target = play(sender, b"a", chance=lambda: 1.0)
    assert target.account.delivered == 10
    assert target.account.retries["auth"] == 12
    assert gaps(sender)[-1] == 30


@pytest.mark.parametrize("poisoned", [(3,), (0, 7), (2, 3), ()], ids=str)
def test_poison_takes_no_neighbour_along(poisoned):
    """A merged request that is refused as invalid is halved until only the bad ones are refused."""
    bodies = [b"BAD" if place in poisoned else f"<{place}>".encode() for place in range(8)]
    sender = Script(bad=b"BAD")
    target = play(sender, *bodies)
    assert target.account.rejected["invalid"] == 10 * len(poisoned)
    assert target.account.delivered == 10 * (8 - len(poisoned))
    accepted = b"".join(body for body in sender.bodies if b"BAD" not in body)
    assert accepted == b"".join(body for body in bodies if body != b"BAD")


def test_other_refusals_are_final():
    """A status that blames neither body nor credentials may not be sent again, says OTLP."""
    sender = Script(Permanent("status", "404"))
    target = play(sender, b"a", b"b")
    assert len(sender.bodies) == 1
    assert target.account.rejected["status"] == 20


def test_a_reason_of_a_plug_in_is_counted_as_other():
    """Labels stay a closed set whatever a sender says."""
    target = play(Script(Permanent("weather"), Retryable("moon")), b"a")
    assert target.account.rejected["other"] == 10
    assert "weather" not in target.account.rejected


@pytest.mark.case("E4")
@pytest.mark.parametrize(("said", "counted"), [(4, 4), (99, 10), (-3, 0)], ids=["some", "too-many", "negative"])
def test_partial_success_is_clamped(said, counted):
    """An upstream that cannot count does not unbalance the ledger."""
    target = play(Script(Delivery(said, "no room")), b"a")
    assert target.account.rejected["partial_success"] == counted
    assert target.account.delivered == 10 - counted
    assert target.account.partial == 1


def test_a_worker_that_died_loses_nothing():
    """An error that no sender may raise ends the task; started again, it delivers what was queued."""

    async def main():
        sender = Script(RuntimeError("bug"))
        target = destination(sender)
        put(target, b"a")
        with pytest.raises(RuntimeError):
            await target.run()
        assert (target.account.queue.spans, target.account.inflight) == (10, 0)
        async with running(target):
            await target.account.queue.empty.wait()
        assert target.account.delivered == 10

    run(main())


def test_hurry_ends_a_long_wait():
    """A drain does not sit out a Retry-After of minutes, and then tries at least every second."""

    async def main():
        loop = asyncio.get_running_loop()
        sender = Script(Retryable("503", after=300.0), Retryable("503", after=300.0))
        target = destination(sender, chance=lambda: 1.0)
        put(target, b"a")
        async with running(target):
            await asyncio.sleep(5)
            target.hurry()
            await target.account.queue.empty.wait()
        assert loop.time() < 1007
        assert target.account.delivered == 10

    run(main())


def test_what_is_left_at_the_end_is_counted():
    """Giving up counts the rest as dropped, once."""

    async def main():
        target = destination(Script())
        put(target, b"a", b"b")
        assert (target.abandon("shutdown"), target.abandon("shutdown")) == (20, 0)
        assert target.account.dropped["shutdown"] == 20
        assert target.account.balanced()

    run(main())


def test_logs_tell_edges_only(caplog):
    """Ten failures in a row are one warning, and the recovery one line; refusals of a kind one line a minute."""
    caplog.set_level(logging.INFO)
    play(Script(*[Retryable("503", "overloaded")] * 10), b"a")
    play(Script(bad=b"x"), *[b"x"] * 8)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "traces to gateway: 503: overloaded; keeping 10 spans and trying again"),
        ("INFO", "traces to gateway: the upstream answers again, after 76 s"),
        ("WARNING", "traces to gateway: the upstream refused 10 spans for good: invalid: poison"),
    ]


def test_view_tells_what_is_wrong():
    """The page shows the state, the upstream's own words and the age of the backlog."""

    async def main():
        target = destination(Script(Retryable("503", "overloaded", after=60.0)))
        assert target.view()["state"] == "idle"
        put(target, b"a")
        async with running(target):
            await asyncio.sleep(10)
            view = target.view()
            assert (view["state"], view["trouble"]) == ("failing", "503: overloaded")
            assert (view["queue_spans"], view["queue_oldest_seconds"]) == (10, 10.0)
            await target.account.queue.empty.wait()
            assert target.view()["state"] == "idle"
            assert target.view()["last_delivery_seconds_ago"] == 0.0

    run(main())


OUTCOMES = st.sampled_from([
    Delivery(), Delivery(3), Delivery(1000, "all"), Retryable("503"), Retryable("connect", after=2.0),
    Permanent("invalid"), Permanent("auth"), Permanent("too_large"), Permanent("status"), Permanent("odd"),
])  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OUTCOMES, max_size=30), st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_every_span_is_accounted_for(outcomes, sizes):
    """Whatever the upstream says in whatever order, accepted = delivered + rejected + queued, and the queue empties."""

    async def main():
        target = destination(Script(*outcomes), linger=0.0)
        async with running(target):
            for size in sizes:
                put(target, b"x" * 100, spans=size)
                await asyncio.sleep(0.3)
                assert target.account.balanced()
            await target.account.queue.empty.wait()
        assert target.account.delivered + target.account.rejected.total() == sum(sizes)

    run(main())
