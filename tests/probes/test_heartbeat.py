"""The heartbeat probe: what it says of what was pushed."""

import time

import pytest

from agent.events import Outcome
from agent.health.judge import Judge
from agent.scheduler.attempt import Runner
from config.types import Duration, Secret
from probes.base import ProbeContext
from probes.beats import Beats, Word
from probes.heartbeat import HeartbeatOptions, HeartbeatProbe

TOKEN = Secret("long-and-random")


def options(every, **more):
    return HeartbeatOptions(every=Duration(every), token=TOKEN, **more)


async def seen(beats, every=3600, **more):
    """One attempt of the real runner."""
    probe = HeartbeatProbe(options(every, **more), ProbeContext("backup", beats=beats))
    return await Runner(probe, "heartbeat", Judge(), 3.0, lambda *_: False).run(fresh=True)


def ago(age, word=Word.OK, **more):
    """Heartbeats of a probe that began long before the one that came so many seconds ago."""
    beats = Beats(time.monotonic() - 1e6)
    beats.take(word, time.monotonic() - age, **more)
    return beats


async def test_a_fresh_heartbeat_passes():
    """It passes, and tells the age and how long the job took."""
    found = await seen(ago(100, seconds=12.5))
    values = {one.name: one.value for one in found.measurement.readings}
    assert (found.outcome, values["job_duration"]) == (Outcome.PASS, 12.5)
    assert values["age"] == pytest.approx(100, abs=10)


@pytest.mark.case("P03")
@pytest.mark.parametrize(("age", "outcome"), [(3600, "pass"), (3900, "pass"), (4000, "fail"), (90000, "fail")])
async def test_it_is_overdue_after_the_grace(age, outcome):
    """Down when `every` and `grace` (here a tenth, 6 minutes) are over, not before."""
    found = await seen(ago(age))
    assert found.outcome == outcome
    if outcome == "fail":
        assert (found.reason, "the last one is too old" in found.detail) == ("overdue", True)
        assert found.measurement.readings[0].name == "age"


async def test_nothing_is_known_before_the_first_is_due():
    """A probe that has just begun is not down; one that waited in vain is."""
    found = await seen(Beats(time.monotonic() - 10))
    assert (found.outcome, found.reason) == (Outcome.SKIPPED, "waiting")
    found = await seen(Beats(time.monotonic() - 4000))
    assert (found.outcome, found.reason) == (Outcome.FAIL, "overdue")
    assert found.detail == "the heartbeat is 400s late: none came"


@pytest.mark.parametrize(("said", "detail"), [("disk full", ": disk full"), ("", "")])
async def test_a_failure_fails(said, detail):
    """What the job said is told."""
    found = await seen(ago(5, Word.FAIL, said=said))
    assert (found.outcome, found.reason, found.detail) == ("fail", "reported", f"it said that it failed{detail}")


@pytest.mark.parametrize(("every", "grace", "patience"), [(60, None, 120), (86400, None, 95040), (60, 5, 65)])
def test_the_default_grace(every, grace, patience):
    """A tenth of the period, and a minute at least."""
    more = {} if grace is None else {"grace": Duration(grace)}
    assert options(every, **more).patience == patience


@pytest.mark.parametrize("token", ["", "two words", "schlüssel", "a\nb"])
def test_a_token_that_cannot_be_sent_is_refused(token):
    """An empty one would let everybody in, and one that no header holds nobody."""
    assert [key for key, _ in HeartbeatOptions(every=Duration(60), token=Secret(token)).problems()] == ["token"]
