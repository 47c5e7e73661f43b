"""One attempt over gRPC against a real server: what it sends, and what it makes of each answer."""

import gzip
import time

import pytest

from agent.demo.servers import Rotel
from config.net.grpc_core import grpc
from config.types import Secret
from exporters.base import Delivery, Permanent, Retryable
from exporters.otlp.grpc import METHODS, RETRYABLE
from exporters.otlp.grpc_line import MOST_COMPRESSED
from exporters.otlp.status import MAX_ANSWER
from tests.agent import upstream_grpc
from tests.agent.spans import request
from tests.agent.upstream import partial
from tests.agent.upstream_grpc import Reply
from tests.exporters.otlp.attempts import outcome, sending
from tests.turns import longest_turn


@pytest.fixture
async def upstream():
    """A scriptable upstream that listens."""
    async with upstream_grpc.listening() as listening:
        yield listening


async def test_a_request_is_sent_as_it_is(upstream):
    """The body unchanged, with the metadata of the file and of the request, the latter in place of the former."""
    body = request(5)
    headers = {"X-Tenant": Secret("blue"), "Team": Secret("red")}
    async with sending(upstream.url, headers=headers) as sender:
        assert await sender.send(body, "traces", (("x-tenant", "green"), ("outrider-hops", "2"))) == Delivery()
    (arrival,) = upstream.arrivals
    assert (arrival.signal, arrival.body) == ("trace", body)
    told = {name: arrival.metadata[name] for name in ("x-tenant", "team", "outrider-hops")}
    assert told == {"x-tenant": "green", "team": "red", "outrider-hops": "2"}
    assert arrival.metadata["user-agent"].startswith("outrider ")


async def test_each_signal_has_its_service(upstream):
    """Metrics and logs go where OTLP takes them, over the same connection."""
    async with sending(upstream.url) as sender:
        for signal in METHODS:
            assert await sender.send(b"", signal) == Delivery()
    assert [arrival.signal for arrival in upstream.arrivals] == ["trace", "metrics", "logs"]


async def test_headers_that_only_http_can_carry(upstream):
    """What metadata cannot hold is percent-encoded or left out; it never fails the request."""
    headers = (
        ("x-tenant", "blå 100%"),
        ("x~odd", "1"),
        ("grpc-timeout", "1n"),
        ("raw-bin", "AAEC/w"),
        ("bad-bin", "?"),
    )
    async with sending(upstream.url) as sender:
        assert await sender.send(request(1), "traces", headers) == Delivery()
    told = upstream.arrivals[0].metadata
    assert (told["x-tenant"], told["raw-bin"]) == ("bl%C3%A5 100%", b"\x00\x01\x02\xff")
    assert not {"x~odd", "bad-bin", "grpc-x"} & set(told)


async def test_gzip_when_asked(upstream):
    """A compressed body comes out as it was, and is asked to be merged small; what is large goes as it is."""
    async with sending(upstream.url, compression="gzip") as sender:
        assert sender.merge_bytes < MOST_COMPRESSED
        for body in (request(2000), request(10, filler=MOST_COMPRESSED // 10)):
            await sender.send(body)
            assert upstream.arrivals[-1].body == body
    async with sending(upstream.url) as sender:
        assert sender.merge_bytes is None


async def test_compressing_does_not_hold_up_the_loop(upstream):
    """The library compresses in our thread, so a body that would take long is sent as it is."""
    body = request(2000, filler=1000)
    async with sending(upstream.url, compression="gzip") as sender:
        await sender.send(request(1))
        delivery, longest = await longest_turn(sender.send(body))
        assert delivery == Delivery()
    before = time.thread_time()
    gzip.compress(body, 6)
    assert longest < time.thread_time() - before


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(), Delivery(), id="empty"),
        pytest.param(Reply(body=b"\xff\xff"), Delivery(), id="not-protobuf"),
        pytest.param(Reply(body=partial(3, "limits").body), Delivery(3, "limits"), id="some-rejected"),
        pytest.param(Reply(body=partial(0, "old\nversion").body), Delivery(0, "old version"), id="warning"),
        pytest.param(Reply(body=partial(-4, "?").body), Delivery(0, "?"), id="negative"),
    ],
)
async def test_success(upstream, reply, expected):
    """OK is a delivery, and partial_success is what the upstream says of it."""
    assert await outcome(upstream, reply) == expected


RETRIED = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
REASONS = {
    "OK": None,
    "DEADLINE_EXCEEDED": "timeout",
    "INVALID_ARGUMENT": "invalid",
    "RESOURCE_EXHAUSTED": "too_large",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
}


@pytest.mark.case("E15")
@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode])
async def test_codes(upstream, code):
    """The specification's list is retried and nothing else; the upstream's own words are in the error."""
    found = await outcome(upstream, Reply(code, "because\nof rain"))
    if code == "OK":
        assert found == Delivery()
        return
    retried = code in RETRIED
    assert type(found) is (Retryable if retried else Permanent)
    assert found.reason == REASONS.get(code, "unavailable" if retried else "status")
    assert str(found) == f"{found.reason}: the upstream answered {code}: because of rain"


def test_all_codes_are_known():
    """No code of the specification is forgotten, and none is made up."""
    assert len(grpc.StatusCode) == 17
    assert set(RETRYABLE) == set(RETRIED)


@pytest.mark.case("E16")
@pytest.mark.parametrize(
    ("details", "legacy", "after"),
    [(5.0, None, 5.0), (None, 5.0, 5.0), (5.0, 2.5, 5.0), (2.5, 5.0, 5.0), (0.0, None, 0.0), (1e6, None, 300.0)],
)
@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
async def test_retry_info(upstream, code, details, legacy, after):
    """In either carrier, the longer of both, clamped; with it, RESOURCE_EXHAUSTED means later."""
    found = await outcome(upstream, Reply(code, details=details, legacy=legacy))
    assert (type(found), found.reason, found.after) == (Retryable, "unavailable", after)


async def test_an_endless_answer_is_not_read(upstream):
    """An answer over the limit is refused, and the spans are not sent again and again."""
    found = await outcome(upstream, Reply(body=bytes(MAX_ANSWER + 1)))
    assert (type(found), found.reason) == (Permanent, "answer")


async def test_rotel_takes_it():
    """A real collector is delivered to over gRPC, compressed and not."""
    with Rotel() as rotel:
        for compression in ("gzip", "none"):
            async with sending(rotel.grpc_url, compression=compression) as sender:
                assert await sender.send(request(20)) == Delivery()
