"""`/api/v1/maintenance`: the windows of the file, and those that a person asks for."""

import logging
from datetime import UTC, time

import pytest

from agent.health.maintenance import MOST_ASKED, Written
from agent.health.windows import Once, Span, Weekly
from agent.web import tables
from agent.web.routes import Routes
from tests.agent.web.conftest import _Served

PATH = "/api/v1/maintenance"
CURL = {"User-Agent": "curl/8"}
WANTED = {"probes": ["orders-db"], "for": "30m", "reason": "upgrade to 18"}


@pytest.fixture
def desk(world):
    """Of an agent with two probes."""
    world.up("orders-db")
    world.up("cache")
    return world.desk()


@pytest.fixture
async def admin(aiohttp_client, desk):
    """A client of its admin listener."""
    return await aiohttp_client(_Served(Routes(tables.admin(desk), trusted=True)))


async def ask(client, method, path=PATH, status=200, **more):
    """The document that answers a request."""
    async with client.request(method, path, headers=CURL, **more) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def test_asked_for_until_it_expires(admin, desk, world):
    """It opens at once for its probes, is told with who and why, and is gone when its time is over."""
    told = await ask(admin, "POST", json=WANTED)
    assert told == {
        "id": told["id"], "name": "", "probes": ["orders-db"], "open": True,
        "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:30:00Z",
        "text": "upgrade to 18, asked for by 127.0.0.1 (curl/8), until 2026-01-01T00:30:00Z",
    }  # fmt: skip
    assert desk.maintenance.why(world.wall, "orders-db") == told["text"]
    assert desk.maintenance.why(world.wall, "cache") == ""
    assert await ask(admin, "GET") == {"windows": [told]}
    world.wall += 1800
    assert await ask(admin, "GET") == {"windows": []}


async def test_of_all_probes(admin, desk, world):
    """Without names it is everybody's."""
    told = await ask(admin, "POST", json={"for": "1h", "reason": "move"})
    assert told["probes"] == []
    assert desk.maintenance.why(world.wall, "cache") == told["text"]


async def test_ended_before_its_time(admin, desk, world):
    """It is over at once, and what is left is told; a second time there is nothing to end."""
    first, second = [await ask(admin, "POST", json=WANTED) for _ in range(2)]
    assert await ask(admin, "DELETE", f"{PATH}/{first['id']}") == {"windows": [second]}
    await ask(admin, "DELETE", f"{PATH}/{second['id']}")
    assert desk.maintenance.why(world.wall, "orders-db") == ""
    problem = await ask(admin, "DELETE", f"{PATH}/{first['id']}", 404)
    assert problem["detail"].startswith("nobody asked for a window of this id, or it is over")


async def test_windows_of_the_file(admin, desk, world):
    """They are told with what is open or comes next, and are ended in the file only."""
    daily = Weekly(frozenset(range(7)), time(0, 0), 3600.0, UTC)
    past = Once(Span(world.wall - 7200, world.wall - 3600))
    desk.maintenance.configure([Written("nightly", (), daily), Written("", ("cache",), past)])
    text = "every day at 00:00 UTC for 1h"
    nightly = {"id": None, "name": "nightly", "probes": [], "text": text}
    over = {
        "id": None, "name": "", "probes": ["cache"], "open": False, "start": None, "end": None,
        "text": "from 2025-12-31T22:00:00Z until 2025-12-31T23:00:00Z",
    }  # fmt: skip
    now = {"open": True, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
    assert await ask(admin, "GET") == {"windows": [nightly | now, over]}
    world.wall += 3600
    later = {"open": False, "start": "2026-01-02T00:00:00Z", "end": "2026-01-02T01:00:00Z"}
    assert await ask(admin, "GET") == {"windows": [nightly | later, over]}
    await ask(admin, "DELETE", f"{PATH}/nightly", 404)


async def test_a_probe_that_there_is_not(admin):
    """404 names the one that was probably meant, and no window opens."""
    problem = await ask(admin, "POST", status=404, json=WANTED | {"probes": ["cache", "order-db"]})
    assert problem["detail"] == "`probes[1]` names no probe; did you mean `orders-db`?"
    assert await ask(admin, "GET") == {"windows": []}


@pytest.mark.parametrize("probes", [[], "orders-db", [1], ["cache"] * 51])
async def test_probes_that_do_not_fit(admin, probes):
    """No empty list, which would mean none or all; no single name; not without end."""
    problem = await ask(admin, "POST", status=400, json=WANTED | {"probes": probes})
    assert "$.probes" in problem["detail"]
    assert problem["detail"].endswith('such as {"probes": ["orders-db"], "for": "30m", "reason": "upgrade to 18"}')


async def test_not_without_end(admin):
    """The next one after many is refused until one is over."""
    for _ in range(MOST_ASKED):
        told = await ask(admin, "POST", json=WANTED)
    problem = await ask(admin, "POST", status=409, json=WANTED)
    assert problem["detail"] == "64 windows are open already; end one, or write it into the file"
    await ask(admin, "DELETE", f"{PATH}/{told['id']}")
    await ask(admin, "POST", json=WANTED)


async def test_every_change_is_one_line(admin, caplog):
    """Which probes, for how long, by whom and why; ended by whom."""
    caplog.set_level(logging.INFO)
    id_ = (await ask(admin, "POST", json=WANTED | {"probes": ["cache", "orders-db", "cache"]}))["id"]
    await ask(admin, "GET")
    await ask(admin, "DELETE", f"{PATH}/{id_}")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("agent.web")] == [
        f"maintenance {id_}: cache, orders-db for 30m, asked for by 127.0.0.1 (curl/8): upgrade to 18",
        f"maintenance {id_}: ended by 127.0.0.1 (curl/8)",
    ]
