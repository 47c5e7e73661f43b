"""One replica that lies, in simulated fleets: what its word can move, and what it cannot."""

from itertools import count

import pytest

from agent.health.state import State
from agent.readiness.fleet import Attempted, PeerView
from agent.readiness.policy import Policy
from agent.readiness.rules import Effect, Situation, rule
from tests.agent.readiness.fleet_play import Fault, Play
from tests.agent.readiness.test_policy import view

OUTAGE = Fault(100.0, 160.0)
SEEDS = range(12)


class Lied(Play):
    """At its round each replica also hears a liar, to whom everything passes at this moment: `lies(asker)`."""

    def _round(self, replica):
        for identity, wants_out in self.lies(replica):
            passes = {"db": tuple(Attempted(self.now, passed=True) for _ in range(8))}
            replica.fleet.hear(PeerView(identity, self.now, wants_out, passes))
        super()._round(replica)


def played(size, lies, seed, *faults):
    """A fleet of honest ones with one liar among them."""
    play = Lied(size, seed=seed, faults=faults)
    play.lies = lies
    return play.run(300.0)


def others(play, asker):
    """Identities of the honest ones that are not this one."""
    return [one.identity for one in play.replicas if one is not asker]


LIES = {
    "all is well": lambda asker: [("liar", False)],
    "and wants out": lambda asker: [("liar", True)],
    "with our own name": lambda asker: [(asker.identity, True)],
}


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES)
@pytest.mark.parametrize("size", [3, 5, 12])
def test_one_liar_moves_nobody_in_a_shared_outage(size, lies):
    """Whatever it says, three honest replicas or more stay, at onset and at recovery."""
    for seed in SEEDS:
        assert played(size, lies, seed, OUTAGE).left(60.0) == {}


def test_one_liar_with_anothers_name_moves_nobody():
    """It takes one voice away and adds none."""
    for seed in SEEDS:
        play = Lied(3, seed=seed, faults=[OUTAGE])
        play.lies = lambda asker, play=play: [(others(play, asker)[0], False)]
        assert play.run(300.0).left(60.0) == {}


def test_two_replicas_and_a_liar_never_leave_both():
    """Half of what is heard is a lie: one may leave, one serves."""
    for seed in SEEDS:
        play = Lied(2, seed=seed, faults=[OUTAGE])
        play.lies = lambda asker: [("liar", False)]
        while play.now < 300.0:
            play.run(play.now + 0.25)
            assert play.now < 60.0 or play.ready(), play.now


def test_a_liar_that_wants_out_holds_at_most_one_back():
    """In a fleet of six the one with a private fault leaves all the same: a single claim takes a single place."""
    for seed in SEEDS:
        play = played(6, lambda asker: [("liar", True)], seed, Fault(100.0, of=frozenset({0})))
        assert set(play.left(60.0)) == {0}


def test_what_a_liar_calls_itself_does_not_fill_memory():
    """A new name at every round is forgotten after fifteen."""
    names = count()
    play = Lied(2, seed=1)
    play.lies = lambda asker: [(f"liar{next(names)}", False)]
    play.run(600.0)
    for replica in play.replicas:
        assert len(replica.fleet.members(play.now)) < 20


def test_a_peers_clock_that_stood_still_tells_nothing_of_our_fault():
    """Views from before a pause of thirty seconds are no evidence: nobody leaves in the outage that goes on."""
    for seed in SEEDS:
        play = Play(4, seed=seed, faults=[Fault(100.0, 220.0)]).run(99.0)
        play.freeze(0, 30.0)
        play.run(150.0)
        play.freeze(1, 30.0)
        play.freeze(2, 30.0)
        assert play.run(400.0).left(60.0) == {}


def test_a_probe_that_joins_a_replica_that_served_takes_it_out_when_it_was_judged():
    """A reload that comes to all replicas at once must not empty the fleet while the new probe is asked first."""
    unknown = view(state=State.UNKNOWN)
    assert rule(unknown).effect is Effect.UNREADIES
    joined = rule(unknown, {}, Situation(served=True))
    assert (joined.effect, joined.held, joined.reason) == (Effect.DEGRADES, True, "starting")
    assert rule(view(state=State.DOWN), {}, Situation(served=True)).effect is Effect.UNREADIES


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_fleet_told_to_leave_never_leaves_whole(size):
    """With `shared: unready` too, at onset and at recovery: nobody waits outside while another leaves."""
    for seed in SEEDS:
        play = Play(size, seed=seed, policy=Policy(shared="unready", ready_delay=10.0), faults=[OUTAGE])
        while play.now < 300.0:
            play.run(play.now + 0.1)
            assert play.now < 60.0 or play.ready(), (seed, play.now, play.changes)
