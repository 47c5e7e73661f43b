"""Fifty real agents on one PostgreSQL, who know each other through one Redis: is it me, or is it everyone?

The machine plays faults and recoveries at random; the seed is in every message, and OUTRIDER_FLEET_SEED repeats it.
"""

import os
import random
import signal
import time

import pytest

from tests.fleet.play import INTERVAL, NOTICED, RECOVERED, SLACK, fleet, play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SIZE = 50
SEED = int(os.environ.get("OUTRIDER_FLEET_SEED") or random.randrange(1_000_000))


@pytest.fixture(scope="module")
def fifty():
    """The fleet; each test leaves it well."""
    with fleet(SIZE, seed=SEED) as started:
        yield started


@pytest.mark.parametrize("how", ["refuse", "hang"])
def test_one_that_is_cut_off_alone_leaves_and_comes_back(fifty, how):
    """It is out, nobody else is, and it is back once the way is mended."""
    fifty.meet()
    alone = random.Random(f"{SEED} {how}").randrange(SIZE)
    mark = fifty.mark()
    getattr(fifty.ways, how)([alone])
    fifty.until(lambda: fifty.watch.words()[alone] == "unready", f"{alone} is out (seed {SEED})", NOTICED + SLACK)
    fifty.ways.open()
    fifty.until(lambda: fifty.watch.words()[alone] != "unready", f"{alone} is back (seed {SEED})", RECOVERED + SLACK)
    fifty.settle()
    assert fifty.left(mark).keys() == {alone}, f"seed {SEED}"


@pytest.mark.parametrize("number", range(20))
def test_nobody_leaves_in_a_shared_outage(fifty, number):
    """At onset, meanwhile and at recovery all stay ready, also when the peers' Redis dies in the middle."""
    chance = random.Random(f"{SEED} outage {number}")
    length, how = chance.triangular(2, 6, 2), chance.choice(["refuse", "hang", "fail"])
    begin = {"refuse": fifty.ways.refuse, "hang": fifty.ways.hang, "fail": lambda: fifty.ways.fail(1.0)}[how]
    events = [(0.0, begin), (length, fifty.ways.open)]
    if number % 4 == 1:
        dies = length * chance.uniform(0.1, 0.9)
        events += [(dies, fifty.redis.kill), (dies + chance.uniform(0.5, length), fifty.redis.start)]
    time.sleep(chance.uniform(0, INTERVAL))
    mark = fifty.mark()
    play(*events)
    fifty.settle()
    scene = f"{how} for {length:.1f} s, outage {number}, seed {SEED}"
    assert not fifty.left(mark), scene
    assert fifty.noticed(mark) >= (0.9 * SIZE if length > NOTICED else 1), scene


@pytest.mark.parametrize(("share", "seconds", "every"), [(0.5, 30, 1), (0.2, 12, 1)])
def test_hardly_anybody_leaves_in_a_brown_out(fifty, share, seconds, every):
    """When a share of all connections is refused, at most one replica in ten ever leaves.

    Those that stand are cut `every` so many seconds: once a second, so that each attempt needs a new one, or at onset
    alone. 30 s are a tenth of five minutes.
    """
    fifty.meet()
    mark = fifty.mark()
    cuts = [(float(after), fifty.ways.cut) for after in range(every, seconds, every)]
    play((0.0, lambda: fifty.ways.fail(share)), *cuts, (seconds, fifty.ways.open))
    fifty.settle()
    left = fifty.left(mark)
    print(f"brown-out of {share:.0%}: {len(left)} left, {fifty.noticed(mark)} were down")  # noqa: T201 - with -s
    assert len(left) <= SIZE // 10, f"seed {SEED}: {left}"


def test_those_that_stand_still_neither_leave_nor_make_others_leave(fifty):
    """Agents that are stopped for 5 s before, in and at the end of an outage change nothing."""
    fifty.meet()
    events = [(0.3, fifty.ways.refuse), (6.3, fifty.ways.open)]
    for number, stops in enumerate((0.0, 1.0, 2.3, 5.9)):
        events.append((stops, lambda number=number: fifty.signal(number, signal.SIGSTOP)))
        events.append((stops + 5.0, lambda number=number: fifty.signal(number, signal.SIGCONT)))
    mark = fifty.mark()
    play(*events)
    fifty.settle()
    assert not fifty.left(mark)
    assert fifty.noticed(mark) >= 0.9 * SIZE - 4


def test_no_change_of_a_verdict_went_untold(fifty):
    """Each agent's counter agrees with its lines, so that what no balancer saw is not missed above."""
    for replica in fifty.replicas:
        said = replica.said()
        told = said.count("this replica is ready") + said.count("this replica is unready")
        assert replica.sample("outrider_ready_changes_total") == told
