"""A receiver that was down for longer than an alert lasted: what it hears, and what it does not."""

import asyncio
from dataclasses import replace

import pytest

from agent.alerting.engine import Notice
from agent.outbox.channel import Sent
from agent.outbox.deliver import Outbox
from config.net.retry import Backoff
from config.net.text import rfc3339
from config.types import Duration, SecretUrl
from exporters.base import Notifier, Retryable
from exporters.notify.chat import ChatOptions
from exporters.notify.slack import SlackNotifier
from exporters.notify.teams import TeamsNotifier
from tests.exporters.notify.place import Place, alert
from tests.virtual import run

BASE = 1_767_225_600.0  #: Unix time at second 0


class Pager(Notifier):
    """Cannot be reached until second `back`; remembers what it was told after that, and when."""

    def __init__(self, back, *, send_missed=False):
        self.back, self.send_missed, self.seen = back, send_missed, []

    async def notify(self, alerts):
        now = asyncio.get_running_loop().time() - 1000
        if now < self.back:
            raise Retryable("network", "down")
        self.seen += [(now, each) for each in alerts]


class Chat(Pager):
    """Has no use for old news."""

    max_age = 900.0


def play(*events, until=3000.0, **receivers):
    """Run an outbox in simulated time in which at each (second, alert) the alert is posted; returns the outbox."""

    async def main():
        loop = asyncio.get_running_loop()
        outbox = Outbox(receivers, clock=lambda: BASE + loop.time() - 1000)
        task = asyncio.create_task(outbox.run())
        for at, each in (*events, (until, None)):
            await asyncio.sleep(1000 + at - loop.time())
            if each is not None:
                outbox.post(Notice(each, tuple(receivers)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return outbox

    return run(main())


FIRES = alert(started_at=BASE + 30)
ENDS = replace(FIRES, resolved_at=BASE + 870)


@pytest.mark.case("L11")
def test_a_receiver_that_was_down_hears_nothing_stale():
    """Down 0 to 1800 s, fires at 30, ends at 870: nothing as firing; a pager its end, a chat nothing, or what was."""
    pager, chat, curious = Pager(1800), Chat(1800), Chat(1800, send_missed=True)
    outbox = play((30, FIRES), (870, ENDS), pager=pager, chat=chat, curious=curious)
    assert [(each.firing, each) for _, each in pager.seen] == [(False, ENDS)]
    assert chat.seen == []
    ((at, told),) = curious.seen
    assert 1800 <= at <= 1860
    assert told.annotations["summary"] == (
        "was firing from 2026-01-01T00:00:30.000Z to 2026-01-01T00:14:30.000Z, and could not be told then: "
        "shop pg-availability burns"
    )
    assert (told.key, told.started_at, told.resolved_at) == (ENDS.key, BASE + 30, BASE + 870)
    counts = {name: channel.counts for name, channel in outbox.channels.items()}
    assert [counts[name][Sent.EXPIRED] for name in ("pager", "chat", "curious")] == [0, 1, 0]
    assert [letter.receiver for letter in outbox.dead.newest_first()] == ["chat"]


def test_a_chat_that_is_back_in_time_hears_the_end_as_it_is():
    """A quarter of an hour after the end it is still news, in its own words."""
    curious = Chat(1700, send_missed=True)
    play((30, FIRES), (870, ENDS), curious=curious)
    assert [each for _, each in curious.seen] == [ENDS]


def test_what_still_fires_is_news_however_old():
    """It is true now."""
    chat = Chat(7200)
    play((30, FIRES), until=8000, chat=chat)
    assert [each for _, each in chat.seen] == [FIRES]


def test_the_end_of_what_was_heard_is_never_missed():
    """The channel shows it as firing: its end comes in its own words, however late."""

    class Breaks(Chat):
        async def notify(self, alerts):
            if alerts[0].firing:
                self.back = 0
            await super().notify(alerts)
            if alerts[0].firing:
                self.back = 9000

    chat = Breaks(0, send_missed=True)
    play((30, FIRES), (870, ENDS), until=10_000, chat=chat)
    assert [each for _, each in chat.seen] == [FIRES, ENDS]


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [(SlackNotifier, ChatOptions, b"ok"), (TeamsNotifier, ChatOptions, b"")],
    ids=["slack", "teams"],
)
async def test_a_real_channel_reads_when_it_was(kind, options, text):
    """The headline of what is posted says that it is over, how long it lasted, and from when to when it was."""
    async with Place() as place:
        for _ in range(3):
            place.answer(503)
        place.answer(200, text.decode())
        notifier = kind(options(url=SecretUrl(place.url), timeout=Duration(5), send_missed=True))
        clock = iter([BASE + 30, BASE + 870])
        now = BASE + 870

        def wall():
            nonlocal now
            now = next(clock, now + 901)
            return now

        outbox = Outbox({"chat": notifier}, clock=wall)
        outbox.channels["chat"]._backoff = Backoff(0.02, 0.05)
        outbox.post(Notice(FIRES, ("chat",)))
        outbox.post(Notice(ENDS, ("chat",)))
        task = asyncio.create_task(outbox.run())
        got = await place.requests(4)
        assert await outbox.flush(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.aclose()
    assert len({body for _, _, body in got}) == 1  # the same at every attempt
    said = got[-1][2].decode()
    assert f"Resolved after 14 min: was firing from {rfc3339(BASE + 30)} to {rfc3339(BASE + 870)}" in said
