"""The demo without a terminal."""

import aiohttp
import pytest

from agent.demo.glance import ReplicaGlance, glance
from agent.demo.lines import Lines
from agent.demo.sink import Sink
from tests.demo.looks import broken, healthy, held_up, later


@pytest.fixture
def said():
    """What was printed, without the time of day."""
    return []


@pytest.fixture
def sink():
    """A webhook that nobody has called yet."""
    return Sink()


@pytest.fixture
def lines(said, sink):
    """Lines that print into `said`."""
    return Lines(lambda text: said.append(text.split(" ", 1)[1].rstrip("\n")), sink)


def test_the_first_look_is_told_in_full(lines, said):
    """A newcomer sees every probe with its readings, and the verdict."""
    lines.show(glance(healthy()))
    assert said == [
        "app up: status 200",
        "orders-db up: connections used 18 %, query 0.21 ms",
        "memory up: used 56 %, limit 128 MiB",
        "replica 1 ready: yes",
    ]


def test_silence_while_nothing_changes(lines, said):
    """Numbers move all the time; only edges are told."""
    lines.show(glance(healthy()))
    said.clear()
    moved = healthy()
    moved["pipeline"]["destinations"]["upstream"]["queue_spans"] = 99
    lines.show(glance(moved))
    assert said == []


def test_edges_are_told_there_and_back(lines, said):
    """What turned, why, and what it does to the verdict; the alert as well."""
    lines.show(glance(healthy()))
    said.clear()
    lines.show(glance(broken()))
    assert said == [
        "orders-db down: connect_refused (connect)",
        "memory degraded: threshold",
        "replica 1 ready: no: orders-db is down: connect_refused in connect",
        "alert orders-db firing (page)",
    ]
    said.clear()
    lines.show(glance(healthy()))
    assert "orders-db up: connections used 18 %, query 0.21 ms" in said
    assert "replica 1 ready: yes" in said
    assert said[-1] == "alert orders-db resolved"


def test_requests_that_fail_are_told(lines, said):
    """Once when at least half of them fail, and once when none does any more."""
    looks = [healthy(), later(healthy(), 2, ok=4), later(healthy(), 4, ok=4, failed=4)]
    for found in [*looks, later(healthy(), 14, ok=20, failed=8), later(healthy(), 18, ok=28, failed=8)]:
        lines.show(glance(found))
    assert [line for line in said if "requests" in line] == [
        "requests fail: 50% of 2.0/s",
        "requests are answered again: 2.0/s",
    ]


def test_spans_that_wait_are_told(lines, said):
    """Once when the upstream is away, with the reason, and once when all that waited has arrived."""
    draining = healthy()
    draining["pipeline"]["destinations"]["upstream"]["queue_spans"] = 200
    for found in [healthy(), held_up(healthy()), held_up(healthy()), draining, healthy(), healthy()]:
        lines.show(glance(found))
    assert [line for line in said if "spans" in line] == [
        "spans wait on disk: connect: connection refused",
        "spans arrive again: 1,190 delivered, 11 dropped",
    ]


def test_a_verdict_that_turns_alone_is_told(lines, said):
    """Draining changes no probe, but the verdict."""
    lines.show(glance(healthy()))
    said.clear()
    draining = healthy()
    draining["status"]["verdict"] |= {"ready": False}
    lines.show(glance(draining))
    assert said == ["replica 1 ready: no"]


def test_each_replica_is_told_of(lines, said):
    """Whose verdict turned, to what, and why; the others are not said again."""
    lines.show(glance(healthy(), [ReplicaGlance("ready"), ReplicaGlance("ready")]))
    said.clear()
    lines.show(glance(healthy(), [ReplicaGlance("degraded", ("a is down", "b is down")), ReplicaGlance("silent")]))
    assert said == ["replica 2 ready: yes, degraded: a is down; b is down", "replica 3 does not answer"]


def test_no_answer_is_told_once(lines, said):
    """An Outrider that is away is one line, not one line per look; its verdict is said again when it is back."""
    lines.show(glance(healthy()))
    said.clear()
    lines.show(None)
    lines.show(None)
    assert said == ["Outrider does not answer"]
    lines.show(glance(healthy()))
    assert said[1:] == ["replica 1 ready: yes"]


async def test_an_alert_that_arrived_is_told_once(lines, said, sink):
    """The receiver's end of the way is seen too."""
    await sink.start()
    async with aiohttp.ClientSession() as session:
        await session.post(sink.webhook, json={})
    await sink.close()
    for _ in range(2):
        lines.show(glance(broken()))
    assert said.count("an alert reached the webhook") == 1


def test_before_the_first_attempt_there_is_only_the_verdict(lines, said):
    """A probe that was never asked is no edge."""
    starting = healthy()
    starting["status"]["verdict"] |= {"ready": False}
    for probe in starting["probes"]["probes"]:
        probe |= {"state": "unknown", "last": None, "readings": []}
    lines.show(glance(starting))
    assert said == ["replica 1 ready: no"]
