"""The benchmark of the telemetry path, in small: it runs, and it adds up. Its numbers are judged elsewhere."""

import os
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from bench import __main__ as command
from bench import cpu, otelcol, otlp, outage
from bench.rows import MIB
from bench.spans import CORES, SPANS, pinned, service_bodies
from bench.subjects import outrider, peer


async def test_each_round_of_each_subject_counts_every_span():
    """Ours and rotel carry the same bodies in turns, and our ledger balances at the end."""
    ours = {"memory": {"durability": "memory"}, "process": {"durability": "process"}}
    found, missing = await otlp.compare(ours, ("rotel",), service_bodies(), otlp.Scale(20, 2, 1.0))
    assert not missing
    assert {name: len(rates) for name, rates in found.items()} == {"memory": 2, "process": 2, "rotel": 2}
    assert all(rate > 0 for rates in found.values() for rate in rates)


async def test_a_peer_that_cannot_be_had_is_a_cell_that_says_why(monkeypatch, tmp_path):
    """Without a Go toolchain the collector's cell says so, and the rest is measured."""
    monkeypatch.delenv(otelcol.VARIABLE, raising=False)
    monkeypatch.setattr(otelcol, "BUILT", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    found, missing = await otlp.compare({"memory": {}}, ("otelcol",), service_bodies(), otlp.Scale(20, 1, 1.0))
    assert list(found) == ["memory"]
    assert "there is no Go toolchain" in missing["otelcol"]


def test_what_go_complained_of_is_the_reason():
    """Progress is left out; the last complaint is what a person needs."""
    said = "go: downloading a v1\ngo: a v1: verifying go.mod: 404 Not Found\n\nexit status 1\n"
    assert otelcol._reason(said) == "go: a v1: verifying go.mod: 404 Not Found"


async def test_the_pace_is_kept_over_grpc():
    """Calls over gRPC come at the rate that was asked for, and all of them are delivered."""
    found = await otlp.pace(lambda port: outrider(port, grpc=True), 2_000, 1.0, otlp.call)
    assert 0 < found.core < 1
    assert 20 * MIB < found.rss < 200 * MIB
    assert 0 < found.p99 <= found.worst


def test_subject_and_senders_have_cores_of_their_own():
    """What is started under `pinned` stays on that core; the thread itself goes back to where it was."""
    before = os.sched_getaffinity(0)
    with pinned(0), peer("rotel", 9) as subject:
        assert os.sched_getaffinity(subject.process.pid) == {CORES[-1]}
    assert os.sched_getaffinity(0) == before


async def test_an_outage_is_told_by_who_saw_it(monkeypatch):
    """In memory the queue fills, refusals are honest, and what was taken arrives when the upstream is back."""
    monkeypatch.setattr(outage, "BEFORE", 0.3)
    monkeypatch.setattr(outage, "AFTER", 0.3)
    monkeypatch.setitem(outage.QUEUES, "memory", "memory: 1MiB")
    story, court, wrong = await outage.play("memory", 2.0)
    assert not wrong
    assert not story.wrong
    assert story.refused
    assert set(court.arrived) >= set(story.taken)
    assert story.on_disk <= MIB
    assert len(story.rss) >= 2


async def test_an_outage_with_a_disk_refuses_nothing(monkeypatch):
    """Everything that was sent meanwhile waits on disk, and arrives."""
    monkeypatch.setattr(outage, "BEFORE", 0.3)
    monkeypatch.setattr(outage, "AFTER", 0.5)
    story, court, wrong = await outage.play("process", 2.0)
    assert not wrong
    assert not story.refused
    assert len(story.taken) >= 2.0 * outage.RATE / SPANS
    assert set(court.arrived) >= set(story.taken)
    assert story.on_disk > MIB
    assert 0 < story.first <= story.drained


def test_growth_is_seen_in_spite_of_the_start():
    """The slope is of what comes after the first fifth, in bytes a second."""
    samples = [(second, 100.0 * second if second < 20 else 5000.0 + 3 * second) for second in range(100)]
    assert outage.slope(samples) == pytest.approx(3)


@pytest.mark.parametrize(
    ("status", "head", "body", "fine"),
    [
        (503, b"HTTP/1.1 503 X\r\nRetry-After: 1\r\n\r\n", "whole", True),
        (503, b"HTTP/1.1 503 X\r\n\r\n", "whole", False),
        (503, b"HTTP/1.1 503 X\r\nRetry-After: 1\r\n\r\n", "", False),
        (500, b"HTTP/1.1 500 X\r\nRetry-After: 1\r\n\r\n", "whole", False),
    ],
)
def test_a_refusal_is_honest_when_it_says_when_to_come_again(status, head, body, fine):
    """Retry-After, RetryInfo and words: all three, with a 503."""
    from exporters.otlp.status import PROTOBUF, encode

    text = encode("not taken: queue_full", PROTOBUF, 1)[0] if body else b""
    assert outage.honest(status, head, text) is fine


def test_the_sampler_charges_the_room_that_works():
    """CPU that a thread uses in a room's file is that room's, and waiting is nobody's."""
    sampler, done = cpu.Sampler(), threading.Event()
    namespace = {"time": time}
    source = "def burn(until):\n while time.thread_time() < until:\n  pass\n"
    exec(compile(source, "/x/agent/red/walk.py", "exec"), namespace)
    before = signal.signal(signal.SIGPROF, sampler.tick)
    waiting = threading.Thread(target=done.wait)
    waiting.start()
    try:
        os.kill(os.getpid(), signal.SIGPROF)
        namespace["burn"](time.thread_time() + 0.3)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        done.set()
        waiting.join()
    assert list(sampler.rooms) == ["request metrics"]
    assert sampler.rooms["request metrics"] == pytest.approx(0.3, abs=0.2)
    assert all(place.endswith("burn (request metrics)") for place in sampler.places)


async def test_a_profile_names_the_rooms_of_the_path():
    """A whole agent at full speed is sampled: what it does is in rooms that are known."""
    rooms, places = await cpu.sampled("process", 300)
    assert {"request metrics", "receiver: validate", "store"} <= set(rooms)
    assert sum(rooms.values()) == pytest.approx(sum(places.values()))
    assert Counter(rooms).total() > 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["outage", "otlp"], "name it alone"),
        (["--quick"], "--quick is for one of"),
        (["agent", "--quick"], "--quick is for one of"),
        (["outage", "--profile"], "--profile is for otlp"),
        (["nothing"], "there is no nothing"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused_with_what_can(words, complaint, monkeypatch, capsys):
    """The refusal says what would be right."""
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit):
        command.asked()
    assert complaint in capsys.readouterr().err


def test_each_table_has_markers_of_its_own():
    """Writing one of them leaves the others of the same file as they are."""
    text = "<!-- bench: begin -->\na\n<!-- bench: end -->\n<!-- bench outage: begin -->\nb\n<!-- bench: end -->\n"
    assert command.replaced(text, "c\n", "bench outage") == text.replace("b\n<", "c\n<")
