"""What waits for one receiver: one word per alert, bounded."""

from dataclasses import replace

from agent.outbox.store import Entry, Leases, Queue
from tests.exporters.notify.place import alert


def test_a_resolve_replaces_the_firing_that_was_not_said():
    """The receiver was down for the whole outage: it hears once that it was, and never of something over as firing."""
    box = Queue()
    box.put(alert())
    ended = alert(resolved_at=2e9)
    box.put(ended)
    assert (box.waiting, list(box.take())) == (1, [ended])


def test_what_came_during_the_attempt_is_not_forgotten():
    """The alert is resolved while its firing is on the way: the resolve is still to be said."""
    box = Queue()
    firing, ended = alert(), alert(resolved_at=2e9)
    box.put(firing)
    taken = box.take()
    box.put(ended)
    box.said(taken)
    assert list(box.take()) == [ended]
    box.said([ended])
    assert (box.waiting, list(box.take())) == (0, [])


def test_one_that_is_never_taken_lets_the_others_go_first():
    """Each failed attempt puts the alert behind the rest, in its newest words."""
    box = Queue()
    first, second = alert(key="a"), alert(key="b")
    box.put(first)
    box.put(second)
    box.later([first])
    assert list(box.take()) == [second]
    box.said([second])
    newer = alert(key="a", resolved_at=2e9)
    box.put(newer)
    box.later([first])
    assert list(box.take()) == [newer]
    box.later([second])
    assert box.waiting == 1


def test_a_full_queue_drops_the_oldest():
    """Memory is bounded; a newer word on an alert that waits needs no room."""
    box = Queue(capacity=2)
    assert [box.put(alert(key=key)) for key in "aab"] == [None, None, None]
    assert box.put(alert(key="c")) == alert(key="a")
    assert [each.key for each in box.take()] == ["b"]
    assert box.waiting == 2


def test_leases_last_until_the_alert_ends():
    """What fires is said at every turn; what ended is not said at all."""
    box = Leases()
    first, second = alert(key="a"), alert(key="b")
    box.put(first)
    box.put(second)
    assert (box.waiting, list(box.take())) == (2, [first, second])
    box.said([first])
    box.later([second])
    assert (box.waiting, list(box.take())) == (1, [first, second])
    box.put(alert(key="a", resolved_at=2e9))
    box.put(alert(key="never", resolved_at=2e9))
    assert list(box.take()) == [second]


def test_a_new_episode_of_a_lease_waits_to_be_said():
    """The answer to the older one does not settle the newer one."""
    box = Leases()
    older, newer = alert(), alert(started_at=2e9)
    box.put(older)
    box.put(newer)
    box.said([older])
    assert box.waiting == 1
    box.said([newer])
    assert box.waiting == 0


def test_leases_are_bounded():
    """The oldest goes."""
    box = Leases(capacity=1)
    assert box.put(alert(key="a")) is None
    assert box.put(alert(key="b")) == alert(key="a")
    assert ([each.key for each in box.take()], box.waiting) == (["b"], 1)


def test_only_what_is_over_and_was_never_heard_of_expires():
    """What fires is still true; the end of what was announced is always said."""
    box = Queue()
    fires, missed = alert(key="fires", started_at=0.0), alert(key="missed", started_at=0.0)
    box.put(fires, 1)
    box.put(missed, 2)
    box.put(replace(missed, resolved_at=50.0), 50)
    box.put(alert(key="announced", resolved_at=50.0), 50)
    gone = [[entry.alert.key for entry in box.expire(before)] for before in (50.0, 50.1, 1000.0)]
    assert gone == [[], ["missed"], []]
    assert {entry.alert.key for entry in box.changes().values() if entry} == {"fires", "announced"}
    assert (box.oldest, box.waiting) == (1, 2)


def test_an_end_that_came_during_the_attempt_knows_what_was_heard():
    """The firing was taken after all: its end must be said, however late; and an end that was said is not owed."""
    box = Queue()
    fires = alert()
    box.put(fires)
    taken = box.take()
    box.put(ended := replace(fires, resolved_at=50.0))
    box.said(taken)
    assert not box.expire(1e6)
    box.put(again := replace(fires, started_at=60.0))
    box.said([ended])
    box.put(replace(again, resolved_at=70.0))
    assert len(box.expire(1e6)) == 1


def test_the_age_is_that_of_the_first_word():
    """A newer word, or a failed attempt, makes nothing younger."""
    box, leases = Queue(), Leases()
    for each in (box, leases):
        assert each.oldest is None
        each.put(alert(key="a"), 5)
        each.put(alert(key="b"), 9)
    box.put(alert(key="a", resolved_at=2e9), 20)
    box.later(box.take())
    leases.said(leases.take()[:1])
    assert (box.oldest, leases.oldest) == (5, 9)


def test_a_box_tells_what_changed_since_it_was_asked():
    """New, changed and gone, each once; what a restart brought back is no change."""
    box = Queue(capacity=2)
    box.restore([Entry(alert(key="b"), 2), Entry(alert(key="a"), 1)])
    assert ([each.key for each in box.take()], box.changes()) == (["a"], {})
    box.put(alert(key="c"), 3)
    changes = box.changes()
    assert (changes["a"], changes["c"].since, len(changes), box.changes()) == (None, 3, 2, {})


def test_a_lease_is_written_anew_only_when_it_is_said_first():
    """A repeat each minute costs the disk nothing."""
    box = Leases()
    box.put(alert(), 1)
    box.changes()
    for _ in range(3):
        box.said(box.take())
    assert [entry.said for entry in box.changes().values()] == [True]
    box.said(box.take())
    assert box.changes() == {}
