"""The relay with real senders and real sockets: whatever an upstream does, every span is accounted for."""

import asyncio
import logging
import socket

import pytest

from agent.relay.relay import Refused, Relay
from config.net.resolve import resolver
from exporters.base import Delivery
from exporters.contract import METRICS
from tests.agent import upstream as scriptable
from tests.agent.pipeline import relaying, sender, settled, submit
from tests.agent.spans import request, until
from tests.agent.upstream import Reply, partial


async def send(relay, requests=10, spans=100):
    for _ in range(requests):
        await submit(relay, request(spans), spans)
        await asyncio.sleep(0)


async def test_spans_arrive_as_they_came(upstream):
    """What the upstream gets is the concatenation of the very bytes that were accepted."""
    bodies = [request(3), request(2), request(1)]
    async with relaying(upstream.url) as relay:
        for body in bodies:
            await submit(relay, body, 3)
        await until(settled(relay))
    assert b"".join(arrival.body for arrival in upstream.arrivals) == b"".join(bodies)


@pytest.mark.parametrize(
    ("reply", "delivered", "rejected", "reason"),
    [
        pytest.param(partial(0, "deprecated"), 1000, 0, "partial_success", marks=pytest.mark.case("E3"), id="warning"),
        pytest.param(partial(7, "limits"), 993, 7, "partial_success", id="some-rejected"),
        pytest.param(partial(9999), 0, 1000, "partial_success", marks=pytest.mark.case("E4"), id="too-many"),
        pytest.param(partial(-5, "?"), 1000, 0, "partial_success", marks=pytest.mark.case("E4"), id="negative"),
        pytest.param(Reply(404), 0, 1000, "status", id="wrong-path"),
        pytest.param(Reply(500), 0, 1000, "status", id="not-retryable"),
    ],
)
async def test_answers_are_booked(upstream, reply, delivered, rejected, reason):
    """Delivered means accepted by the upstream, not sent."""
    async with relaying(upstream.url, linger=0.05) as relay:
        upstream.script.append(reply)
        await send(relay)
        await until(settled(relay))
        account = relay.ledger.accounts["first"]
        assert (account.delivered, account.rejected[reason]) == (delivered, rejected)
        assert len(upstream.arrivals) == 1


@pytest.mark.case("E7")
@pytest.mark.parametrize("after", ["Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5", "0"])
async def test_odd_retry_after_loses_nothing(upstream, after):
    """A date in the past, a word, a negative number and 0 all mean: the usual back-off."""
    upstream.script.append(Reply(503, headers={"Retry-After": after}))
    async with relaying(upstream.url, chance=lambda: 0.1) as relay:
        await send(relay, 1)
        await until(settled(relay))
        assert relay.ledger.accounts["first"].delivered == 100
        assert relay.ledger.accounts["first"].retries["503"] == 1


@pytest.mark.case("E13")
async def test_a_request_that_is_too_large_is_halved(upstream):
    """413 to a merged request splits it, down to the single request that is really too large."""
    upstream.largest = 20_000
    async with relaying(upstream.url, linger=0.05) as relay:
        await send(relay, 10, 10)
        await submit(relay, request(1, filler=30_000), 1)
        await until(settled(relay))
        account = relay.ledger.accounts["first"]
        assert (account.delivered, account.dropped["too_large"]) == (100, 1)


async def test_a_poisoned_request_goes_alone(upstream):
    """400 to a merged request costs the bad request's spans and nobody else's."""
    upstream.poison = b"POISON"
    async with relaying(upstream.url, linger=0.05) as relay:
        await send(relay, 5)
        await submit(relay, request(3, name="POISON"), 3)
        await send(relay, 5)
        await until(settled(relay))
        account = relay.ledger.accounts["first"]
        assert (account.delivered, account.rejected["invalid"]) == (1000, 3)
    assert upstream.accepted == 1000


@pytest.mark.case("E17")
async def test_an_upstream_that_was_away_gets_everything_once(upstream):
    """Connection refused loses and doubles nothing, and the first delivery is soon after it came back."""
    await upstream.stop()
    async with relaying(upstream.url) as relay:
        await send(relay)
        account = relay.ledger.accounts["first"]
        await until(lambda: account.retries["connect"] >= 4)
        await upstream.start()
        await until(lambda: upstream.arrivals, 2.0)
        await until(settled(relay))
        assert account.delivered == 1000
    assert upstream.accepted == 1000
    assert upstream.most_inflight == 1


@pytest.mark.case("E18")
async def test_a_name_that_moves_is_found_again(upstream, monkeypatch):
    """No address, then an old one where nobody listens, then the new one: all of it arrives, without a restart."""
    answers = [socket.gaierror(socket.EAI_NONAME, "no such name"), "127.0.0.3", "127.0.0.1"]

    def lookup(host, port, **_):
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    monkeypatch.setattr(resolver, "lookup", lookup)
    async with relaying(f"http://gateway.test:{upstream.port}") as relay:
        await send(relay)
        await until(settled(relay))
        account = relay.ledger.accounts["first"]
        assert (account.delivered, account.retries["dns"], account.retries["connect"]) == (1000, 1, 1)


@pytest.mark.case("E19")
async def test_an_upstream_that_never_answers_is_tried_again(upstream):
    """An attempt ends at its timeout; whoever submits does not notice."""
    upstream.script.append(Reply(delay=30))
    async with relaying(upstream.url, patience=0.5, chance=lambda: 0.1) as relay:
        await send(relay, 1)
        await until(settled(relay))
        account = relay.ledger.accounts["first"]
        assert account.delivered == 100
        assert account.retries["timeout"] >= 1


@pytest.mark.case("E20")
async def test_a_slow_destination_delays_no_other(upstream):
    """Only the slow one's queue grows; five others have everything at once."""
    upstream.always = Reply(delay=30)
    async with scriptable.listening() as quick, relaying(upstream.url, *[quick.url] * 5) as relay:
        await send(relay)
        slow, *fast = relay.ledger.accounts.values()
        await until(lambda: all(account.delivered == 1000 for account in fast))
        assert (slow.delivered, slow.queue.items) == (0, 1000)


@pytest.mark.case("E21")
@pytest.mark.parametrize("reset", ["before", "during"])
async def test_a_reset_connection_is_tried_again(upstream, reset):
    """A request without a whole answer is sent again, so duplicates are at most what was on its way."""
    upstream.script.append(Reply(reset=reset))
    async with relaying(upstream.url, chance=lambda: 0.1) as relay:
        await send(relay, 1)
        await until(settled(relay))
        account = relay.ledger.accounts["first"]
        assert (account.delivered, account.retries["disconnect"]) == (100, 1)
    assert [arrival.spans for arrival in upstream.arrivals] == [100, 100]


@pytest.mark.case("F1")
async def test_a_full_queue_refuses_and_keeps_what_it_has(upstream):
    """Beyond the capacity a request is refused and counted as such; what was accepted is delivered."""
    await upstream.stop()
    body = request(100)
    async with relaying(upstream.url, queue_bytes=3 * len(body)) as relay:
        await submit(relay, body, 100)
        await submit(relay, body, 100)
        with pytest.raises(Refused, match="queue_full"):
            await submit(relay, body, 100)
        assert relay.ledger.refused["queue_full"] == 100
        assert relay.ledger.received["http"] == 200
        await upstream.start()
        await until(settled(relay))
    assert upstream.accepted == 200


async def test_all_destinations_take_a_request_or_none(upstream):
    """A sender that is refused sends again: nobody may have taken the first one."""
    body = request(100)
    async with relaying(upstream.url, upstream.url, queue_bytes=2 * len(body), work=False) as relay:
        await submit(relay, body, 100)
        first = relay.ledger.accounts["first"]
        first.queue.settle(first.queue.head(1))
        first.delivered += 100
        with pytest.raises(Refused):
            await submit(relay, body, 100)
        assert [account.accepted for account in relay.ledger.accounts.values()] == [100, 100]


@pytest.mark.case("A8")
async def test_an_envelope_without_spans_goes_nowhere(upstream):
    """Success, zero spans, and the upstream is not bothered."""
    async with relaying(upstream.url) as relay:
        await submit(relay, request(0), 0)
        assert settled(relay)()
    assert upstream.arrivals == []


@pytest.mark.case("H1")
async def test_drain_delivers_what_is_queued(upstream):
    """With a healthy upstream nothing is left, and what comes after the start of the drain is refused."""
    async with relaying(upstream.url, linger=0.05) as relay:
        await send(relay, 100)
        assert await relay.drain(5)
        with pytest.raises(Refused, match="stopping"):
            await submit(relay, request(), 1)
        assert relay.ledger.refused["stopping"] == 1
    assert upstream.accepted == 10_000


async def test_drain_against_a_dead_upstream_ends_in_time_and_says_what_is_lost(upstream, caplog):
    """The budget is kept, the rest is counted as dropped, and the last line has the numbers."""
    await upstream.stop()
    caplog.set_level(logging.INFO)
    async with relaying(upstream.url) as relay:
        await send(relay, 2)
        async with asyncio.timeout(60):
            assert not await relay.drain(0.3)
        account = relay.ledger.accounts["first"]
    assert account.dropped["shutdown"] == 200
    assert caplog.records[-1].getMessage() == (
        "traces to first: accepted 200 spans, delivered 0, refused upstream 0, dropped 200, kept on disk 0"
    )
    await relay.aclose()
    assert account.dropped["shutdown"] == 200


async def test_a_changed_destination_inherits_what_was_queued(upstream):
    """A reload that mends an endpoint loses no span that the wrong one could not take."""
    async with relaying("http://127.0.0.1:9", work=False) as relay:
        await submit(relay, request(100), 100)
        await relay.remove("first", keep=True)
        task = asyncio.create_task(relay.add("first", sender(upstream.url)).run())
        await until(settled(relay))
        assert relay.ledger.accounts["first"].delivered == 100
        task.cancel()
    assert upstream.accepted == 100


async def test_a_removed_destination_says_what_it_drops(upstream, caplog):
    """What was owed to a destination that is gone is given up, and told; the others go on."""
    async with relaying(upstream.url, upstream.url, work=False) as relay:
        await submit(relay, request(5), 5)
        account = relay.ledger.accounts["second"]
        await relay.remove("second")
        await submit(relay, request(5), 5)
        assert account.dropped["removed"] == 5
        assert (account.accepted, relay.ledger.accounts["first"].accepted) == (5, 10)
    assert "traces to second: accepted 5 spans" in caplog.text


async def test_every_metric_is_there_from_the_start(upstream):
    """The first scrape has every series of the pipeline at 0, under a name and labels of the contract."""
    async with relaying(upstream.url) as relay:
        families = dict(relay.samples())
        passed = {"outrider_otlp_passed_items_total", "outrider_otlp_queue_items"}
        assert set(families) == {name for name in METRICS if name.startswith("outrider_otlp_")} - passed
        for name, samples in families.items():
            assert samples, name
            for sample in samples:
                assert len(sample.labels) == len(METRICS[name].labels)
                assert sample.value == 0
        await send(relay, 1)
        await until(settled(relay))
        after = {(name, sample.labels): sample.value for name, samples in relay.samples() for sample in samples}
        assert after["outrider_otlp_received_spans_total", ("http",)] == 100
        assert after["outrider_otlp_delivered_spans_total", ("first",)] == 100


async def test_pipeline_tells_every_destination(upstream):
    """The API shows what came in and, by destination, what became of it."""
    async with relaying(upstream.url) as relay:
        await send(relay, 1)
        await until(settled(relay))
        seen = relay.pipeline()
    assert seen["received_spans"] == {"http": 100, "json": 0, "grpc": 0}
    assert (seen["durability"], seen["storage_degraded"]) == ("memory", False)
    assert seen["destinations"]["first"]["delivered_spans"] == 100


async def test_nothing_is_taken_for_nobody():
    """Without a destination a request is refused: whoever is told yes forgets the spans."""
    relay = Relay({})
    with pytest.raises(Refused, match="no_destination"):
        await submit(relay, request(2), 2)
    assert (relay.ledger.received["http"], relay.ledger.refused["no_destination"]) == (0, 2)
    assert await relay.drain(0.1)
    await relay.aclose()


class _SlowToClose:
    """A sender that takes requests while another one is being closed."""

    def __init__(self, closing):
        self.closing = closing

    async def send(self, body, signal="traces", headers=()):
        return Delivery()

    async def aclose(self):
        await self.closing()


async def test_what_comes_while_a_destination_is_replaced_is_kept():
    """Between the end of the old sender and the start of the new one, spans are queued as ever and none is lost."""
    relay = Relay({"gateway": _SlowToClose(lambda: submit(relay, request(3), 3))})
    await submit(relay, request(2), 2)
    await relay.remove("gateway", keep=True)
    account = relay.add("gateway", _SlowToClose(lambda: asyncio.sleep(0))).account
    assert (account.accepted, account.queue.items) == (5, 5)
    assert account.balanced()


async def test_an_end_in_the_midst_of_a_reload_leaves_no_span_uncounted():
    """What was kept for a destination that did not come back in time is given up like the rest, once."""
    relay = Relay({"gateway": _SlowToClose(lambda: asyncio.sleep(0))})
    await submit(relay, request(2), 2)
    account = relay.ledger.accounts["gateway"]
    await relay.remove("gateway", keep=True)
    await relay.aclose()
    await relay.aclose()
    assert (account.dropped["shutdown"], account.balanced(), relay.kept_spans) == (2, True, 0)
