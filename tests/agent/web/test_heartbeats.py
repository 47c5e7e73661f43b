"""`POST /heartbeats/NAME` on the public listener."""

import asyncio
import contextlib
import dataclasses

import pytest
from aiohttp import ClientError

from agent.heartbeats import Heartbeats
from agent.web import heartbeats, tables
from agent.web.routes import Routes
from config.types import Secret
from tests.agent.web.conftest import _Served

GOOD = {"Authorization": "Bearer right"}


@pytest.fixture
def beats():
    beats = Heartbeats()
    beats.configure({"backup": Secret("right")})
    return beats


@pytest.fixture
async def client(aiohttp_client, world, beats):
    """A stranger's client."""
    desk = dataclasses.replace(world.desk(), heartbeats=beats)
    return await aiohttp_client(_Served(Routes(tables.public(desk))))


@pytest.mark.case("P01")
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic right", "Bearer", "Bearer right right"])
async def test_a_name_that_is_there_looks_like_one_that_is_not(client, beats, header):
    """401 with the same words for both: nobody learns the names, and nothing is counted."""
    headers = {"X-Request-ID": "same"} | ({"Authorization": header} if header else {})
    told = []
    for name in ("backup", "nope"):
        async with client.post(f"/heartbeats/{name}", headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
            told.append(await answer.text())
    assert told[0] == told[1]
    assert sum(beats.of("backup").counts.values()) == 0


@pytest.mark.case("P02")
async def test_words_and_durations(client, beats):
    """204 without a body: it ended well, with its own duration; it began; it failed, and said why."""
    async with client.post("/heartbeats/backup?duration=10s", headers=GOOD, data=b"ignored") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    kept = beats.of("backup")
    assert (kept.seconds, kept.failed, kept.said) == (10.0, False, "")
    for word in ("start", "fail"):
        async with client.post(f"/heartbeats/backup/{word}", headers=GOOD, data=b"disk\nfull \x1b[31m") as answer:
            assert answer.status == 204
    assert (kept.failed, kept.said) == (True, "disk full [31m")
    assert kept.counts == {"ok": 1, "start": 1, "fail": 1}


@pytest.mark.case("P01")
@pytest.mark.parametrize("duration", ["invalid", "-1s", "10", "", "1e400s", "inf"])
async def test_a_duration_that_cannot_be_read(client, beats, duration):
    """400 with what would be right, and no heartbeat."""
    async with client.post("/heartbeats/backup", params={"duration": duration}, headers=GOOD) as answer:
        assert answer.status == 400
        assert "10s" in (await answer.json())["detail"]
    assert beats.of("backup").last is None


@pytest.mark.parametrize("size", [100, 5_000, 12_000])
async def test_a_long_log_does_not_hide_a_failure(client, beats, size):
    """The word counts, and the beginning of what was said is kept; chunked ones too."""

    async def chunks():
        for at in range(0, size, 1000):
            yield b"%-1000d" % at

    for data in (b"disk full " * (size // 10), chunks()):
        async with client.post("/heartbeats/backup/fail", data=data, headers=GOOD) as answer:
            assert answer.status == 204
        assert 0 < len(beats.of("backup").said) <= 200
    assert beats.of("backup").counts["fail"] == 2


async def test_a_log_that_stalls_does_not_hide_a_failure(client, beats, monkeypatch):
    """What came until then is what it said."""
    monkeypatch.setattr(heartbeats, "SECONDS", 0.05)

    async def stalls():
        yield b"disk full"
        await asyncio.Event().wait()

    with contextlib.suppress(ClientError):
        async with client.post("/heartbeats/backup/fail", data=stalls(), headers=GOOD) as answer:
            assert answer.status == 204
    assert (beats.of("backup").failed, beats.of("backup").said) == (True, "disk full")


@pytest.mark.parametrize(("path", "status"), [("backup", 405), ("backup/fail", 405), ("backup/nope", 404), ("", 404)])
async def test_other_methods_and_paths(client, path, status):
    """Only POST, and only these three words."""
    async with client.get(f"/heartbeats/{path}", headers=GOOD) as answer:
        assert answer.status == status
        assert answer.headers.get("Allow", "POST") == "POST"
