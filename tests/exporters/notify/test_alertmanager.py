"""Alertmanager: leases to every member, and a real one that believes them."""

import asyncio
import json
import logging
import os
import time

import pytest

from agent.demo import alertmanager as real
from agent.demo.process import ServerError
from config.types import Duration, Secret, Url
from exporters.base import Permanent, Retryable
from exporters.notify.alertmanager import AlertmanagerNotifier, AlertmanagerOptions
from tests.exporters.notify.place import Place, alert


@pytest.fixture
async def notifier():
    """Makes notifiers for some members, closed at the end."""
    made = []

    def make(*urls, **options):
        made.append(AlertmanagerNotifier(AlertmanagerOptions(urls=tuple(map(Url, urls)), **options)))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def bodies(place):
    """What a member got."""
    return [json.loads(body) for _, _, body in place.got]


@pytest.mark.case("A07")
async def test_a_lease_names_no_times(place, notifier):
    """Labels that are not empty, texts, and neither startsAt nor endsAt: both run on Alertmanager's clock."""
    await notifier(f"{place.url}/am/", headers={"X-Scope": Secret("a")}).notify([alert(pod="")])
    ((path, headers, body),) = place.got
    assert (path, headers["X-Scope"], headers["Content-Type"]) == ("/am/api/v2/alerts", "a", "application/json")
    labels = {name: value for name, value in alert().labels.items() if value}
    assert json.loads(body) == [{"labels": labels, "annotations": dict(alert().annotations)}]


@pytest.mark.case("A04")
async def test_the_end_is_never_said(place, notifier):
    """A resolve of one replica would end the alert of all the others."""
    hook = notifier(place.url)
    await hook.notify([alert(resolved_at=2e9)])
    assert place.got == []
    await hook.notify([alert(resolved_at=2e9), alert(key="k2", slo="other")])
    assert [each["labels"]["slo"] for each in bodies(place)[0]] == ["other"]


async def test_a_member_that_is_down_does_not_stop_the_others(place, notifier, unused_tcp_port, caplog):
    """One that took them is enough; the one that is down is named once, and again when it is back."""
    caplog.set_level(logging.INFO)
    async with Place() as second:
        hook = notifier(place.url, f"http://u:hunter2@127.0.0.1:{unused_tcp_port}", second.url)
        await hook.notify([alert()])
        await hook.notify([alert()])
        assert (len(place.got), len(second.got)) == (2, 2)
        second.answer(503)
        await hook.notify([alert()])
        await hook.notify([alert()])
        url = second.url
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0].startswith(f"Alertmanager http://u:***@127.0.0.1:{unused_tcp_port} does not take alerts: network")
    assert said[2] == f"Alertmanager {url} takes alerts again"
    assert "hunter2" not in caplog.text


async def test_a_member_that_hangs_does_not_hold_up_the_others(place, notifier):
    """All members are told at once, each with its own deadline."""
    place.hang()
    async with Place() as second:
        hook = notifier(place.url, second.url, timeout=Duration(2))
        telling = asyncio.create_task(hook.notify([alert()]))
        await second.requests(1)
        assert not telling.done()
        await telling


async def test_no_member_at_all_is_tried_again(place, notifier, unused_tcp_port):
    """Retryable while one of them may still take it, with its wish when to come back."""
    place.answer(503, **{"Retry-After": "5"})
    with pytest.raises(Retryable) as caught:
        await notifier(place.url).notify([alert()])
    assert caught.value.after == 5
    place.answer(400)
    with pytest.raises(Retryable, match="network"):
        await notifier(place.url, f"http://127.0.0.1:{unused_tcp_port}").notify([alert()])


async def test_a_refusal_by_all_is_for_good(place, notifier):
    """The same alert would be refused again."""
    place.answer(400, "invalid label set")
    with pytest.raises(Permanent, match="refused: it answered 400: invalid label set"):
        await notifier(place.url).notify([alert()])


@pytest.mark.case("A03")
async def test_a_refused_batch_is_said_one_by_one(place, notifier):
    """One bad alert must not keep the good ones from being repeated, and is still reported."""
    for status in (400, 200, 400):
        place.answer(status)
    with pytest.raises(Permanent):
        await notifier(place.url).notify([alert(), alert(key="k2", slo="bad")])
    assert [[each["labels"]["slo"] for each in body] for body in bodies(place)] == [
        ["pg-availability", "bad"],
        ["pg-availability"],
        ["bad"],
    ]


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (404, 1), (308, 1), (413, 3)])
async def test_what_no_alert_can_help_is_asked_once(place, notifier, status, requests):
    """A wrong token or path is no fault of one alert; a batch that is too large may be taken in pieces."""
    for _ in range(requests):
        place.answer(status)
    with pytest.raises(Permanent):
        await notifier(place.url).notify([alert(), alert(key="k2", slo="other")])
    assert len(place.got) == requests


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"urls": ()}, "urls"),
        ({"urls": (Url("tcp://am:9093"),)}, "urls[0]"),
        ({"urls": (Url("http://am:9093/api/v2/alerts"),)}, "urls[0]"),
        ({"urls": (Url("http://am:9093?x=1"),)}, "urls[0]"),
        ({"timeout": Duration(0)}, "timeout"),
        ({"resend": Duration(300)}, "resend"),
        ({"headers": {"Content-Length": Secret("1")}}, "headers.Content-Length"),
    ],
)
def test_options_that_cannot_work_are_refused(options, key):
    """Each names its key; a resend near Alertmanager's patience would make alerts flap."""
    plain = {"urls": (Url("http://am:9093"),)}
    assert [found for found, _ in AlertmanagerOptions(**(plain | options)).problems()] == [key]


def test_sound_options_have_no_problems():
    """What the documentation shows is accepted, and decides how often it is said again."""
    options = AlertmanagerOptions(urls=(Url("http://am:9093"),), resend=Duration(30))
    assert not list(options.problems())
    assert AlertmanagerNotifier(options).resend == 30
    assert AlertmanagerNotifier.lease


@pytest.fixture
async def alertmanager(place):
    """A real Alertmanager that passes on to the place and forgets after five seconds."""
    if not real.available():
        message = "Alertmanager is not installed; on Debian: apt-get install prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    server = real.Alertmanager(f"{place.url}/am", resolve_seconds=5)
    try:
        server.start()  # here and not in a thread: the server ends with the thread that started it
        yield server
    finally:
        server.close()


async def told(place, status):
    """Waits until the real Alertmanager has told the place of this status."""
    deadline = time.monotonic() + 60
    while not any(body["status"] == status for body in bodies(place)):
        assert time.monotonic() < deadline, f"no {status}"
        await asyncio.sleep(0.02)


@pytest.mark.case("A05")
@pytest.mark.case("A07")
async def test_two_replicas_are_one_alert_to_a_real_alertmanager(place, notifier, alertmanager):
    """One FIRING while either replica repeats it, one RESOLVED when both are silent, whatever their clocks say."""
    first, second = notifier(alertmanager.url), notifier(alertmanager.url)
    await first.notify([alert(started_at=time.time() + 3600)])
    await told(place, "firing")
    for _ in range(12):  # 6 s: longer than the lease of the first, which is silent now
        await second.notify([alert(started_at=time.time() - 3600)])
        await asyncio.sleep(0.5)
    assert [body["status"] for body in bodies(place)] == ["firing"]
    await told(place, "resolved")
    assert [body["status"] for body in bodies(place)] == ["firing", "resolved"]
    assert bodies(place)[0]["alerts"][0]["labels"] == dict(alert().labels)


@pytest.mark.case("A02")
async def test_a_real_alertmanager_refuses_what_it_cannot_store(place, notifier, alertmanager):
    """A label name it does not know is refused for good; the good alert of the batch is told."""
    with pytest.raises(Permanent, match="invalid label set"):
        await notifier(alertmanager.url).notify([alert(**{"a-b": "c"}), alert(key="k2", slo="good")])
    await told(place, "firing")
    assert [each["labels"]["slo"] for each in bodies(place)[0]["alerts"]] == ["good"]


def test_without_an_alertmanager_the_error_says_what_to_install(monkeypatch):
    """A person who has none reads one line."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert not real.available()
    server = real.Alertmanager("http://127.0.0.1:1/")
    with pytest.raises(ServerError, match="apt-get install prometheus-alertmanager"):
        server.start()
    server.close()
