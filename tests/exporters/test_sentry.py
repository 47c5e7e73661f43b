"""Exceptions on their way to Sentry: what is told, how often, and what is said where nothing can be."""

import asyncio
import json
import sys
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from exporters.sentry import GROUPS, Sentry, event, from_environment


@dataclass(frozen=True)
class Seen:
    """A group as request metrics know it."""

    type: str = "ValueError"
    route: str = "/checkout"
    service: str = "shop"
    message: str = "no such order"
    count: int = 3
    last_seen: float = 1_767_225_600.25
    traces: tuple[str, ...] = ("aa" * 16, "bb" * 16)


class Notes:
    """Stands where the SDK's client does, and writes down when it is called."""

    def __init__(self):
        self.events, self.closed = [], 0

    def capture_event(self, event):
        self.events.append(event)

    def close(self, timeout):
        self.closed += 1


def test_an_event_says_what_where_and_which_trace():
    """Grouped by type and route; the newest trace can be searched for; nothing else goes along."""
    assert event(Seen()) == {
        "level": "error",
        "platform": "other",
        "logger": "outrider",
        "timestamp": "2026-01-01T00:00:00.250000Z",
        "transaction": "/checkout",
        "exception": {"values": [{"type": "ValueError", "value": "no such order"}]},
        "fingerprint": ["ValueError", "/checkout"],
        "tags": {"service": "shop", "route": "/checkout", "trace_id": "bb" * 16},
        "extra": {"count": 3, "traces": ["aa" * 16, "bb" * 16]},
    }


def test_what_is_not_known_is_left_out():
    """Without a route and a sampled trace there are no empty tags."""
    assert event(Seen(route="", traces=()))["tags"] == {"service": "shop"}


def test_a_group_is_told_once_a_minute():
    """At once the first time; then the newest count when the minute is over; others do not wait for it."""
    sentry, told = Sentry(Notes()), []
    for second in range(150):
        if second < 90:
            sentry.seen(Seen(count=second))
        if second == 30:
            sentry.seen(Seen(type="KeyError", count=1000))
        told += [(second, group.count) for group in sentry.due(second)]
    assert told == [(0, 0), (30, 1000), (60, 60), (120, 89)]


async def test_groups_are_told_as_they_come():
    """The task waits for the first group, sends it, and waits again."""
    notes = Notes()
    sentry = Sentry(notes)
    running = asyncio.create_task(sentry.run())
    for count, type_ in enumerate(("ValueError", "KeyError"), start=1):
        sentry.seen(Seen(type=type_))
        async with asyncio.timeout(60):
            while len(notes.events) < count:
                await asyncio.sleep(0.001)
    running.cancel()
    assert [each["exception"]["values"][0]["type"] for each in notes.events] == ["ValueError", "KeyError"]


def test_a_storm_of_groups_is_bounded():
    """Ten thousand groups at once: a few hundred are told and remembered, and nothing grows."""

    async def play():
        notes = Notes()
        sentry = Sentry(notes)
        for number in range(10_000):
            sentry.seen(Seen(type=f"Error{number}"))
        await sentry.aclose()
        sentry.seen(Seen(type="Late"))
        await sentry.aclose()
        return notes, len(sentry._sent)

    notes, remembered = asyncio.run(play())
    assert len(notes.events) == GROUPS + 1
    assert remembered == GROUPS
    assert notes.closed == 2


async def test_without_a_dsn_nothing_is_loaded(monkeypatch):
    """No variable, no SDK: not even that it is missing is noticed."""
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    said = []
    assert await from_environment({}, said.append) is None
    assert await from_environment({"SENTRY_DSN": " "}, said.append) is None
    assert said == []


async def test_a_missing_extra_is_one_sentence(monkeypatch):
    """What to install, or what to take away; the agent goes on."""
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    said = []
    assert await from_environment({"SENTRY_DSN": "https://key@sentry.example/1"}, said.append) is None
    assert said == [
        "SENTRY_DSN is set, and the extra for it is not installed; add `outrider[sentry]`, or take the variable away"
    ]


class Ingest:
    """Takes envelopes as Sentry does, and keeps what is in them."""

    def __init__(self):
        self.events, self.headers, self.came = [], [], asyncio.Event()

    async def take(self, request):
        body = await request.read()
        lines = [json.loads(line) for line in body.splitlines() if line]
        self.headers.append(request.headers["X-Sentry-Auth"])
        self.events += [item for kind, item in pairwise(lines) if kind.get("type") == "event"]
        self.came.set()
        return web.json_response({})

    async def serve(self):
        app = web.Application()
        app.router.add_post("/api/{project}/envelope/", self.take)
        server = TestServer(app)
        await server.start_server()
        return server


@pytest.mark.usefixtures("_sdk")
async def test_the_sdk_delivers_an_envelope():
    """A real SDK, a real server: the event arrives with its fingerprint and tags, without breadcrumbs or hooks."""
    ingest = Ingest()
    server = await ingest.serve()
    dsn = f"http://public@{server.host}:{server.port}/42"
    sentry = await from_environment({"SENTRY_DSN": dsn})
    sentry.seen(Seen())
    running = asyncio.create_task(sentry.run())
    try:
        await asyncio.wait_for(ingest.came.wait(), 60)
    finally:
        running.cancel()
        await sentry.aclose()
        await server.close()
    (found,) = ingest.events
    assert {key: found[key] for key in ("fingerprint", "exception", "level", "platform")} == {
        key: event(Seen())[key] for key in ("fingerprint", "exception", "level", "platform")
    }
    assert found["tags"] == event(Seen())["tags"]
    assert not found.get("breadcrumbs", {}).get("values")
    assert "sentry_key=public" in ingest.headers[0]


@pytest.mark.usefixtures("_sdk")
async def test_a_wrong_dsn_is_one_sentence_without_it():
    """What stands in the variable may be half a secret, and is not repeated."""
    said = []
    assert await from_environment({"SENTRY_DSN": "https://sentry.example/no-key-s3cret"}, said.append) is None
    assert len(said) == 1
    assert "SENTRY_DSN is no DSN" in said[0]
    assert "s3cret" not in said[0]


@pytest.fixture
def _sdk():
    """Skips where the extra is not installed."""
    pytest.importorskip("sentry_sdk", reason="the extra `sentry` is not installed")


def test_the_same_group_later_is_the_same_issue():
    """Neither message nor count nor trace makes a new one."""
    later = replace(Seen(), message="another", count=99, traces=())
    assert event(later)["fingerprint"] == event(Seen())["fingerprint"]
