"""The whole fleet in simulated time: in a shared fault nobody leaves, and one that is cut off is soon out."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.readiness.policy import Policy
from tests.agent.readiness.fleet_play import Fault, Play, probe

ONSET = 25.0
DB, CACHE = probe("db"), probe("cache")
APP = probe("app", interval=5.0, shared=False, depends_on=("db",))
#: From the fault to the end of the third failure, at the latest; with three seconds more for the question to the peers.
THRESHOLDS = 10 * 1.1 + 2 * 2.2 + 2.0
SEEDS = pytest.mark.parametrize("seed", range(3))
simulated = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.case("R01")
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 16),
    onset=st.floats(0, 30),
    seconds=st.floats(1, 400),
    interval=st.sampled_from([2.0, 5.0, 10.0, 30.0, 60.0]),
    late=st.sampled_from([0.0, 2.0]),
)
@simulated
def test_in_a_shared_outage_nobody_ever_leaves(seed, size, onset, seconds, interval, late):
    """Whatever its length and onset, the interval and the fleet: at onset and at recovery every replica stays."""
    onset += interval  # by then each has passed once
    fault = Fault(onset, onset + seconds, probes=("db", "app"))
    play = Play(size, probe("db", interval=interval), APP, seed=seed, late=late, faults=[fault])
    play.run(onset + seconds + 2 * interval + 90)
    assert play.left() == {}
    assert len(play.ready()) == size


@pytest.mark.case("R01")
def test_a_hundred_replicas_stay():
    """A naive rule empties the fleet; ours keeps it, degraded, and says so."""
    play = Play(100, faults=[Fault(ONSET)]).run(ONSET + 30)
    assert (len(play.naive_left()), play.left()) == (100, {})
    assert all(one.verdict.held_open for one in play.replicas)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.3, 0.5, 0.9])
def test_in_a_brown_out_at_most_one_in_ten_ever_leaves(p):
    """Attempts fail at random for five minutes, of everyone."""
    play = Play(50, seed=7, faults=[Fault(ONSET, ONSET + 300, p)]).run(ONSET + 340)
    assert len(play.left()) <= 5


@pytest.mark.parametrize("p", [0.3, 0.5, 0.9])
def test_in_a_brown_out_an_app_that_depends_on_it_empties_nothing(p):
    """The app fails as often as its database: nearly all replicas would go by the naive rule, few go by ours."""
    play = Play(30, DB, APP, seed=3, faults=[Fault(ONSET, ONSET + 300, p, probes=("db", "app"))]).run(ONSET + 360)
    assert len(play.naive_left()) > 20
    assert len(play.left()) <= 5


@pytest.mark.parametrize("size", [3, 5, 10, 50])
def test_one_that_is_cut_off_is_out_within_its_thresholds_and_three_seconds(size):
    """Only that one, and not much later than by the naive rule; on the average three seconds."""
    later = []
    for seed in range(6):
        play = Play(size, seed=seed, faults=[Fault(ONSET, of=frozenset([1]))]).run(ONSET + 40)
        assert play.left().keys() == {1}
        assert play.left()[1] - ONSET < THRESHOLDS + 3
        later.append(play.left()[1] - play.naive_left()[1])
    assert sum(later) / len(later) < 3


@SEEDS
def test_one_of_two_that_is_cut_off(seed):
    """The only other one may be asked once in an interval: out after that, its thresholds and three seconds."""
    play = Play(2, seed=seed, faults=[Fault(ONSET, of=frozenset([1]))]).run(ONSET + 60)
    assert play.left().keys() == {1}
    assert play.left()[1] - ONSET < THRESHOLDS + 3 + 10


@SEEDS
def test_one_that_is_cut_off_is_out_although_views_are_late(seed):
    """Views that are up to two seconds old when they arrive cost no more than those two."""
    play = Play(20, seed=seed, late=2.0, faults=[Fault(ONSET, of=frozenset([1]))]).run(ONSET + 40)
    assert play.left().keys() == {1}
    assert play.left()[1] - ONSET < THRESHOLDS + 5


@SEEDS
def test_a_partition_of_the_peers(seed):
    """Each half hears only itself while the dependency is down for all: nobody leaves."""
    play = Play(20, seed=seed, faults=[Fault(ONSET, ONSET + 100)])
    play.hears = lambda asker, answerer: (asker < 10) == (answerer < 10)
    assert play.run(ONSET + 200).left() == {}


@SEEDS
def test_peers_that_fall_silent_in_the_middle(seed):
    """No view is fresh any more while everything is down: isolated, and everyone stays."""
    play = Play(20, seed=seed, faults=[Fault(ONSET, ONSET + 140)]).run(ONSET + 40)
    play.hears = lambda asker, answerer: False
    play.run(ONSET + 130)
    assert all(one.verdict.isolated for one in play.replicas)
    assert play.run(ONSET + 240).left() == {}


@SEEDS
def test_cut_off_from_the_peers_too(seed):
    """A replica that hears nobody does not know whose fault it is: it stays, degraded."""
    play = Play(10, seed=seed, faults=[Fault(ONSET, of=frozenset([1]))])
    play.hears = lambda asker, answerer: 1 not in {asker, answerer}
    assert play.run(ONSET + 60).left() == {}
    assert play.replicas[1].verdict.isolated


@SEEDS
def test_frozen_agents(seed):
    """Some agents stand still for 40 s of the outage: their views go stale, and they do not leave when they wake."""
    play = Play(20, seed=seed, faults=[Fault(ONSET, ONSET + 100)]).run(ONSET)
    for number in range(5):
        play.freeze(number, 40)
    assert play.run(ONSET + 200).left() == {}


@SEEDS
def test_a_rolling_restart_during_the_outage(seed):
    """New replicas have never reached the dependency: ready after their failure threshold, and none leaves again."""
    play = Play(12, seed=seed, faults=[Fault(ONSET, ONSET + 240)]).run(ONSET + 20)
    for number in range(12):
        play.restart(number)
        play.run(play.now + 20)
        assert number in play.ready()
    assert play.run(ONSET + 340).left() == {}


@SEEDS
def test_two_shared_dependencies_one_after_the_other(seed):
    """The second fails while the first is down, and outlives it: nobody leaves for either."""
    faults = [Fault(ONSET, ONSET + 140), Fault(ONSET + 40, ONSET + 200, probes=("cache",))]
    assert Play(20, DB, CACHE, seed=seed, faults=faults).run(ONSET + 300).left() == {}


@SEEDS
def test_a_dependency_that_returns_in_maintenance(seed):
    """What depends on it recovers later, by its own timetable, and takes nobody out meanwhile."""
    play = Play(20, DB, APP, seed=seed, faults=[Fault(ONSET, ONSET + 400, probes=("db", "app"))])
    play.maintained = lambda name: "upgrade" if name == "db" else ""
    assert play.run(ONSET + 480).left() == {}


@SEEDS
def test_a_private_fault_of_the_app(seed):
    """Its database works: out as soon as its thresholds say, as if it depended on nothing; back within the delay."""
    fault = Fault(ONSET, ONSET + 40, probes=("app",), of=frozenset([3]))
    play = Play(20, DB, APP, seed=seed, faults=[fault]).run(ONSET + 40)
    assert play.left().keys() == {3}
    assert play.left()[3] == play.naive_left()[3]
    assert len(play.run(ONSET + 70).ready()) == 20


def test_the_ways_back_are_spread():
    """Forty replicas with a fault of their own that heals in one moment return over the ten seconds of the delay."""
    private = probe("disk", interval=2.0, shared=False)
    play = Play(40, private, seed=5, faults=[Fault(ONSET, ONSET + 30, probes=("disk",))]).run(ONSET + 60)
    back = sorted(change.at for change in play.changes if change.ready and change.at > ONSET)
    assert (len(play.left()), len(back)) == (40, 40)
    assert 8 < back[-1] - back[0] < 18
    assert max(sum(at <= other < at + 1 for other in back) for at in back) < 12


@pytest.mark.case("R02")
@pytest.mark.parametrize("size", [2, 3, 10, 20])
@SEEDS
def test_the_brake(size, seed):
    """Told to leave for what is shared, half stay at every moment and always one, and nobody comes and goes."""
    policy = Policy(shared="unready", ready_delay=10.0)
    play = Play(size, seed=seed, policy=policy, faults=[Fault(ONSET, ONSET + 200)]).run(ONSET)
    assert len(play.ready()) == size
    while play.run(play.now + 0.5).now < ONSET + 200:
        assert len(play.ready()) >= max(1, size // 2 - size // 10)
    staying = play.ready()
    assert len(staying) == size - max(1, size // 2)
    assert all(play.replicas[number].verdict.held_open for number in staying)
    assert [change for change in play.changes if ONSET + 60 < change.at < ONSET + 200] == []
    assert len(play.run(ONSET + 300).ready()) == size


def test_the_brake_of_a_large_fleet_is_steady():
    """Each round shows only some of the others; still about half stay, and hardly any comes and goes."""
    policy = Policy(shared="unready", ready_delay=10.0)
    play = Play(50, seed=2, policy=policy, faults=[Fault(ONSET)]).run(ONSET + 60)
    assert 20 <= len(play.ready()) <= 30
    settled = play.now
    play.run(ONSET + 200)
    assert len({change.replica for change in play.changes if change.at > settled}) <= 5
    assert 20 <= len(play.ready()) <= 30


def test_the_brake_holds_where_nobody_is_heard():
    """The peers fall silent: who is left could not know that it is the last, so all return."""
    policy = Policy(shared="unready", ready_delay=10.0)
    play = Play(10, seed=2, policy=policy, faults=[Fault(ONSET)]).run(ONSET + 60)
    play.hears = lambda asker, answerer: False
    assert len(play.run(ONSET + 120).ready()) == 10
