"""Upstreams that are away, hang, flap or refuse: nothing that was acknowledged is lost, and others do not notice."""

import contextlib
import socket
import statistics
import time

import pytest

from tests.agent.upstream import Reply, partial
from tests.pipeline.ends import HOST, Collector, Sender
from tests.pipeline.paths import (
    again,
    file_of,
    missing,
    page,
    port,
    reload,
    repeated,
    send,
    serving,
    settled,
    spans,
    upstream,
)
from tests.pipeline.upstreams import scripted
from tests.running import AT_ONCE, PATIENCE

pytestmark = pytest.mark.e2e


def until(condition):
    """Wait for something in this process."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.case("E17")
def test_an_upstream_that_was_away_gets_everything_once(tmp_path):
    """Refused for seconds, then up: all of it arrives, nothing twice, and the first of it soon."""
    collector = Collector()
    collector.port = port()
    with serving(file_of({"gateway": collector.port}, tmp_path)) as running:
        with Sender(running.otlp) as sender:
            running.wait(lambda: spans(running, "retries_total", code="connect") >= 5, "some attempts")
            assert spans(running, "inflight_requests") <= 1
            with collector.listening():
                up = time.monotonic()
                until(lambda: collector.requests)
                assert time.monotonic() - up < AT_ONCE
                running.wait(lambda: spans(running, "queue_spans", dest="gateway") < 500, "live traffic again")
                sender.__exit__()
                collector.until(sender.acknowledged)
                settled(running)
        assert not repeated(collector.delivered())
        assert spans(running, "recovered_spans_total") == 0


@pytest.mark.case("E19")
@pytest.mark.case("E20")
def test_one_that_hangs_is_nobody_elses_trouble(tmp_path):
    """Five are served as ever beside one that never answers; only that one's queue grows, and senders wait for none."""
    fast = [Collector() for _ in range(5)]
    with contextlib.ExitStack() as stack:
        for one in fast:
            stack.enter_context(one.listening())
        slow = stack.enter_context(socket.create_server((HOST, 0)))  # the kernel accepts, and nobody reads
        hangs = upstream(slow.getsockname()[1], "1s")
        forward = {f"fast-{number}": one.port for number, one in enumerate(fast)} | {"slow": hangs}
        running = stack.enter_context(serving(file_of(forward, tmp_path)))
        with Sender(running.otlp, rate=40) as sender:
            running.wait(lambda: spans(running, "retries_total", dest="slow", code="timeout") >= 2, "time-outs")
        for one in fast:
            one.until(sender.acknowledged)
        running.wait(lambda: spans(running, "queue_spans") == len(sender.acknowledged), "one queue alone")
        assert spans(running, "queue_spans", dest="slow") == sender.sent == len(sender.acknowledged)
        assert spans(running, "delivered_spans_total", dest="slow") == 0
        assert not missing(running)
        assert statistics.median(sender.took) < 1.0  # which is what the slow one takes


@pytest.mark.case("E25")
def test_one_that_flaps_gets_everything_without_a_storm():
    """Yes and 503 in turn: everything arrives once, and there are not many more requests than answers."""
    with scripted() as flapping, serving(file_of({"gateway": flapping.port})) as running:
        flapping.script.extend([Reply(), Reply(503)] * 10)
        with Sender(running.otlp, rate=40) as sender:
            until(lambda: not flapping.script)
        settled(running)
        delivered = flapping.delivered()
        assert delivered.keys() == sender.acknowledged
        assert not repeated(delivered)
        assert flapping.most_inflight == 1
        assert spans(running, "retries_total", code="503") == 10
        failed = [each.at for each in flapping.arrivals if each.status == 503]
        after = [next(one.at for one in flapping.arrivals if one.at > at) for at in failed]
        assert all(later - at > 0.001 for at, later in zip(failed, after, strict=True))


@pytest.mark.case("E26")
def test_a_long_outage_costs_the_oldest_in_exact_numbers(tmp_path):
    """More than the disk may hold: the oldest go, counted and told with their times; then live traffic is not late."""
    with scripted() as gateway:
        gateway.always = Reply(503)
        limits = "queue: {memory: 256KiB, disk: 1MiB}"
        with serving(file_of({"gateway": gateway.port}, tmp_path, limits)) as running:
            for first in range(1, 4000, 20):
                send(running, range(first, first + 20), 1000)
            running.wait(lambda: spans(running, "queue_bytes") < 1.1e6, "a queue that fits")
            dropped = int(spans(running, "dropped_spans_total", reason="queue_full"))
            assert dropped == 4000 - spans(running, "queue_spans") > 2000
            assert not missing(running)
            running.says("gateway: dropped ")
            gateway.always = Reply()
            running.wait(gateway.delivered, "a recovery")
            began = time.monotonic()
            live = send(running, range(10_001, 10_011))
            until(lambda: live <= gateway.delivered().keys())
            assert time.monotonic() - began < AT_ONCE
            settled(running)
            assert int(spans(running, "dropped_spans_total", reason="queue_full")) == dropped
            lost = set(range(1, 4001)) - gateway.delivered().keys()
            assert len(lost) == dropped
            assert max(lost) - dropped < 500  # older than these is only what was on its way, which is never given up
            assert not repeated(gateway.delivered())


@pytest.mark.case("E11")
def test_refused_credentials_keep_the_spans_until_they_are_mended(tmp_path):
    """401 and 403 lose nothing; with the right header in the file, everything goes out."""
    with scripted() as gateway:
        gateway.always = Reply(401, b"who are you?", content_type="text/plain")
        keys = f"{upstream(gateway.port)}, headers: {{authorization: canary-old}}"
        with serving(file_of({"gateway": keys}, tmp_path)) as running:
            sent = send(running, range(1, 101))
            running.wait(lambda: spans(running, "retries_total", code="auth") >= 1, "a refusal")
            gateway.always = Reply(403)
            running.wait(lambda: gateway.arrivals[-1].status == 403, "another")
            assert spans(running, "queue_spans") == 100
            reload(running, "canary-old", "canary-new")
            gateway.always = Reply()
            settled(running)
            assert gateway.delivered().keys() == sent
            assert gateway.arrivals[-1].headers["Authorization"] == "canary-new"


@pytest.mark.case("E11")
def test_refused_credentials_drop_where_the_file_says_so():
    """`drop_on_auth_error`: as the specification has it, counted as refused upstream."""
    with scripted() as gateway:
        gateway.always = Reply(403)
        keys = f"{upstream(gateway.port)}, drop_on_auth_error: true"
        with serving(file_of({"gateway": keys})) as running:
            send(running, range(1, 101))
            settled(running)
            assert spans(running, "rejected_upstream_spans_total", reason="auth") == 100


@pytest.mark.case("E13")
def test_what_is_too_large_is_cut_until_it_fits(tmp_path):
    """413 above 100 KiB: all arrives in smaller requests, once; a span that never fits is the only one given up."""
    with scripted() as gateway:
        gateway.largest = 100 * 1024
        with serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
            sent = send(running, range(1, 2001), 300)
            settled(running)
            assert gateway.delivered().keys() == sent
            assert not repeated(gateway.delivered())
            send(running, range(5001, 5002), 200_000)
            sent |= send(running, range(6001, 6101))
            settled(running)
            assert gateway.delivered().keys() == sent
            assert spans(running, "dropped_spans_total", reason="too_large") == 1
            assert page(running).total("otlp_delivered_spans_total") == 2100


@pytest.mark.case("E3")
@pytest.mark.case("E4")
def test_one_poisonous_request_takes_no_neighbour_along(tmp_path):
    """A merged request is refused for one of its parts: that one alone is counted so, beside partial answers."""
    with scripted() as gateway:
        gateway.always = Reply(503)
        with serving(file_of({"gateway": gateway.port}, tmp_path)) as running:
            good = set()
            for first in range(0, 320, 10):
                good |= send(running, range(first + 1, first + 11), 13 if first != 150 else 66)
            gateway.poison = b"x" * 66
            gateway.script.append(partial(3, "three of them are odd"))
            gateway.always = Reply()
            settled(running)
            rejected = page(running)
            assert rejected.total("otlp_rejected_upstream_spans_total", reason="invalid") == 10
            assert rejected.total("otlp_rejected_upstream_spans_total", reason="partial_success") in {0, 3}
            assert gateway.delivered().keys() == good - set(range(151, 161))
            assert not repeated(gateway.delivered())


@pytest.mark.case("E17")
def test_two_in_a_row_lose_nothing_when_the_second_dies(tmp_path):
    """Outrider before Outrider: the second is killed and comes back, over gRPC; all arrives, both books balance."""
    collector, door = Collector(), port()
    with (
        collector.listening(),
        serving(file_of({"up": collector.port}, tmp_path / "b", "", f"grpc: '{HOST}:{door}'")) as second,
        serving(
            file_of({"next": f"type: otlp_grpc, endpoint: 'grpc://{HOST}:{door}', timeout: 30s"}, tmp_path / "a")
        ) as first,
    ):
        with Sender(first.otlp, rate=50) as sender:
            first.wait(lambda: len(sender.acknowledged) > 500, "traffic")
            second.process.kill()
            second.ends()
            first.wait(lambda: spans(first, "queue_spans") > 500, "a queue")
            again(second)
            second.until("/livez")
            before = len(sender.acknowledged)
            first.wait(lambda: len(sender.acknowledged) > before + 300, "more traffic")
        settled(first)
        collector.until(sender.acknowledged)
        settled(second)
        assert not missing(first)
        assert spans(second, "received_spans_total", transport="grpc") >= sender.sent


def test_a_circle_ends(tmp_path):
    """Two that forward to each other: a request goes round a few times, is refused, and is in the books of both."""
    other = port()
    with (
        serving(file_of({"next": other}, tmp_path / "a")) as first,
        serving(file_of({"next": first.otlp}, tmp_path / "b").replace("OTLP_PORT", str(other))) as second,
    ):
        send(first, range(1, 11))
        first.wait(lambda: spans(first, "received_spans_total") >= 40, "some rounds")
        settled(first)
        settled(second)
        assert spans(first, "received_spans_total") + spans(second, "received_spans_total") == 80
        rejected = [spans(one, "rejected_upstream_spans_total", reason="invalid") for one in (first, second)]
        assert sorted(rejected) == [0, 10]
