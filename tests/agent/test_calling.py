"""What a heartbeat may say depends on what really goes on between a count and a call."""

import time

from agent.alerting.engine import Notice
from agent.calling import Calling
from agent.guard import Guard
from agent.health.board import Board
from agent.lifecycle import Lifecycle
from agent.outbox.deliver import Outbox
from agent.pulse import Pulse
from agent.replica import Replica
from config.types import Duration, Url
from exporters.notify.webhook import WebhookNotifier, WebhookOptions
from tests.exporters.notify.place import alert


def calling(lag=0.0):
    """A room without an agent around it."""
    replica = Replica(Board(), Lifecycle(0.0), Pulse(), lambda _: None)
    return Calling(Guard(), replica, lambda: lag)


def evaluated(room):
    """When, by its metric; None before the first time."""
    return {name: next(iter(samples)).value for name, samples in room.samples()}.get(
        "outrider_slo_last_evaluation_timestamp_seconds"
    )


async def test_a_heartbeat_waits_for_the_first_evaluation():
    """An agent that never judged has nothing to say; once it has, its metric tells when."""
    room = calling()
    assert room._withheld() == "objectives were never evaluated"
    assert evaluated(room) is None
    room._judge()
    assert room._withheld() == ""
    assert abs(evaluated(room) - time.time()) < 60


async def test_an_alert_that_does_not_leave_withholds_it():
    """Six minutes in the outbox of one receiver is too long, whatever the others take."""
    room, now = calling(), time.time()
    hook = WebhookNotifier(WebhookOptions(url=Url("http://127.0.0.1:9"), timeout=Duration(5)))
    room.outbox = Outbox({"oncall": hook}, clock=lambda: now)
    room._judge()
    room.outbox.post(Notice(alert(), ("oncall",)))
    now += 360
    assert room._withheld() == "an alert has waited for its receiver for 360 s"
    await room.outbox.aclose()


async def test_a_loop_that_stood_still_withholds_it():
    """What such an agent saw lately is not to be relied upon."""
    room = calling(lag=6.0)
    room._judge()
    assert room._withheld() == "the agent stood still for 6.0 s"
