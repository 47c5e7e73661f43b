"""`/api/v1/override`: who may force the verdict, for how long, and who learns of it."""

import logging

import pytest

PATH = "/api/v1/override"
WANTED = {"ready": False, "for": "10m", "reason": "new disk"}
CURL = {"User-Agent": "curl/8"}


async def ask(client, method, **more):
    """The override in force after a request."""
    async with client.request(method, PATH, headers=CURL, **more) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["override"]


async def test_set_until_it_expires(admin, world):
    """It is told with who, why and how long, and is gone when its time is over."""
    assert await ask(admin, "GET") is None
    told = {
        "ready": False, "reason": "new disk", "by": "127.0.0.1 (curl/8)",
        "until": "2026-01-01T00:10:00Z", "seconds_left": 600.0,
    }  # fmt: skip
    assert await ask(admin, "POST", json=WANTED) == told
    world.now, world.wall = world.now + 599.5, world.wall + 599.5
    assert await ask(admin, "GET") == told | {"seconds_left": 0.5}
    world.now, world.wall = world.now + 0.5, world.wall + 0.5
    assert await ask(admin, "GET") is None


async def test_a_clock_that_is_put_back(admin, world):
    """How long it counts is measured, not read off the wall."""
    await ask(admin, "POST", json=WANTED)
    world.now, world.wall = world.now + 300, world.wall - 86400
    assert (await ask(admin, "GET"))["seconds_left"] == 300


async def test_set_again(admin):
    """The last word counts."""
    await ask(admin, "POST", json=WANTED)
    told = await ask(admin, "POST", json={"ready": True, "for": "1m", "reason": "drill is over"})
    assert (told["ready"], told["seconds_left"], told["reason"]) == (True, 60, "drill is over")


async def test_every_change_is_one_line(admin, caplog):
    """What was forced, for how long, by whom and why; ended by whom; and nothing where nothing changed."""
    caplog.set_level(logging.INFO)
    await ask(admin, "DELETE")
    await ask(admin, "POST", json=WANTED | {"reason": "new\ndisk\u202e"})
    await ask(admin, "GET")
    await ask(admin, "DELETE")
    assert await ask(admin, "DELETE") is None
    assert [record.getMessage() for record in caplog.records if record.name.startswith("agent.web")] == [
        "override: unready for 10m, asked for by 127.0.0.1 (curl/8): new disk",
        "override ended by 127.0.0.1 (curl/8)",
    ]


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "localhost", "Origin": "http://evil.example"}])
async def test_not_for_foreign_pages(admin, method, headers):
    """A page in a browser on this machine can neither force the verdict nor read what is forced."""
    await ask(admin, "POST", json=WANTED)
    async with admin.request(method, PATH, headers=headers, json=WANTED | {"ready": True}) as answer:
        assert answer.status == 403
    assert (await ask(admin, "GET"))["ready"] is False


@pytest.mark.parametrize("path", [PATH, "/api/v1/maintenance"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_not_on_the_public_listener(public, path, method):
    """Strangers find nothing there."""
    async with public.request(method, path, json=WANTED) as answer:
        assert answer.status == 404
