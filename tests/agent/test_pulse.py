"""The agent knows when it is the sick one."""

import pytest

from agent.pulse import Pulse, cgroup_throttled


class Clock:
    def __init__(self):
        self.now = self.shift = self.withheld = 0.0

    def pulse(self):
        return Pulse(lambda: self.now, lambda: 1.7e9 + self.now + self.shift, lambda: self.withheld)

    def beats(self, pulse, seconds, step=0.1):
        end = self.now + seconds
        while self.now < end:
            due = self.now + 0.1
            self.now += step
            pulse.beat(due)


def test_a_quiet_loop_excuses_nothing():
    """Without a stall a timeout is a timeout."""
    clock = Clock()
    pulse = clock.pulse()
    clock.beats(pulse, 10)
    assert not pulse.stalled(5.0, 8.0, 3.0)
    assert pulse.lag() < 0.001


@pytest.mark.parametrize(
    ("lag", "timeout", "stalled"), [(0.2, 0.4, False), (0.3, 0.4, True), (0.5, 3.0, False), (0.8, 3.0, True)]
)
def test_a_stall_counts_from_a_quarter_of_the_timeout(lag, timeout, stalled):
    """max(250 ms, timeout / 4) is the line."""
    clock = Clock()
    pulse = clock.pulse()
    clock.beats(pulse, 5)
    began = clock.now
    clock.now += 0.1 + lag
    pulse.beat(began + 0.1)
    assert pulse.stalled(began - 0.5, clock.now, timeout) is stalled


def test_a_stall_that_just_ended_is_seen_before_its_beat():
    """The attempt's timer may fire before the late beat does."""
    clock = Clock()
    pulse = clock.pulse()
    clock.beats(pulse, 5)
    clock.now += 3
    assert pulse.stalled(clock.now - 3, clock.now, 3.0)


@pytest.mark.case("R10")
def test_a_step_of_the_wall_clock_excuses_a_timeout():
    """A clock set back by an hour makes timeouts of that moment inconclusive, not those before."""
    clock = Clock()
    pulse = clock.pulse()
    clock.beats(pulse, 5)
    clock.shift = -3600.0
    clock.beats(pulse, 1)
    assert pulse.stalled(5.0, 6.0, 3.0)
    assert not pulse.stalled(1.0, 4.0, 3.0)


def test_a_throttled_container_excuses_a_timeout():
    """More than half of the window without CPU."""
    clock = Clock()
    pulse = clock.pulse()
    clock.beats(pulse, 5)
    for _ in range(20):
        clock.withheld += 0.08
        clock.beats(pulse, 0.1)
    assert pulse.stalled(5.0, 7.0, 3.0)


def test_live_means_a_beat_within_ten_seconds():
    """No beat yet, or none for 10 s: not live."""
    clock = Clock()
    pulse = clock.pulse()
    assert not pulse.live()
    clock.beats(pulse, 1)
    assert pulse.live()
    clock.now += 10.2
    assert not pulse.live()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("usage_usec 5\nthrottled_usec 2500000\n", 2.5),
        ("nr_periods 1\nthrottled_time 1500000000\n", 1.5),
        ("nonsense", 0.0),
    ],
)
def test_reads_both_generations_of_cgroups(tmp_path, text, seconds):
    """v2 counts microseconds, v1 nanoseconds; garbage and absence are 0."""
    stat = tmp_path / "cpu.stat"
    stat.write_text(text)
    assert cgroup_throttled([stat])() == seconds
    assert cgroup_throttled([tmp_path / "absent"])() == 0.0


async def test_beats_on_a_real_loop():
    """Run for real, it is live and hardly late."""
    import asyncio

    pulse = Pulse()
    task = asyncio.create_task(pulse.run())
    try:
        async with asyncio.timeout(60):
            while not pulse.live():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
    assert dict(pulse.samples())["outrider_live"][0].value == 1.0


def test_time_that_the_agent_did_not_run_is_told_once_and_forgotten():
    """A pause is lost time before its late beat, the same after it, and none a minute later; small lags are none."""
    clock = Clock()
    pulse = clock.pulse()
    clock.beats(pulse, 5, step=0.3)
    assert pulse.lost() == 0
    due = clock.now + 0.1
    clock.now += 5.1
    assert pulse.lost() == pytest.approx(5)
    pulse.beat(due)
    assert pulse.lost() == pytest.approx(5)
    clock.beats(pulse, 61)
    assert pulse.lost() == 0


@pytest.mark.case("K13")
def test_a_loop_that_hangs_is_live_for_ten_seconds():
    """Live at once and after 10 s without a beat, not live right after that."""
    clock = Clock()
    pulse = clock.pulse()
    pulse.beat(0.0)
    assert pulse.live()
    clock.now = 10.0
    assert pulse.live()
    clock.now = 10.101
    assert not pulse.live()
