"""The agent's own heartbeat, at a real HTTP server that waits for it."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest

from agent.guard import Guard
from agent.heart import Heart
from config.sections.heartbeat import Heartbeat
from config.types import Duration, Secret, SecretUrl
from tests.exporters.notify.place import Place
from tests.hook import hook
from tests.running import agent
from tests.virtual import run


@asynccontextmanager
async def beating(url, withheld=lambda: "", **more):
    """A heart in force."""
    guard = Guard()
    one = Heart(guard, withheld, lambda: {"service": "shop", "firing": 0}, chance=lambda: 0.0)
    await one.configure(Heartbeat(url=SecretUrl(url), interval=Duration(0.5), **more))
    try:
        yield one
    finally:
        await guard.aclose()
        await one.aclose()


def counts(one):
    """Outcome -> how many."""
    return {sample.labels[0]: sample.value for _, samples in one.samples() for sample in samples}


def test_agents_that_start_together_do_not_beat_together():
    """The first one comes once objectives were evaluated, spread over ten seconds; then one each interval."""

    async def main(chance, interval):
        loop, seen, guard = asyncio.get_running_loop(), [], Guard()
        one = Heart(guard, lambda: seen.append(loop.time() - 1000) or "not now", dict, lambda: chance)
        await one.configure(Heartbeat(url=SecretUrl("http://127.0.0.1:9"), interval=Duration(interval)))
        await asyncio.sleep(200)
        await guard.aclose()
        return seen

    assert run(main(0.0, 60)) == [1, 61, 121, 181]
    assert run(main(0.5, 60)) == [6, 66, 126, 186]
    assert run(main(0.5, 4))[:3] == [3, 7, 11]


async def test_it_beats_each_interval_and_says_a_little():
    """A POST with JSON and the headers of the file, again and again."""
    async with Place() as place, beating(f"{place.url}/ping/x", headers={"x-key": Secret("k")}) as one:
        (path, headers, body), *_ = await place.requests(3)
        assert (path, headers["x-key"], headers["content-type"]) == ("/ping/x", "k", "application/json")
        assert json.loads(body) == {"service": "shop", "firing": 0}
        assert counts(one)["ok"] >= 2


async def test_a_get_says_nothing():
    """For those who only count requests."""
    async with Place() as place, beating(f"{place.url}/ping", method="GET"):
        (_, headers, body), *_ = await place.requests(1)
        assert body == b""
        assert "content-type" not in headers


async def test_what_is_withheld_is_counted_and_told_once(caplog):
    """Nothing is sent while the agent is not fit to say that all is well; the log has the edges alone."""
    caplog.set_level(logging.INFO)
    reasons = ["objectives were not evaluated for 12 s"] * 3
    async with Place() as place, beating(place.url, lambda: reasons.pop() if reasons else "") as one:
        await place.requests(2)  # once the second comes, what became of the first has been told
        assert counts(one)["withheld"] == 3
    assert caplog.messages == [
        "the heartbeat is withheld: objectives were not evaluated for 12 s",
        "the heartbeat is sent again",
    ]


async def test_one_that_fails_is_not_sent_again_before_the_next(caplog):
    """Its URL, which is a password, is in no line of the log."""
    caplog.set_level(logging.INFO)
    async with Place() as place:
        for status in (500, 404, 302):
            place.answer(status, "secret-token-of-mine is wrong")
        async with beating(f"{place.url}/secret-token-of-mine") as one:
            await place.requests(5)
            assert counts(one)["failed"] == 3
    assert [line.partition(": it answered")[0] for line in caplog.messages] == [
        "the heartbeat failed: server",
        "the heartbeat is sent again",
    ]
    assert "secret-token" not in caplog.text


async def test_every_outcome_is_there_from_the_start_and_none_without_a_heartbeat():
    """A rate over a series that appears late begins with a hole."""
    guard = Guard()
    one = Heart(guard, lambda: "", dict)
    assert counts(one) == {}
    assert await one.configure(Heartbeat(url=SecretUrl("http://127.0.0.1:9"))) == ["heartbeat started"]
    assert counts(one) == {"ok": 0, "failed": 0, "withheld": 0}
    assert await one.configure(Heartbeat(url=SecretUrl("http://127.0.0.1:9"))) == []
    assert await one.configure(Heartbeat(url=SecretUrl("http://127.0.0.1:8"))) == ["heartbeat restarted"]
    assert await one.configure(None) == ["heartbeat stopped"]
    await guard.aclose()


@pytest.mark.e2e
def test_a_real_agent_beats_and_a_reload_ends_it():
    """What it says is true of it, and an agent that was told to stop saying it falls silent."""
    with hook() as place, agent(f"heartbeat: {{url: '{place.url}/ping', interval: 1s}}") as one:
        one.wait(lambda: place.got, "a heartbeat")
        assert place.got[0].path == "/ping"
        told = json.loads(place.got[0].body)
        assert {"service": "bench", "firing": 0, "objectives": 0, "oldest_waiting_seconds": 0.0}.items() <= told.items()
        assert b'outrider_heartbeats_sent_total{outcome="ok"}' in one.get("/metrics")[1]
        one.file.write_text(one.file.read_text().partition("heartbeat:")[0])
        assert b"heartbeat stopped" in one.post("/api/v1/reload")[1]
        assert b"outrider_heartbeats_sent_total" not in one.get("/metrics")[1]
