"""All receivers at once: real servers that refuse, throttle and hang, and the whole way from attempt to webhook."""

import asyncio
import json

import pytest

from agent.alerting.engine import AlertEngine, Notice
from agent.outbox.channel import Sent
from agent.outbox.deliver import Outbox
from agent.slo.engine import SloEngine
from config.net.retry import Backoff
from config.sections.alerts import Route
from config.types import Duration, Url
from exporters.base import Notifier
from exporters.contract import METRICS
from exporters.notify.webhook import WebhookNotifier, WebhookOptions
from tests.agent.slo.stream import BASE, attempt, objective
from tests.exporters.notify.place import Place, alert

SECONDS = 60.0  #: after which a test that waits has failed


def hook(place, timeout=30.0):
    """A webhook notifier for the place."""
    return WebhookNotifier(WebhookOptions(url=Url(place.url), timeout=Duration(timeout)))


@pytest.fixture
async def running():
    """Starts outboxes with quick retries; ends and closes them."""
    started = []

    def start(outbox):
        for channel in outbox.channels.values():
            channel._backoff = Backoff(0.02, 0.05)
        started.append((outbox, asyncio.create_task(outbox.run())))
        return outbox

    yield start
    for outbox, task in started:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.aclose()


def counted(outbox, name):
    """How the attempts at one receiver ended."""
    return {sent.value: count for sent, count in outbox.channels[name].counts.items()}


async def test_a_receiver_that_hangs_or_refuses_holds_up_no_other(running):
    """One hangs, one throttles, one refuses for good, one works: the last is told at once, each is counted."""
    async with Place() as hangs, Place() as busy, Place() as strict, Place() as good:
        hangs.hang()
        busy.answer(429, **{"Retry-After": "0"})
        busy.answer(503)
        strict.answer(410)
        names = ("hangs", "busy", "strict", "good")
        places = (hangs, busy, strict, good)
        outbox = running(Outbox({name: hook(place) for name, place in zip(names, places, strict=True)}))
        outbox.post(Notice(alert(), names))
        await good.requests(2)  # the second tells of the strict one
        await busy.requests(4)
        await strict.requests(1)
        await asyncio.wait_for(outbox.channels["busy"].idle(), SECONDS)
        await asyncio.wait_for(outbox.channels["strict"].idle(), SECONDS)
        assert counted(outbox, "busy") == {"retried": 2, "sent": 2}
        assert counted(outbox, "strict") == {"refused": 1}
        assert counted(outbox, "good") == {"sent": 2}
        assert (len(hangs.got), counted(outbox, "hangs")) == (1, {})
        assert not await outbox.flush(0.05)
        hangs.released.set()
        assert await outbox.flush(SECONDS)


async def test_samples_follow_the_metric_table(running):
    """Every outcome of every receiver is there from the start."""
    async with Place() as place:
        outbox = running(Outbox({"oncall": hook(place)}))
        before = {name: list(samples) for name, samples in outbox.samples()}
        for name, samples in before.items():
            assert all(len(sample.labels) == len(METRICS[name].labels) for sample in samples)
        assert {sample.labels[1]: sample.value for sample in before["outrider_notifications_total"]} == dict.fromkeys(
            ("sent", "retried", "refused", "dropped", "expired"), 0
        )
        outbox.post(Notice(alert(), ("oncall",)))
        assert dict(outbox.samples())["outrider_notifications_waiting"][0].value == 1
        assert await outbox.flush(SECONDS)
        assert dict(outbox.samples())["outrider_notifications_waiting"][0].value == 0
        assert dict(outbox.samples())["outrider_outbox_oldest_seconds"][0].value == 0


async def test_what_waits_survives_a_reload(running):
    """The new outbox goes on with what the old one could not say, and with its counts."""
    async with Place() as place:
        old = Outbox({"oncall": hook(place), "gone": hook(place)})
        old.post(Notice(alert(), ("oncall", "gone")))
        old.channels["oncall"].counts[Sent.SENT] = 7
        new = running(Outbox({"oncall": hook(place)}, before=old))
        assert await new.flush(SECONDS)
        assert (len(place.got), counted(new, "oncall")) == (1, {"sent": 8})


async def test_a_receiver_that_becomes_a_lease_starts_anew(running):
    """What waits for a webhook is not what a lease is."""

    class Lease(Notifier):
        lease = True

        async def notify(self, alerts):
            raise AssertionError

    async with Place() as place:
        old = Outbox({"oncall": hook(place)})
        old.post(Notice(alert(), ("oncall",)))
        new = running(Outbox({"oncall": Lease(None)}, before=old))
        assert await new.flush(0)
        assert counted(new, "oncall") == {}


async def test_what_was_never_said_is_told_at_the_end(caplog):
    """Who reads the log learns which receiver was not reached; what another outbox goes on with is not lost."""
    async with Place() as place:
        old = Outbox({"stays": hook(place), "leaves": hook(place)})
        old.post(Notice(alert(), ("stays", "leaves")))
        new = Outbox({"stays": hook(place)}, before=old)
        await old.aclose()
        await new.aclose()
    assert caplog.messages == [
        "receiver leaves is closed, and 1 of its alerts were never sent",
        "receiver stays is closed, and 1 of its alerts were never sent",
    ]


async def test_an_alert_that_nobody_takes_is_logged(caplog):
    """Silence would be the worst answer to a route that is missing; a receiver that left is no error."""
    outbox = Outbox({})
    outbox.post(Notice(alert(), ()))
    outbox.post(Notice(alert(), ("gone",)))
    assert caplog.messages == ["nobody is told, because no route takes this alert: shop pg-availability burns"]


async def test_closing_goes_on_past_one_that_cannot(caplog):
    """A plug-in that fails to close leaves no connection of the others open."""
    closed = []

    class Broken(Notifier):
        async def notify(self, alerts):
            """Never called."""

        async def aclose(self):
            raise RuntimeError

    class Fine(Broken):
        async def aclose(self):
            closed.append(self)

    outbox = Outbox({"broken": Broken(None), "fine": Fine(None)})
    await outbox.aclose()
    assert len(closed) == 1
    assert caplog.messages == ["receiver broken did not close"]


async def test_from_failed_attempts_to_the_webhook(running):
    """An outage seen by the probe is told to the receiver, and so is its end, each once."""
    async with Place() as place:
        slos = SloEngine([objective(keep_firing_seconds=0)])
        alerts = AlertEngine(slos, [Route(to=("oncall",))])
        outbox = running(Outbox({"oncall": hook(place)}))
        for t in range(0, 500, 10):
            slos.observe(attempt(t, "bad" if t < 100 else "good"))
            for notice in alerts.tick(BASE + t):
                outbox.post(notice)
                assert await outbox.flush(SECONDS)
    bodies = [json.loads(body) for _, _, body in place.got]
    assert [body["type"] for body in bodies] == ["slo.alert.firing", "slo.alert.resolved"]
    assert bodies[0]["data"]["key"] == bodies[1]["data"]["key"]
    assert "db; its last attempt: fail, connect_refused in connect." in bodies[0]["data"]["annotations"]["description"]
