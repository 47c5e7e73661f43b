"""Ten thousand alerts, receivers that are down for an hour: none lost, none doubled; simulated time, real SQLite."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from agent.alerting.engine import Notice
from agent.outbox.channel import Sent
from agent.outbox.deliver import Outbox
from agent.outbox.letters import SCHEMA, Letters
from exporters.base import Notifier, Permanent, Retryable
from tests.exporters.notify.place import alert
from tests.virtual import run

NAMES = tuple(f"r{number}" for number in range(10))


class Disk:
    """The state database without its thread, which simulated time would not wait for."""

    trouble, generation = "", 1

    def __init__(self, db):
        self._db = db
        for statement in SCHEMA.statements:
            db.execute(statement)

    def write(self, work):
        """At once."""
        future = asyncio.get_running_loop().create_future()
        with self._db:
            future.set_result(work(self._db))
        return future

    read = write


@pytest.fixture
def disk():
    """What outlives the outboxes of a test."""
    with closing(sqlite3.connect(":memory:")) as db:
        yield Disk(db)


class Down(Notifier):
    """Down until an hour after the start; says each alert's key and whether it fires."""

    def __init__(self, up_at=4600.0, max_age=None):
        self.up_at, self.max_age, self.heard = up_at, max_age, []

    async def notify(self, alerts):
        """Refused connections, like a host that is off."""
        if asyncio.get_running_loop().time() < self.up_at:
            raise Retryable("network", "connection refused")
        self.heard += [(each.key, each.started_at, each.firing) for each in alerts]


def clock():
    """Unix time of the simulation."""
    return asyncio.get_running_loop().time()


def started(notifiers, letters=None):
    """An outbox and its task."""
    outbox = Outbox(notifiers, letters=letters, clock=clock)
    return outbox, asyncio.create_task(outbox.run())


async def ended(task):
    """As a kill: nothing is flushed, nothing is said."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_ten_thousand_alerts_over_an_hour_without_receivers_and_a_kill(disk):
    """A thousand for each of ten receivers; the process is killed halfway; each arrives once with its own time."""

    async def main():
        notifiers = {name: Down() for name in NAMES}
        outbox, task = started(notifiers, Letters(disk))
        for number in range(1000):
            outbox.post(Notice(alert(key=f"k{number}", started_at=number / 7), NAMES))
            await asyncio.sleep(1)
        await ended(task)
        letters = Letters(disk)
        await letters.load()
        letters.reconcile({f"k{number}" for number in range(1000)}, clock())
        outbox, task = started(notifiers, letters)
        await asyncio.sleep(4000)
        assert await outbox.flush(600)
        await ended(task)
        left = Letters(disk)
        await left.load()
        return notifiers, [len(left.claim(name, "queue")) for name in NAMES]

    notifiers, left = run(main())
    everything = Counter((f"k{number}", number / 7, True) for number in range(1000))
    assert all(Counter(each.heard) == everything for each in notifiers.values())
    assert left == [0] * 10


def test_what_another_replica_has_told_is_not_told_again(disk):
    """Withdrawn while its receiver is down: only the rest arrives, and a restart brings nothing back."""

    async def main():
        pager = Down()
        outbox, task = started({"pager": pager}, Letters(disk))
        for key in ("mine", "theirs"):
            outbox.post(Notice(alert(key=key), ("pager",)))
        await asyncio.sleep(100)
        outbox.withdraw("theirs")
        await asyncio.sleep(100)
        await ended(task)
        letters = Letters(disk)
        await letters.load()
        _, task = started({"pager": pager}, letters)
        await asyncio.sleep(4000)
        await ended(task)
        return [key for key, *_ in pager.heard]

    assert run(main()) == ["mine"]


def test_a_kill_after_every_answer_doubles_one_at_most(disk):
    """Killed again and again in the middle of deliveries: nothing is lost, and only what was under way comes twice."""

    class Slow(Down):
        async def notify(self, alerts):
            await super().notify(alerts)
            await asyncio.sleep(1)

    async def main():
        hook, kills = Slow(up_at=0), 0
        outbox, task = started({"oncall": hook}, Letters(disk))
        for number in range(100):
            outbox.post(Notice(alert(key=f"k{number}"), ("oncall",)))
        while True:
            await asyncio.sleep(9.5)
            await ended(task)
            letters = Letters(disk)
            await letters.load()
            if not letters.claim("oncall", "queue"):
                return hook, kills
            kills += 1
            outbox, task = started({"oncall": hook}, letters)

    hook, kills = run(main())
    times = Counter(key for key, *_ in hook.heard)
    assert len(times) == 100
    assert sum(times.values()) - 100 <= kills


def test_chat_hears_no_old_news_but_everything_that_is_true():
    """Down for an hour, fifteen minutes at most: over and never heard of is dropped and counted, the rest is said."""

    async def main():
        chat, pager = Down(max_age=900.0), Down()
        outbox, task = started({"chat": chat, "pager": pager})
        for key, ends in (("old", 1060.0), ("new", 4400.0), ("true", None)):
            outbox.post(Notice(alert(key=key, started_at=1000.0), ("chat", "pager")))
            if ends:
                loop = asyncio.get_running_loop()
                over = alert(key=key, started_at=1000.0, resolved_at=ends)
                loop.call_at(ends, outbox.post, Notice(over, ("chat", "pager")))
        await asyncio.sleep(4000)
        await ended(task)
        return chat, pager, outbox.channels["chat"].counts

    chat, pager, counts = run(main())
    assert sorted((key, firing) for key, _, firing in chat.heard) == [("new", False), ("true", True)]
    assert sorted((key, firing) for key, _, firing in pager.heard) == [("new", False), ("old", False), ("true", True)]
    assert (counts[Sent.EXPIRED], counts[Sent.SENT]) == (1, 2)


class Strict(Down):
    """Refuses for good what `refuses` says."""

    def __init__(self, refuses):
        super().__init__(up_at=0)
        self.refuses = refuses

    async def notify(self, alerts):
        """Take it or not."""
        if any(self.refuses(each) for each in alerts):
            raise Permanent("gone", "it answered 410")
        await super().notify(alerts)


def told(notifier):
    """What it heard of receivers that are broken."""
    return [(each.labels["receiver"], each.firing) for each in notifier.alerts]


class Noting(Down):
    """Takes everything."""

    def __init__(self):
        super().__init__(up_at=0)
        self.alerts = []

    async def notify(self, alerts):
        """Note what is about receivers."""
        self.alerts += [each for each in alerts if each.name == "OutriderReceiverBroken"]


def test_a_receiver_that_refuses_is_told_of_once_also_over_a_restart(disk):
    """One ticket per episode on every other receiver, resolved by the first thing that is taken."""

    async def main():
        works = Noting()
        bad = Strict(lambda each: each.key < "k5")
        outbox, task = started({"bad": bad, "works": works}, Letters(disk))
        outbox._labels = lambda: {"service": "shop", "team": "payments"}
        for number in range(3):
            outbox.post(Notice(alert(key=f"k{number}"), ("bad",)))
            await asyncio.sleep(60)
        before = told(works)
        await ended(task)
        letters = Letters(disk)
        await letters.load()
        letters.reconcile((), clock())
        outbox, task = started({"bad": bad, "works": works}, letters)
        outbox.post(Notice(alert(key="k4"), ("bad",)))
        await asyncio.sleep(60)
        assert told(works) == before
        outbox.post(Notice(alert(key="k9"), ("bad",)))
        await asyncio.sleep(60)
        await ended(task)
        return before, works.alerts

    before, alerts = run(main())
    first, last = alerts
    assert (before, last.firing, last.key) == ([("bad", True)], False, first.key)
    assert (first.severity, first.labels["service"], first.labels["team"]) == ("ticket", "shop", "payments")
    assert first.annotations["summary"] == "shop cannot alert bad: it refuses for good (gone)"
    assert last.annotations["summary"] == "shop receiver bad takes alerts again"


def test_receivers_that_refuse_everything_do_not_talk_about_each_other_for_ever():
    """Each is announced to the other once; that is refused too, and nothing more is said."""

    async def main():
        refused = []
        both = {name: Strict(lambda each: refused.append(each.name) or True) for name in ("a", "b")}
        outbox, task = started(both)
        outbox.post(Notice(alert(), ("a",)))
        await asyncio.sleep(3600)
        await ended(task)
        return refused, outbox

    refused, outbox = run(main())
    assert refused == ["OutriderSLOBurn", "OutriderReceiverBroken", "OutriderReceiverBroken"]
    assert [channel.box.waiting for channel in outbox.channels.values()] == [0, 0]


@pytest.mark.parametrize("restart", [False, True])
def test_a_broken_receiver_that_leaves_the_file_is_over(disk, restart):
    """Nobody is left with a ticket about something that is not there any more, be it by a reload or a restart."""

    async def main():
        works = Noting()
        letters = Letters(disk)
        outbox, task = started({"bad": Strict(lambda _: True), "works": works}, letters)
        outbox.post(Notice(alert(), ("bad",)))
        await asyncio.sleep(1)
        await ended(task)
        if restart:
            letters, outbox = Letters(disk), None
            await letters.load()
            letters.reconcile((), clock())
        after = Outbox({"works": works}, before=outbox, letters=letters, clock=clock)
        task = asyncio.create_task(after.run())
        await asyncio.sleep(1)
        await ended(task)
        return works

    works = run(main())
    assert told(works) == [("bad", True), ("bad", False)]
