"""One attempt: every way a check can end becomes the right observation, in time."""

import asyncio
import ssl

import pytest

from agent.health.judge import Judge
from agent.scheduler.attempt import Runner
from probes.base import MAX_ITEMS, Measurement, ProbeFailed, Reading
from probes.reason import Reason
from tests.agent.scheduler.probes import DOWN, Scripted, Stubborn
from tests.virtual import run


def runner(probe, stalled=lambda *_: False):
    clock = asyncio.get_running_loop().time
    return Runner(probe, "scripted", Judge(), probe.context.timeout, stalled, clock)


def one(answer, **kwargs):
    return run(attempted(Scripted([answer]), **kwargs))


async def attempted(probe, *, fresh=False, **kwargs):
    return await runner(probe, **kwargs).run(fresh=fresh)


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (Measurement(), "pass", "ok"),
        (Measurement(concerns=(Reason.LINK_DOWN,)), "warn", "link_down"),
        (DOWN, "fail", "auth"),
        (ConnectionRefusedError(111, "refused"), "fail", "connect_refused"),
        (
            ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure"),
            "fail",
            "tls_handshake",
        ),
        (TimeoutError(), "fail", "read_timeout"),
        (5.0, "fail", "read_timeout"),
        (KeyError("bug"), "inconclusive", "internal"),
        (asyncio.CancelledError(), "inconclusive", "internal"),
    ],
    ids=str,
)
def test_every_end_has_its_outcome_and_reason(answer, outcome, reason):
    """Returned, raised what is expected, raised what is not, or never ended."""
    seen = one(answer)
    assert (seen.outcome, seen.reason) == (outcome, reason)


def test_facts_survive_a_failure():
    """What was measured before the failure is kept, with the phase it died in."""
    seen = one(DOWN)
    assert (seen.phase, seen.detail, seen.measurement.readings[0].value) == ("auth", "wrong password", 1.0)


def test_the_deadline_is_hard():
    """A check that sleeps past its timeout is cut at the timeout."""
    assert one(5.0).seconds == 1.0


def test_a_timeout_while_the_agent_stalled_says_nothing():
    """Our own stall makes a timeout inconclusive."""
    assert one(5.0, stalled=lambda *_: True).outcome == "inconclusive"


@pytest.mark.case("R07")
def test_a_refusal_while_the_agent_stalled_is_still_a_refusal():
    """A stall excuses timeouts only."""
    assert one(ConnectionRefusedError(111, "refused"), stalled=lambda *_: True).outcome == "fail"


@pytest.mark.case("R18")
def test_a_check_that_ignores_its_cancellation_is_abandoned():
    """The attempt ends a grace after its timeout, and the leak is known."""

    probe = Stubborn()

    async def main():
        stuck = runner(probe)
        seen = await stuck.run(fresh=False)
        leaked = len(stuck.abandoned)
        probe.released = True
        await stuck.aclose()
        await asyncio.sleep(1)
        return seen.outcome, seen.seconds, leaked, len(stuck.abandoned)

    assert run(main()) == ("fail", 1.25, 1, 0)


@pytest.mark.case("R28")
def test_a_hostile_target_does_not_grow_our_series():
    """10,000 items of one reading are cut to 50."""
    flood = Measurement(tuple(Reading("depth", 1.0, item=str(item)) for item in range(10_000)))
    assert len(one(flood).measurement.readings) == MAX_ITEMS


def test_a_cancelled_attempt_cancels_its_check():
    """Stopping the agent in the middle of an attempt leaves no check behind."""

    async def main():
        attempt = asyncio.create_task(runner(Scripted([5.0])).run(fresh=False))
        await asyncio.sleep(0.5)
        attempt.cancel()
        await asyncio.wait({attempt})
        assert attempt.cancelled()
        return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("check")]

    assert run(main()) == []


def test_a_broken_probe_is_logged_once(caplog):
    """The traceback of the unexpected is logged once, not at each attempt."""

    async def main():
        broken = runner(Scripted([KeyError("bug")]))
        for _ in range(5):
            await broken.run(fresh=False)

    run(main())
    assert [record.message for record in caplog.records] == ["probe db broke (KeyError); its last verdict is held"]


def test_the_path_is_pooled_only_where_a_connection_is_kept():
    """A probe without a steady connection is fresh each time, whatever it is told."""
    for steady, fresh, path in [(True, False, "pooled"), (True, True, "fresh"), (False, False, "fresh")]:
        assert run(attempted(Scripted(steady=steady), fresh=fresh)).path == path


def test_probe_failed_prints_reason_and_detail():
    """The exception reads well where it is not caught."""
    assert str(ProbeFailed(Reason.AUTH, "wrong password")) == "auth: wrong password"
