"""kill -9 at any instant: what was acknowledged arrives, little arrives twice, and the books balance."""

import random
import re
import subprocess
import sys
import time

import pytest

from tests.pipeline.ends import HOST, Collector, Sender
from tests.running import PATIENCE, ROOT, agent

pytestmark = pytest.mark.e2e

KILLS = 100


def file_of(folder, collector, durability="process"):
    """Spans in, one destination, and a folder for what waits."""
    return (
        f"state_dir: {folder}\nprobes: {{}}\n"
        f"traces:\n  receive: {{http: '{HOST}:OTLP_PORT'}}\n  durability: {durability}\n"
        f"  forward: {{gateway: {{endpoint: 'http://{HOST}:{collector.port}', timeout: 30s}}}}\n"
    )


def again(running, stream):
    """The same agent once more."""
    command = [sys.executable, "-m", "outrider", "run", "-c", str(running.file)]
    running.process = subprocess.Popen(command, stderr=stream, stdout=stream, cwd=ROOT)


def killed(running):
    """At once, and gone when this returns."""
    running.process.kill()
    running.process.wait(PATIENCE)


def spans(running, name):
    """One family of the ledger, summed over its labels."""
    page = running.get("/metrics")[1].decode()
    return sum(float(x) for x in re.findall(rf"^outrider_otlp_{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE))


def balance(running):
    """What is missing in: received = delivered + rejected_upstream + dropped + queue."""
    settled = ("delivered_spans_total", "rejected_upstream_spans_total", "dropped_spans_total", "queue_spans")
    return spans(running, "received_spans_total") - sum(spans(running, name) for name in settled)


@pytest.mark.case("G1")
@pytest.mark.case("G5")
@pytest.mark.case("G8")
@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives_a_hundred_kills(tmp_path):
    """Killed at random instants under 5,000 spans a second, also while it recovers, it loses no acknowledged span."""
    chance = random.Random(4)
    collector = Collector()
    with collector.listening(), agent(file_of(tmp_path, collector)) as running, running.log.open("a") as stream:
        with Sender(running.otlp) as sender:
            for number in range(KILLS):
                collector.seconds = chance.choice((0.0, 0.02, 0.1))
                collector.status = chance.choice((200, 200, 503))  # so that there is something in the queue to lose
                time.sleep(chance.uniform(0.0, 0.4))
                killed(running)
                again(running, stream)
                if number % 5 == 4:  # and let it come to itself now and then
                    taken = len(sender.acknowledged)
                    running.wait(lambda taken=taken: len(sender.acknowledged) > taken, "spans that are taken")
            collector.seconds, collector.status = 0.0, 200
            running.wait(lambda: len(sender.acknowledged) > 5000, "more than 5000 spans that are taken")
        collector.until(sender.acknowledged)
        running.wait(lambda: spans(running, "queue_spans") == 0 and balance(running) == 0, "balanced books")
        counted = collector.delivered()
        twice = {number for number, times in counted.items() if times > 1}
        # A kill can repeat what was on its way, and the one before it whose receipt was not on the disk yet.
        repeated = sum(1 for request in collector.requests if not twice.isdisjoint(request))
        assert repeated <= 4 * KILLS, "kills repeat more than what was in flight"
        assert not re.search("Traceback", running.log.read_text())


@pytest.mark.case("G2")
def test_memory_loses_its_queue_and_says_so(tmp_path):
    """Without a folder a kill loses what waited, no more: what had arrived stays, what comes next arrives."""
    collector = Collector()
    collector.status = 503
    with collector.listening(), agent(file_of(tmp_path, collector, "memory")) as running:
        with running.log.open("a") as stream, Sender(running.otlp) as sender:
            running.wait(lambda: spans(running, "queue_spans") >= 500, "a queue")
            lost = set(sender.acknowledged)
            killed(running)
            collector.status = 200
            again(running, stream)
            running.wait(lambda: len(sender.acknowledged) >= len(lost) + 500, "new spans")
            collector.until({number for number in sender.acknowledged if number > max(lost) + 10 * sender.spans})
        assert not set(collector.delivered()) & {min(lost)}
