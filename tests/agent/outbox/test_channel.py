"""One receiver in simulated time: when it is told, when again, and what is counted."""

import asyncio
import logging

from agent.outbox.channel import Channel, Sent
from exporters.base import Notifier, Permanent, Retryable
from tests.exporters.notify.place import alert
from tests.virtual import run


class Told(Notifier):
    """Notes when it was told what; `answers` says how each attempt ends (None: taken, a number: seconds it takes)."""

    resend = 60.0

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []

    async def notify(self, alerts):
        """Play the next answer."""
        now = asyncio.get_running_loop().time() - 1000
        self.seen.append((now, [(each.key, each.firing) for each in alerts]))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            await asyncio.sleep(answer)


class Lease(Told):
    """Wants what fires again and again."""

    lease = True


def play(notifier, *events, until=1000.0):
    """Run a channel in which at each (time, alert) the alert is put; returns the channel as it stands at the end."""

    async def main():
        channel = Channel("oncall", notifier, chance=lambda: 0.5)
        task = asyncio.create_task(channel.run())
        start = asyncio.get_running_loop().time()
        for at, each in (*events, (until, None)):
            await asyncio.sleep(start + at - asyncio.get_running_loop().time())
            if each is not None:
                channel.put(each)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return channel

    return run(main())


def times(notifier):
    """When it was told."""
    return [at for at, _ in notifier.seen]


def test_an_alert_is_told_at_once_and_once():
    """No waiting, no repeats."""
    hook = Told()
    channel = play(hook, (5, alert()), (9, alert(resolved_at=2e9)))
    assert hook.seen == [(5, [("k1", True)]), (9, [("k1", False)])]
    assert (channel.counts[Sent.SENT], channel.box.waiting) == (2, 0)


def test_failures_are_tried_again_with_growing_waits(caplog):
    """Half of 1, 2, 4 ... 60 s here, where chance is always one half; one line at the first failure, one at the end."""
    caplog.set_level(logging.INFO)
    hook = Told(*[Retryable("network", "down")] * 8)
    channel = play(hook, (0, alert()))
    assert times(hook) == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5]
    assert (channel.counts[Sent.RETRIED], channel.counts[Sent.SENT]) == (8, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "receiver oncall: network: down; trying on",
        "receiver oncall takes alerts again",
    ]


def test_what_the_receiver_asks_for_comes_first():
    """Retry-After decides over the own wait, up to five minutes."""
    hook = Told(Retryable("throttled", after=42.0), Retryable("throttled", after=9999.0))
    play(hook, (0, alert()))
    assert times(hook) == [0, 42, 342]


def test_a_refusal_for_good_is_counted_and_left(caplog):
    """The next alert has its own chance."""
    hook = Told(Permanent("refused", "no\nway"))
    channel = play(hook, (0, alert(key="a")), (1, alert(key="b")))
    assert times(hook) == [0, 1]
    assert (channel.counts[Sent.REFUSED], channel.counts[Sent.SENT]) == (1, 1)
    assert caplog.messages[0] == "receiver oncall refused an alert for good: refused: no way"


def test_an_alert_that_is_never_taken_does_not_hold_up_the_next():
    """The receiver chokes on one alert; the others get through between its attempts."""

    class Picky(Told):
        async def notify(self, alerts):
            await super().notify(alerts)
            if alerts[0].key == "poison":
                raise Retryable("server")

    hook = Picky()
    channel = play(hook, (0, alert(key="poison")), (0.1, alert(key="a")), (0.1, alert(key="b")), until=2)
    assert [key for _, [(key, _)] in hook.seen][:4] == ["poison", "poison", "a", "b"]
    assert channel.box.waiting == 1


def test_a_notifier_that_hangs_is_cancelled(caplog):
    """One that keeps no deadline has 60 s."""
    hook = Told(3600.0)
    channel = play(hook, (0, alert()))
    assert times(hook) == [0, 60.5]
    assert channel.counts[Sent.RETRIED] == 1
    assert "no end within 60 s" in caplog.text


def test_a_notifier_that_breaks_is_told_once_and_tried_on(caplog):
    """A bug in a plug-in ends no task; the traceback is in the log once."""
    hook = Told(KeyError("labels"), KeyError("labels"))
    channel = play(hook, (0, alert()))
    assert (len(hook.seen), channel.counts[Sent.SENT]) == (3, 1)
    assert caplog.text.count("the notifier broke: KeyError: 'labels'") == 1
    assert caplog.text.count("Traceback") == 1


def test_leases_are_said_again_until_they_end():
    """Every 60 s while it fires, then silence."""
    fleet = Lease()
    channel = play(fleet, (10, alert()), (200, alert(resolved_at=2e9)), until=2000)
    assert fleet.seen == [(at, [("k1", True)]) for at in (10, 70, 130, 190)]
    assert channel.counts[Sent.SENT] == 4


def test_a_new_alert_does_not_wait_for_the_next_turn():
    """Also when it comes while the last turn is still on its way."""
    fleet = Lease(None, 5.0)
    play(fleet, (0, alert(key="a")), (20, alert(key="b")), (22, alert(key="c")), until=80)
    assert fleet.seen == [
        (0, [("a", True)]),
        (20, [("a", True), ("b", True)]),
        (25, [("a", True), ("b", True), ("c", True)]),
    ]


def test_a_lease_that_was_not_taken_is_tried_before_the_next_turn():
    """Backoff, not the resend interval, decides after a failure."""
    fleet = Lease(Retryable("network"), Retryable("network"))
    channel = play(fleet, (0, alert()), until=100)
    assert times(fleet) == [0, 0.5, 1.5, 61.5]
    assert channel.box.waiting == 0


def test_a_lease_that_is_refused_is_logged_once(caplog):
    """It is said again at every turn, since Alertmanager may be mended; a night of it is one line."""
    caplog.set_level(logging.INFO)
    fleet = Lease(*[Permanent("refused")] * 5)
    channel = play(fleet, (0, alert()), until=310)
    assert (channel.counts[Sent.REFUSED], channel.counts[Sent.SENT]) == (5, 1)
    assert caplog.messages == [
        "receiver oncall refused an alert for good: refused",
        "receiver oncall takes alerts again",
    ]


def test_more_than_can_wait_is_dropped_and_counted(caplog):
    """The receiver is down and a thousand and two alerts come."""
    hook = Told(Retryable("network", after=300.0))
    channel = play(hook, *((0, alert(key=str(number))) for number in range(1002)), until=1)
    assert (channel.box.waiting, channel.counts[Sent.DROPPED]) == (1000, 2)
    assert caplog.messages.count("receiver oncall: too many alerts wait; the oldest was dropped") == 2
