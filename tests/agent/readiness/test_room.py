"""One replica judges itself: what it tells, whom it believes, and what it says to people."""

import pytest

from agent.readiness.fleet import Attempted, Fleet, PeerView
from agent.readiness.override import Override
from agent.readiness.policy import Policy, Status
from agent.readiness.rank import rank
from agent.readiness.room import Readiness
from tests.agent.readiness.judged import Judged, private, shared

HERE = "db is down: connect_refused in connect; "


def cut_off(**options):
    """Down here, and reached by all twelve peers since."""
    judged = Judged(shared(), **options)
    judged.tries("db", "FFF")
    judged.hears("SS")
    return judged


def test_it_leaves_after_one_more_failure():
    """The evidence asks for an attempt at once; ready until that one fails too."""
    judged = cut_off()
    assert (judged.due, judged.verdict().ready) == (["db"], True)
    assert judged.reason == HERE + "12 of 12 peers reached it since; one more attempt decides"
    judged.tries("db", "F", every=0.2)
    said = judged.verdict()
    assert (said.ready, said.held_open, judged.room.wants_out) == (False, False, True)
    assert judged.reason == HERE + "12 of 12 peers reached it since"


def test_it_stays_when_the_next_attempt_passes():
    """One pass is not enough to be up, and no failure is a reason to leave."""
    judged = cut_off()
    judged.tries("db", "S", every=0.2)
    assert judged.verdict().ready


@pytest.mark.case("R01")
@pytest.mark.parametrize(
    ("letters", "peers", "says"),
    [
        ("FFF", 12, "0 of 12 peers reached it since and 36 of their 36 attempts failed, so this replica stays"),
        ("SFS", 12, "12 of 12 peers reached it since and 12 of their 36 attempts failed, so this replica stays"),
        ("", 12, "none of 12 peers has tried it since, so this replica stays"),
        ("", 0, "it is shared and no peer answers, so this replica stays"),
    ],
)
def test_undecided_is_degraded_and_ready(letters, peers, says):
    """And the verdict tells people who saw what."""
    judged = Judged(shared())
    judged.tries("db", "FFF")
    judged.hears(letters, peers=peers)
    judged.tries("db", "F", every=0.2)
    said = judged.verdict()
    assert (said.ready, said.status, said.held_open) == (True, Status.DEGRADED, True)
    assert judged.reason == HERE + says


def test_too_few_tried():
    """Four of twelve say that it works: that is not half."""
    judged = Judged(shared())
    judged.tries("db", "FFF")
    judged.hears("", peers=8, who="silent")
    judged.hears("S", peers=4)
    assert judged.reason == HERE + "4 of 12 peers reached it since and most did not try, so this replica stays"


@pytest.mark.case("R02")
def test_a_fault_that_turns_out_to_be_for_all_brings_it_back():
    """The evidence no longer holds: ready at once, without the delay, and held open."""
    judged = cut_off(policy=Policy(ready_delay=10.0))
    judged.tries("db", "F", every=0.2)
    assert not judged.verdict().ready
    judged.hears("FF")
    said = judged.verdict()
    assert (said.ready, said.held_open, said.returning) == (True, True, 0.0)


def test_views_that_grow_stale_bring_it_back():
    """Three refreshes after the last word of the others nothing speaks against it; others there are, so: isolated."""
    judged = cut_off()
    judged.tries("db", "F", every=0.2)
    judged.now += 6.5
    judged.weigh()
    said = judged.verdict()
    assert (said.ready, said.isolated) == (True, True)
    assert "isolated: there are other replicas, and none of them answers" in said.reasons


def test_being_isolated_is_degraded():
    """Nothing is down, and yet the replica says that it is alone."""
    judged = Judged(shared())
    judged.hears("S")
    judged.now += 6.5
    said = judged.verdict()
    assert (said.ready, said.status) == (True, Status.DEGRADED)


def test_the_way_back_takes_a_while():
    """Recovered by itself: ready after the share of the delay that chance gives it, and it says how long that is."""
    judged = cut_off(policy=Policy(ready_delay=10.0))
    judged.tries("db", "F", every=0.2)
    judged.tries("db", "SS", every=0.2)
    assert judged.verdict().returning == 5.0
    assert judged.reason == "returning: ready in 5.0 s, so that not all replicas come back at once"
    judged.now += 5.0
    assert judged.verdict().ready


def test_an_override_counts_for_more():
    """A person may hold it in, or out, whatever the members say; the verdict tells so first."""
    judged = cut_off()
    judged.tries("db", "F", every=0.2)
    said = judged.verdict(override=Override(ready=True, until=2000.0, reason="INC-7"))
    assert (said.ready, said.status, said.reasons[0]) == (True, Status.DEGRADED, "override: ready (INC-7)")
    well = Judged(shared()).verdict(override=Override(ready=False, until=2000.0, reason="canary"))
    assert (well.ready, well.status) == (False, Status.UNHEALTHY)


def test_maintenance_has_no_say():
    """What is being worked on takes nobody out, and is no reason to want out."""
    judged = cut_off(policy=Policy(shared="unready"))
    judged.maintenance = {"db"}
    judged.weigh()
    said = judged.verdict()
    assert (said.ready, said.status, judged.room.wants_out) == (True, Status.HEALTHY, False)


@pytest.mark.parametrize(
    ("policy", "refresh", "ready", "says"),
    [
        ("degrade", 2.0, True, "`readiness.shared: degrade` keeps this replica"),
        ("unready", None, False, "`readiness.shared: unready` takes this replica out"),
        ("auto", None, True, "it is shared and no peer is asked, so this replica stays"),
    ],
)
def test_policies_that_ask_nobody(policy, refresh, ready, says):
    """Told to stay, told to go, and nobody to ask."""
    judged = Judged(shared(), policy=Policy(shared=policy), refresh=refresh)
    judged.tries("db", "FFFF")
    assert (judged.verdict().ready, judged.reason) == (ready, HERE + says)


@pytest.mark.case("R02")
def test_told_to_go_it_lets_others_hear_of_it_first():
    """Two that leave in the same second would each not know of the other: after two refreshes they do."""
    judged = Judged(shared(), policy=Policy(shared="unready"))
    judged.hears("S", peers=1)
    judged.tries("db", "FFF", every=0.5)
    assert (judged.verdict().ready, judged.room.wants_out) == (True, True)
    judged.now += 4.0
    judged.hears("F", peers=1)
    assert not judged.verdict().ready


@pytest.mark.case("R02")
def test_the_brake_says_so():
    """All others want out and go first: this one stays, held open, and says why."""
    judged = Judged(shared(), policy=Policy(shared="unready"))
    before_me = [name for name in map(str, range(99)) if rank(name, "leave") < rank("me", "leave")][:3]
    judged.tries("db", "FFF")
    judged.now += 4.0
    for who in before_me:
        judged.fleet.hear(PeerView(who, judged.now, wants_out=True))
    judged.weigh()
    said = judged.verdict()
    assert (said.ready, said.held_open) == (True, True)
    assert judged.reason.endswith("takes this replica out, but others leave first and some must stay")


def test_told_to_go_and_heard_by_nobody():
    """Others are known and none answers: nobody could hold the last one back, so it stays."""
    judged = Judged(shared(), policy=Policy(shared="unready"))
    judged.hears("S")
    judged.now += 7.0
    judged.tries("db", "FFF")
    judged.now += 10.0
    judged.weigh()
    assert judged.verdict().ready


def test_an_app_follows_what_it_depends_on():
    """Down with its shared database it stays while that does, and its reason comes after the cause."""
    judged = Judged(private("app", depends_on=("db",)), shared())
    judged.tries("app", "FFF")
    judged.tries("db", "FFF")
    judged.hears("FF")
    said = judged.verdict()
    assert said.ready
    assert [reason.split()[0] for reason in said.reasons] == ["db", "app"]
    assert "; db, which it depends on, is down too; 0 of 12 peers reached it" in said.reasons[1]


def test_an_app_whose_database_only_others_reach():
    """Cut off: out, for both."""
    judged = Judged(private("app", depends_on=("db",)), shared(when_down="degraded"))
    judged.tries("app", "FFF")
    judged.tries("db", "FFF")
    judged.hears("SS")
    judged.tries("db", "F", every=0.2)
    assert not judged.verdict().ready
    assert judged.room.wants_out


def test_an_app_whose_database_fails_for_others_now_and_then():
    """It passes here each time it is asked; a brown-out it is all the same, and not this replica's own trouble."""
    judged = Judged(private("app", depends_on=("db",)), shared())
    judged.tries("app", "FFF")
    judged.tries("db", "S")
    assert not judged.verdict().ready
    judged.hears("SSF")
    assert judged.verdict().ready
    assert judged.reason.endswith("; db fails for other replicas, so this replica stays")
    judged.hears("SSS")
    assert not judged.verdict().ready


def test_strict_does_not_empty_the_fleet():
    """`fail_on_degraded`: what is down for everyone takes nobody out although it can be missed; alone here, it does."""
    judged = Judged(shared(when_down="degraded"), policy=Policy(fail_on_degraded=True))
    judged.tries("db", "FFF")
    judged.hears("FF")
    assert (judged.verdict().ready, judged.verdict().held_open) == (True, False)
    judged.hears("SSSSSS")
    judged.tries("db", "F", every=0.2)
    assert (judged.verdict().ready, judged.room.wants_out) == (False, True)


def test_what_the_peers_are_told():
    """The last eight attempts that said something, of shared probes alone, oldest first."""
    judged = Judged(shared(), private("disk"))
    judged.tries("db", "SSSSIFSWSFS", every=1.0)
    told = judged.room.told()
    assert told.keys() == {"db"}
    assert [passed for _, passed in told["db"]] == [True, True, False, True, True, True, False, True]
    assert [at for at, _ in told["db"]] == sorted(at for at, _ in told["db"])


def test_what_left_the_file_is_not_told():
    """Nor what is shared no more."""
    judged = Judged(shared(), shared("cache"))
    judged.room.forget("cache")
    judged.board.amend(private("db"))
    judged.tries("db", "S")
    assert judged.room.told() == {}


def test_one_replica_reads_for_all():
    """The first by rank for this probe, of those that reach it; alone, this one."""
    judged = Judged(shared())
    assert judged.room.reads("db", judged.now)
    judged.hears("S", peers=40)
    assert any(rank(f"peer {number}", "db") < rank("me", "db") for number in range(40))
    assert not judged.room.reads("db", judged.now)
    judged.hears("F", peers=40)
    assert judged.room.reads("db", judged.now)


def test_exactly_one_of_many_reads():
    """Every replica that hears all others comes to the same one."""
    fleet = [f"{number:016x}" for number in range(30)]
    reading = []
    for name in fleet:
        room = Readiness(Fleet(name, 2.0))
        for other in fleet:
            room.fleet.hear(PeerView(other, 10.0, attempts={"db": (Attempted(9.0, passed=True),)}))
        reading += [name] * room.reads("db", 11.0)
    assert len(reading) == 1
