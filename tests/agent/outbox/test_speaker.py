"""Of many replicas one speaks, and whatever goes wrong somebody does."""

import random
from dataclasses import replace

import pytest

from agent.alerting.engine import Notice
from agent.outbox.speaker import Speaker
from agent.peers import wire
from agent.readiness.fleet import Fleet
from agent.readiness.rank import before
from exporters.base import Alert, Severity

KEY = "ab" * 32
FIRING = Alert("OutriderSLOBurn", Severity.PAGE, 1000.0, KEY)
RESOLVED = replace(FIRING, resolved_at=1600.0)
REFRESH = 2.0


class Replica:
    """One replica: its own clock's offset, a speaker, and an outbox that may hold back what it gets."""

    def __init__(self, name, offset=0.0):
        self.offset, self.news, self.holding = offset, [], []
        self.stuck = self.dead = self.deaf = False
        self.fleet = Fleet(name, REFRESH)
        self.speaker = Speaker(self.fleet, lambda: self)

    def spoken(self, receiver):
        return receiver != "am"

    def waits(self, key):
        return any(notice.alert.key == key for notice in self.holding)

    def withdraw(self, key):
        self.holding = [notice for notice in self.holding if notice.alert.key != key]


class Play:
    """Several replicas in simulated time; what reaches the one webhook is in `heard`: (second, who, fires)."""

    def __init__(self, count, refresh=REFRESH, seed=7, asks=None):
        self.chance = chance = random.Random(seed)
        self.asks = asks
        self.replicas = [Replica(f"r{n}", chance.uniform(0, 1e6)) for n in range(count)]
        for one in self.replicas:
            one.fleet.configure(refresh)
        self.now, self.heard, self.leases, self.alerts, self.posted = 0, [], [], [], []
        self.run(10 if asks is None else 40)

    def run(self, seconds):
        for _ in range(seconds):
            self.now += 1
            for number, one in enumerate(self.replicas):
                if (self.now + number) % 2 == 0:
                    self.look(one)
                if not one.dead:
                    self.tell(one)

    def look(self, one):
        """Read what every other replica tells, as it travels between two machines whose clocks differ."""
        others = self.replicas if self.asks is None else self.chance.sample(self.replicas, self.asks)
        for other in others:
            if other is not one and not (other.dead or one.dead or one.deaf or other.deaf):
                there = self.now + other.offset
                body = wire.document(other.fleet.identity, False, {}, there, other.speaker.told(there))
                one.fleet.hear(wire.read(wire.msgspec.json.encode(body), self.now + one.offset))

    def tell(self, one):
        notices, one.news = one.news, []
        posted = one.speaker.step(notices, self.now + one.offset)
        one.holding += posted
        if not one.stuck:
            self.posted += one.holding
            for notice in one.holding:
                if "am" in notice.receivers:
                    self.leases.append((self.now, one.fleet.identity, notice.alert.firing))
                if "hook" in notice.receivers:
                    self.heard.append((self.now, one.fleet.identity, notice.alert.firing))
                    self.alerts.append(notice.alert)
            one.holding = []

    def fire(self, *which, to=("hook",), alert=FIRING):
        for number in which:
            self.replicas[number].news.append(Notice(alert, to))

    def resolve(self, *which, to=("hook",), alert=RESOLVED):
        for number in which:
            self.replicas[number].news.append(Notice(alert, to))

    @property
    def words(self):
        return [fires for _, _, fires in self.heard]


@pytest.mark.parametrize(("count", "seconds"), [(2, 400), (3, 400), (7, 400), (50, 150)])
def test_a_fault_that_all_see_is_told_once_and_ended_once(count, seconds):
    """However many replicas there are, the webhook hears one FIRING and one RESOLVED."""
    play = Play(count)
    play.fire(*range(count))
    play.run(seconds)
    play.resolve(*range(count))
    play.run(seconds)
    assert play.words == [True, False]


@pytest.mark.parametrize("seed", range(12))
def test_fifty_of_which_each_hears_some_at_a_time_tell_it_once(seed):
    """Each look is at twelve of fifty, who notice and recover over seconds: one FIRING, one RESOLVED, not too early."""
    play = Play(50, seed=seed, asks=12)
    for word in (play.fire, play.resolve):
        order = play.chance.sample(range(50), 50)
        for some in range(0, 50, 5):
            word(*order[some : some + 5])
            play.run(1)
        last = play.now
        play.run(60)
    assert play.words == [True, False]
    assert play.heard[1][0] >= last - 1


@pytest.mark.parametrize("seed", range(4))
def test_one_of_fifty_that_sees_it_alone_tells_it_once(seed):
    """Though each look is at twelve: told within six of them, ended once."""
    play = Play(50, seed=seed, asks=12)
    alone = play.chance.randrange(50)
    play.fire(alone)
    play.run(13)
    assert play.words == [True]
    play.resolve(alone)
    play.run(60)
    assert play.words == [True, False]


def test_the_first_of_all_does_not_wait():
    """Somebody speaks in the second in which it fires."""
    play = Play(5)
    play.fire(*range(5))
    play.run(1)
    assert play.words == [True]


def test_the_only_one_that_sees_it_does_not_wait_for_those_that_see_nothing():
    """A private fault of any replica of eight is told within three refreshes."""
    play = Play(8)
    for number in range(8):
        play.fire(number)
        play.run(8)
        assert play.words == [True], number
        play.resolve(number)
        play.run(320)
        assert play.words == [True, False], number
        play.heard.clear()


def test_it_is_over_when_it_is_over_for_the_last():
    """The first to recover says nothing; the last one does."""
    play = Play(4)
    play.fire(0, 1, 2, 3)
    play.run(100)
    for number in range(3):
        play.resolve(number)
        play.run(60)
        assert play.words == [True]
    play.resolve(3)
    play.run(60)
    assert play.words == [True, False]


@pytest.mark.parametrize("dies", [False, True])
def test_the_end_has_the_start_that_was_announced(dies):
    """Each saw it begin at another moment; the last to recover says what the first one did, who may be dead."""
    play = Play(4)
    for number in range(4):
        play.fire(number, alert=replace(FIRING, started_at=1000.5 + number))
    play.run(30)
    (firing,) = play.alerts
    who = next(number for number, one in enumerate(play.replicas) if one.fleet.identity == play.heard[0][1])
    play.replicas[who].dead = dies
    last = (who + 1) % 4
    for number in (*({0, 1, 2, 3} - {last}), last):
        play.resolve(number, alert=replace(RESOLVED, started_at=1000.5 + number))
        play.run(20)
    play.run(60)
    assert [(each.started_at, each.firing) for each in play.alerts] == [
        (firing.started_at, True), (firing.started_at, False)
    ]  # fmt: skip


def test_nothing_ends_before_it_began():
    """The one that announced it has a clock that is hours fast."""
    play = Play(2)
    first = min(range(2), key=lambda number: _place(play.replicas[number], play))
    play.fire(first, alert=replace(FIRING, started_at=9000.0))
    play.fire(1 - first)
    play.run(30)
    play.replicas[first].dead = True
    play.resolve(1 - first)
    play.run(60)
    assert [(each.started_at, each.resolved_at) for each in play.alerts] == [(9000.0, None), (9000.0, 9000.0)]


@pytest.mark.parametrize("at", [1, 5, 30])
def test_the_one_that_spoke_may_die(at):
    """What it said is ended by those that are left."""
    play = Play(3)
    play.fire(0, 1, 2)
    play.run(at)
    who = play.heard[0][1]
    dead = next(number for number, one in enumerate(play.replicas) if one.fleet.identity == who)
    play.replicas[dead].dead = True
    play.run(60)
    play.resolve(*({0, 1, 2} - {dead}))
    play.run(120)
    assert play.words[-1] is False
    assert play.words.count(False) == 1
    assert play.words.count(True) <= 2


def test_the_one_that_spoke_may_die_before_anybody_hears_of_it():
    """Those that saw the fault too cannot know that somebody was called, and tell the end all the same."""
    play = Play(3)
    first = min(play.replicas, key=lambda one: _place(one, play))
    first.deaf = True  # nobody hears it any more
    play.fire(0, 1, 2)
    play.run(2)
    assert [who for _, who, _ in play.heard] == [first.fleet.identity]
    first.dead = True
    play.resolve(*(number for number, one in enumerate(play.replicas) if one is not first))
    play.run(60)
    assert play.words == [True, False]


def test_a_word_that_is_stuck_is_said_by_another():
    """Handed to an outbox is not told: when the first cannot reach the webhook, the next one speaks."""
    play = Play(3)
    first = min(play.replicas, key=lambda one: _place(one, play))
    first.stuck = True
    play.fire(0, 1, 2)
    play.run(60)
    assert play.words == [True]
    assert play.heard[0][1] != first.fleet.identity
    first.stuck = False
    play.run(60)
    assert play.words == [True]


def test_an_end_that_is_stuck_is_said_by_another():
    """The first that would end it cannot reach the webhook: the next one does, and the first says nothing later."""
    play = Play(3)
    play.fire(0, 1, 2)
    play.run(60)
    first = min(play.replicas, key=lambda one: _place(one, play))
    first.stuck = True
    play.resolve(0, 1, 2)
    play.run(60)
    assert play.words == [True, False]
    first.stuck = False
    play.run(60)
    assert play.words == [True, False]
    assert play.heard[1][1] != first.fleet.identity


def test_a_receiver_that_comes_late_keeps_its_word_though_others_announced_it():
    """What waits for the new one is not what the others told the old one."""
    play = Play(3)
    play.fire(0, 1, 2)
    play.run(30)
    first = min(play.replicas, key=lambda one: _place(one, play))
    first.stuck = True
    play.fire(0, 1, 2, to=("chat",))
    play.run(30)
    first.stuck = False
    play.run(30)
    assert ["chat" in notice.receivers for notice in play.posted].count(True) == 1


def test_those_that_hear_nobody_all_speak():
    """Without each other's views every replica tells it: a repeat is folded, silence would be a loss."""
    play = Play(3)
    for one in play.replicas:
        one.deaf = True
    play.run(10)
    play.fire(0, 1, 2)
    play.run(60)
    assert play.words == [True, True, True]


def test_without_peers_it_is_said_at_once():
    """One alone has nobody to wait for."""
    play = Play(1, refresh=None)
    play.fire(0)
    play.run(1)
    play.resolve(0)
    play.run(1)
    assert play.words == [True, False]


def test_an_alertmanager_hears_everybody():
    """A lease is everyone's own, and is not staggered; the webhook beside it hears one."""
    play = Play(3)
    play.fire(0, 1, 2, to=("am", "hook"))
    play.run(1)
    assert len(play.leases) == 3
    play.resolve(0, 1, 2, to=("am", "hook"))
    play.run(60)
    assert len(play.leases) == 6
    assert play.words == [True, False]


def test_one_that_started_anew_still_ends_what_it_knew():
    """A replica that knows from its state folder that an alert fires says its end, when nobody else does."""
    play = Play(2)
    play.replicas[0].speaker.adopt([KEY], play.now + play.replicas[0].offset)
    play.run(10)
    play.resolve(0)
    play.run(30)
    assert play.words == [False]


def test_an_end_of_which_nothing_is_known_is_said():
    """Rather one RESOLVED too many than an incident that stays open."""
    play = Play(2)
    play.resolve(1)
    play.run(30)
    assert play.words == [False]


def test_what_ended_before_anybody_was_told_is_not_told():
    """A blip during the wait calls nobody."""
    play = Play(3)
    last = max(range(3), key=lambda number: _place(play.replicas[number], play))
    play.fire(last)
    play.run(1)
    play.resolve(last)
    play.run(60)
    assert play.words == []
    assert play.replicas[last].speaker.told(0.0) == {}


def test_the_next_episode_is_another_one():
    """The RESOLVED of the first, which is still remembered, does not silence that of the second."""
    play = Play(3)
    for _ in range(2):
        play.fire(0, 1, 2)
        play.run(60)
        play.resolve(0, 1, 2)
        play.run(60)
    assert play.words == [True, False, True, False]


@pytest.mark.parametrize("after", [0, 30])
def test_a_receiver_that_comes_while_it_fires_is_told_once(after):
    """A change of the file brings a chat to all three: one of them tells it, with the start that the others heard."""
    play = Play(3)
    for number in range(3):
        play.fire(number, alert=replace(FIRING, started_at=1000.5 + number))
    play.run(after)
    for number in range(3):
        play.fire(number, to=("chat",), alert=replace(FIRING, started_at=1000.5 + number))
    play.run(120)
    play.resolve(0, 1, 2, to=("hook", "chat"))
    play.run(60)
    for name in ("hook", "chat"):
        told = [notice.alert for notice in play.posted if name in notice.receivers]
        assert [each.firing for each in told] == [True, False], name
        assert len({each.started_at for each in told}) == 1


def test_what_is_over_is_forgotten():
    """Nothing of an alert is left five minutes after its end."""
    play = Play(3)
    play.fire(0, 1, 2)
    play.run(30)
    play.resolve(0, 1, 2)
    play.run(400)
    assert all(not one.speaker.told(play.now + one.offset) for one in play.replicas)


def _place(one, play):
    return before(one.fleet.identity, (other.fleet.identity for other in play.replicas if other is not one), KEY)
