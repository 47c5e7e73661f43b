"""When a lane tries, waits, halves, cuts and gives up: in simulated time, with a sender that follows a script."""

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agent.relay.entry import Entry, Signal
from agent.relay.lane import Lane
from agent.relay.ledger import Account
from agent.relay.memory import Memory
from agent.relay.queue import Queue
from agent.relay.settings import Settings
from agent.relay.store import NoStore
from exporters.base import Delivery, Permanent, Retryable
from tests.agent.relay.lanes import Script, running
from tests.agent.relay.shelf import Shelf
from tests.agent.relay.shelf import lane as key
from tests.agent.spans import request
from tests.virtual import run


class Recorded(NoStore):
    """Keeps nothing but what a shelf is told of upstreams."""

    def __init__(self, shelf):
        super().__init__()
        self.learn, self.quarantine = shelf.learn, shelf.quarantine


def spans(body):
    found = ExportTraceServiceRequest.FromString(body)
    return [span for resource in found.resource_spans for scope in resource.scope_spans for span in scope.spans]


def lane(sender, *, linger=0.1, merge_bytes=1000, brisk_bytes=1_000_000, chance=lambda: 0.5, store=None, **options):
    loop = asyncio.get_running_loop()
    account = Account(Queue(Memory(10_000_000), loop.time))
    return Lane(
        key(),
        sender,
        account,
        store or NoStore(),
        Settings(merge_bytes, linger, brisk_bytes),
        clock=loop.time,
        chance=chance,
        **options,
    )


def put(target, *bodies, items=10, headers=()):
    for body in bodies:
        target._store.next_seq += 1
        target.account.accepted += items
        at = target.queue._wall()
        target.queue.put(Entry(target._store.next_seq - 1, Signal.TRACES, body, items, at, headers))


def play(sender, *bodies, chance=lambda: 0.5, **options):
    """Queue the bodies, run until they are settled, and return the lane."""

    async def main():
        target = lane(sender, chance=chance, **options)
        put(target, *bodies)
        async with running(target):
            await target.queue.empty.wait()
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


def test_requests_are_small_while_the_upstream_keeps_up():
    """Half of what may be merged leaves at a time, until more than that may waits: then as much as may."""
    keeping_up, behind = Script(), Script()
    play(keeping_up, *[b"a" * 100] * 10, merge_bytes=1000, brisk_bytes=500)
    assert list(map(len, keeping_up.bodies)) == [500, 500]
    play(behind, *[b"a" * 100] * 21, merge_bytes=1000, brisk_bytes=500)
    assert list(map(len, behind.bodies)) == [1000, 1000, 100]


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
        target = lane(sender)
        put(target, b"a")
        with pytest.raises(RuntimeError):
            await target.run()
        assert (target.queue.items, target.account.inflight) == (10, 0)
        async with running(target):
            await target.queue.empty.wait()
        assert target.account.delivered == 10

    run(main())


def test_hurry_ends_a_long_wait():
    """A drain does not sit out a Retry-After of minutes, and then tries at least every second."""

    async def main():
        loop = asyncio.get_running_loop()
        sender = Script(Retryable("503", after=300.0), Retryable("503", after=300.0))
        target = lane(sender, chance=lambda: 1.0)
        put(target, b"a")
        async with running(target):
            await asyncio.sleep(5)
            target.hurry()
            await target.queue.empty.wait()
        assert loop.time() < 1007
        assert target.account.delivered == 10

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


OUTCOMES = st.sampled_from([
    Delivery(), Delivery(3), Delivery(1000, "all"), Retryable("503"), Retryable("connect", after=2.0),
    Permanent("invalid"), Permanent("auth"), Permanent("too_large"), Permanent("status"), Permanent("odd"),
])  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OUTCOMES, max_size=30), st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_every_span_is_accounted_for(outcomes, sizes):
    """Whatever the upstream says in whatever order, accepted = delivered + rejected + queued, and the queue empties."""

    async def main():
        target = lane(Script(*outcomes), linger=0.0)
        async with running(target):
            for size in sizes:
                put(target, b"x" * 100, items=size)
                await asyncio.sleep(0.3)
                assert target.account.balanced()
            await target.queue.empty.wait()
        account = target.account
        assert account.delivered + account.rejected.total() + account.dropped.total() == sum(sizes)

    run(main())


@pytest.mark.case("C15")
def test_requests_that_differ_in_headers_are_not_merged():
    """Each tenant's requests are merged among themselves, and leave with their headers."""
    one, two = (("x-tenant", "one"),), (("x-tenant", "two"),)
    sender = Script()

    async def main():
        target = lane(sender)
        for body, headers in ((b"a", one), (b"b", two), (b"c", one), (b"d", two)):
            put(target, body, headers=headers)
        async with running(target):
            await target.queue.empty.wait()

    run(main())
    assert list(zip(sender.bodies, sender.headers, strict=True)) == [(b"ac", one), (b"bd", two)]


@pytest.mark.case("E11")
def test_refused_credentials_give_spans_up_when_asked_to():
    """`drop_on_auth_error` is what the specification says: 401 is final."""
    target = play(Script(Permanent("auth", "401")), b"a", b"b", drop_on_auth_error=True)
    assert (target.account.rejected["auth"], target.account.retries["auth"]) == (20, 0)


def test_poison_is_kept_for_a_person_to_look_at():
    """What was refused as invalid is handed to the store, alone, with the upstream's words."""
    shelf = Shelf()
    play(Script(bad=b"BAD"), b"good", b"BAD", b"fine", store=Recorded(shelf))
    assert [(one.body, reason) for _, one, reason in shelf.quarantined] == [(b"BAD", "invalid: poison")]


@pytest.mark.case("E13")
def test_what_is_too_large_is_halved_and_the_size_is_remembered():
    """After the first refusal no merged request exceeds what was learnt, and nothing is lost."""
    shelf, sender = Shelf(), Script(largest=300_000)
    bodies = [bytes([65 + place]) * 50_000 for place in range(16)]
    target = play(sender, *bodies, merge_bytes=1_000_000, store=Recorded(shelf))
    assert b"".join(sender.taken) == b"".join(bodies)
    assert target.account.delivered == 160
    assert target.account.learnt == shelf.learnt[key()] == 200_000


@pytest.mark.case("E13")
def test_a_single_request_that_is_too_large_is_cut_by_spans():
    """Every span arrives once, and only the one that is itself too large is given up."""
    body = request(20, filler=1000) + request(1, filler=50_000) + request(3)
    sender = Script(largest=6000)

    async def main():
        target = lane(sender, merge_bytes=1_000_000)
        put(target, body, items=24)
        async with running(target):
            await target.queue.empty.wait()
        return target.account

    account = run(main())
    assert (account.delivered, account.dropped["too_large"], account.rejected.total()) == (23, 1, 0)
    sent = [span for part in sender.taken for span in spans(part)]
    assert len(sent) == 23
    assert [span.span_id for span in sent] == [
        span.span_id for span in spans(body) if len(span.SerializeToString()) < 6000
    ]


def test_an_upstream_that_calls_everything_too_large_is_not_stormed():
    """It means something else, such as a quota: what is small is given up whole."""
    sender = Script(largest=0)
    target = play(sender, *[b"x" * 100] * 30, merge_bytes=1_000_000)
    assert target.account.dropped["too_large"] == 300
    assert len(sender.bodies) == 1


def test_a_part_that_waits_is_not_given_up():
    """While one request leaves in parts, an outage in between costs nothing, and the request cannot be dropped."""
    body = request(20, filler=1000)
    sender = Script(Retryable("503", after=5.0), largest=12_000)

    async def main():
        target = lane(sender, merge_bytes=1_000_000)
        put(target, body, items=20)
        async with running(target):
            await asyncio.sleep(3)
            assert not target.queue.drop(target.queue.head(1)[0])
            await target.queue.empty.wait()
        return target.account

    assert run(main()).delivered == 20


def test_what_was_dropped_while_it_waited_is_not_sent():
    """The next attempt has only what is still owed, and none is made for nothing."""
    sender = Script(Retryable("503", after=5.0), Retryable("503", after=5.0))

    async def main():
        target = lane(sender, linger=0.0)
        put(target, b"a", b"b")
        dropped = target.queue.in_memory_before()
        async with running(target):
            for one in dropped:
                await asyncio.sleep(3)
                assert target.queue.drop(one)
                target.account.book({("dropped", "too_old"): one.items})
            await asyncio.sleep(60)
        return target

    target = run(main())
    assert sender.bodies == [b"ab", b"b"]
    assert target.account.dropped["too_old"] == 20


@pytest.mark.case("E25")
def test_an_upstream_that_flaps_gets_as_much_as_comes():
    """Refused every other time, it is asked at most some times a second, and takes all of a steady stream."""
    sender = Script(*[Retryable("503"), Delivery()] * 1000)

    async def main():
        target = lane(sender, merge_bytes=1_000_000)
        async with running(target):
            for _ in range(1000):
                put(target, b"x" * 100)
                await asyncio.sleep(0.06)
            delivered = target.account.delivered
            await target.queue.empty.wait()
        assert delivered > 9900  # of 10,000, while they came
        assert len(sender.bodies) < 60 * 8

    run(main())
