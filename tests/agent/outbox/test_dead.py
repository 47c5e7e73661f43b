"""What a receiver will never hear is kept, with why, for a person to look at."""

import asyncio
from dataclasses import replace

from agent.alerting.engine import Notice
from agent.outbox.dead import KEPT, DeadLetter, DeadLetters
from agent.outbox.deliver import Outbox
from config.net.retry import Backoff
from config.types import Duration, SecretUrl, Url
from exporters.notify.alertmanager import AlertmanagerNotifier, AlertmanagerOptions
from exporters.notify.chat import ChatOptions
from exporters.notify.slack import SlackNotifier
from exporters.notify.webhook import WebhookNotifier, WebhookOptions
from tests.exporters.notify.place import Place, alert


def letter(receiver="oncall", at=1.0, attempts=1, **more):
    """One of them."""
    return DeadLetter(receiver, alert(**more), "refused", "gone: it answered 404", attempts, at)


async def refused(notifier, place, requests):
    """Post one alert, wait for so many requests; returns what is kept."""
    outbox = Outbox({"oncall": notifier})
    outbox.channels["oncall"]._backoff = Backoff(0.02, 0.05)
    task = asyncio.create_task(outbox.run())
    outbox.post(Notice(alert(), ("oncall",)))
    await place.requests(requests)
    async with asyncio.timeout(10):
        while not outbox.dead.newest_first():
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await outbox.aclose()
    return outbox.dead.newest_first()


async def test_a_refusal_is_kept_with_all_its_attempts():
    """Twice not now, then never: three attempts, and the reason is that of the last."""
    async with Place() as place:
        for status in (503, 429, 410):
            place.answer(status, **{"Retry-After": "0"} if status == 429 else {})
        hook = WebhookNotifier(WebhookOptions(url=Url(place.url), timeout=Duration(5)))
        (kept,) = await refused(hook, place, 3)
    assert (kept.receiver, kept.alert, kept.outcome, kept.attempts) == ("oncall", alert(), "refused", 3)
    assert kept.why == "gone: it answered 410"


async def test_the_address_of_a_channel_is_not_kept():
    """A URL that is a password stays one, also where the answer repeats it."""
    async with Place() as place:
        place.answer(403, "invalid token T0SECRET/B0SECRET/XSECRETSECRET")
        url = SecretUrl(f"{place.url}/services/T0SECRET/B0SECRET/XSECRETSECRET")
        (kept,) = await refused(SlackNotifier(ChatOptions(url=url)), place, 1)
    assert kept.why.startswith("auth: it answered 403")
    assert "XSECRETSECRET" not in repr(kept)


async def test_a_lease_that_is_refused_at_every_turn_is_one_letter():
    """Each turn is an attempt more; once it is taken after all nothing was lost."""
    async with Place() as place:
        place.answer(400)
        place.answer(400)
        options = AlertmanagerOptions(urls=(Url(place.url),), resend=Duration(0.05))
        outbox = Outbox({"fleet": AlertmanagerNotifier(options)})
        task = asyncio.create_task(outbox.run())
        outbox.post(Notice(alert(), ("fleet",)))
        await place.requests(2)
        async with asyncio.timeout(10):
            while not (kept := outbox.dead.newest_first()) or kept[0].attempts < 2:
                await asyncio.sleep(0.001)
            assert (len(kept), kept[0].outcome) == (1, "refused")
            while outbox.dead.newest_first():
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.aclose()


async def test_what_was_kept_outlives_a_reload():
    """Another set of receivers begins with what the one before knew."""
    before = Outbox({})
    before.dead.add(letter())
    assert Outbox({}, before=before).dead.newest_first() == (letter(),)


def test_only_the_last_hundred_are_kept():
    """A receiver that is wrong for a year costs no memory; the newest are what a person looks for."""
    dead = DeadLetters()
    for number in range(KEPT + 5):
        dead.add(letter(key=str(number)))
    kept = [each.alert.key for each in dead.newest_first()]
    assert (len(kept), kept[0], kept[-1]) == (KEPT, str(KEPT + 4), "5")


def test_the_same_word_again_is_the_same_letter():
    """Attempts add up; the end of an alert, and its next episode, are words of their own."""
    dead = DeadLetters()
    dead.add(letter(attempts=2))
    dead.add(letter(at=9.0))
    ended = replace(letter(), alert=alert(resolved_at=2e9))
    dead.add(ended)
    dead.add(letter(started_at=2e9))
    assert [each.attempts for each in dead.newest_first()] == [1, 1, 3]
    assert dead.newest_first()[-1].at == 9.0
    dead.taken("oncall", [alert()])
    assert len(dead.newest_first()) == 2
