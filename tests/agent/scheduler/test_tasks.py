"""The tasks: cadence, isolation, stuck checks, restarts; all in simulated time."""

import asyncio

import pytest

from agent.health.state import State
from probes.base import Measurement
from tests.agent.scheduler.probes import DOWN, Scripted, Stubborn
from tests.agent.scheduler.stage import Stage, planned
from tests.virtual import run


def test_asks_at_the_fast_interval_until_it_knows_then_at_the_interval():
    """First after half an interval, then every 10 s once the first pass made it up."""
    probe, begin = Scripted(), 1000.0

    async def main():
        stage = Stage()
        stage.start(probe)
        await stage.play(40)

    run(main())
    assert [at - begin for at in probe.starts] == [5.0, 15.0, 25.0, 35.0]
    assert (probe.opened, probe.closed) == (1, 1)


@pytest.mark.case("R16")
def test_a_target_that_never_answers_delays_nobody():
    """63 healthy probes keep their interval beside one that hangs."""
    healthy = [Scripted(name=f"p{number}") for number in range(63)]

    async def main():
        stage = Stage()
        stage.start(Scripted([3600.0], name="hung"))
        for probe in healthy:
            stage.start(probe)
        await stage.play(60)

    run(main())
    assert {tuple(probe.starts) for probe in healthy} == {tuple(1005.0 + 10 * turn for turn in range(6))}


@pytest.mark.case("R13")
def test_no_burst_after_a_pause():
    """A process that was paused for a minute asks once and goes on from there; what was missed is counted."""
    probe = Scripted()

    async def main():
        stage = Stage()
        stage.start(probe)
        await asyncio.sleep(16)
        asyncio.get_running_loop().now += 60
        await asyncio.sleep(0)
        await asyncio.sleep(8)
        await stage.scheduler.aclose()

    run(main())
    assert [at - 1000 for at in probe.starts] == [5.0, 15.0, 76.0]


@pytest.mark.case("R18")
def test_a_stuck_slot_is_replaced_three_times_and_then_left_alone(caplog):
    """Each abandoned check gets a new instance, at most three; the probe goes stale, nothing else happens."""
    made = []

    def make():
        made.append(Stubborn())
        return made[-1]

    async def main():
        stage = Stage()
        stage.scheduler.start(planned(cls=Stubborn), make)
        await asyncio.sleep(600)
        view, stuck = stage.board.view(1600.0)["db"], stage.scheduler.counters["db"].stuck
        for probe in made:
            probe.released = True
        await stage.scheduler.aclose()
        await asyncio.sleep(7200)
        return len(made), view.state, view.stale, stuck

    assert run(main()) == (3, State.DOWN, True, 3)


@pytest.mark.case("R09")
def test_a_task_that_dies_of_our_fault_is_restarted_and_counted(caplog):
    """A probe that cannot even be opened is tried again, later each time."""

    class Unopenable(Scripted):
        async def open(self):
            self.opened += 1
            raise RuntimeError("our bug")

    probe = Unopenable()

    async def main():
        stage = Stage()
        stage.start(probe)
        await asyncio.sleep(20)
        restarts = stage.scheduler.counters["db"].restarts
        await stage.scheduler.aclose()
        return restarts

    assert run(main()) == probe.opened == 5


def test_a_listener_that_fails_stops_neither_probe_nor_other_listeners(caplog):
    """One deaf listener costs a log line."""
    heard = []

    def deaf(seen):
        raise RuntimeError("our bug")

    async def main():
        stage = Stage()
        stage.scheduler.listeners[:0] = [deaf]
        stage.scheduler.listeners.append(heard.append)
        stage.start(Scripted())
        await stage.play(30)

    run(main())
    assert len(heard) == 3


def test_slow_checks_never_overlap():
    """A check longer than the fast interval is followed by the next, never accompanied."""
    running, most = [0], [0]

    class Slow(Scripted):
        async def check(self, attempt):
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(0.9)
            running[0] -= 1
            return Measurement()

    async def main():
        stage = Stage()
        stage.start(Slow(), interval=0.5)
        await stage.play(20)
        return stage.seen

    assert len(run(main())) > 15
    assert most == [1]


def test_stopping_one_leaves_the_others():
    """A probe that left is closed and forgotten; its neighbour goes on."""
    leaving, staying = Scripted(name="leaving"), Scripted(name="staying")

    async def main():
        stage = Stage()
        stage.start(leaving)
        stage.start(staying)
        await asyncio.sleep(12)
        await stage.scheduler.stop(["leaving"])
        stage.scheduler.forget("leaving")
        await asyncio.sleep(20)
        names = set(stage.board.view(0.0))
        await stage.scheduler.aclose()
        return names

    assert run(main()) == {"staying"}
    assert (len(leaving.starts), leaving.closed, len(staying.starts)) == (1, 1, 3)


def test_every_so_often_a_steady_probe_is_asked_for_a_new_connection():
    """One attempt a minute proves that a new connection can still be made."""

    class Steady(Scripted):
        steady = True

    probe = Steady(steady=True)

    async def main():
        stage = Stage()
        stage.start(probe)
        await stage.play(130)

    run(main())
    assert [at - 1005 for at, fresh in zip(probe.starts, probe.fresh, strict=True) if fresh] == [60.0, 120.0]


def test_what_was_believed_survives_a_restart():
    """A probe that starts anew with other options is believed in as before until its attempts say otherwise."""

    async def main():
        stage = Stage()
        stage.start(Scripted())
        await asyncio.sleep(7)
        await stage.scheduler.stop(["db"])
        stage.start(Scripted([DOWN]), interval=20.0)
        at_once = stage.board.view(0.0)["db"].state
        await asyncio.sleep(30)
        view = stage.board.view(0.0)["db"]
        await stage.scheduler.aclose()
        return at_once, view.state, view.ever_passed

    assert run(main()) == (State.UP, State.DOWN, True)
