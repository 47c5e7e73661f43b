"""What waits for one receiver: one word per alert, bounded."""

from agent.outbox.store import Leases, Queue
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
    assert [box.put(alert(key=key)) for key in "aab"] == [True, True, True]
    assert not box.put(alert(key="c"))
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
    assert box.put(alert(key="a"))
    assert not box.put(alert(key="b"))
    assert ([each.key for each in box.take()], box.waiting) == (["b"], 1)
