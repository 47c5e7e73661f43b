"""`/api/v1/silences`: made, listed, ended, and told beside the alerts they are for."""

import logging

import pytest

from agent.alerting.silences import MOST, Unreachable
from tests.agent.web.api.test_maintenance import ask

PATH = "/api/v1/silences"
WANTED = {"matchers": ["slo=orders", 'severity=~"page|ticket"'], "for": "2h", "reason": "upgrade to 18"}
ALERT = {
    "name": "OutriderSLOBurn", "about": "orders", "slo": "orders", "severity": "page", "state": "firing",
    "since": 1.0, "started_at": 1.0, "labels": {"slo": "orders", "severity": "page"}, "annotations": {},
}  # fmt: skip


async def test_asked_for_until_it_ends(admin, world):
    """It is in force at once, is told with who and why, and is gone when its time is over."""
    told = await ask(admin, "POST", PATH, json=WANTED)
    assert told == {
        "id": told["id"], "matchers": ["slo=orders", "severity=~page|ticket"], "active": True,
        "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T02:00:00Z",
        "by": "127.0.0.1 (curl/8)", "reason": "upgrade to 18", "where": "outrider",
    }  # fmt: skip
    assert await ask(admin, "GET", PATH) == {"silences": [told]}
    world.wall += 7200
    assert await ask(admin, "GET", PATH) == {"silences": []}


async def test_as_alertmanager_writes_it(admin):
    """Matchers may be those of Alertmanager's own API."""
    forms = [
        {"name": "slo", "value": "orders"},
        {"name": "severity", "value": "pa.*", "isRegex": True, "isEqual": False},
    ]
    told = await ask(admin, "POST", PATH, json=WANTED | {"matchers": forms})
    assert told["matchers"] == ["slo=orders", "severity!~pa.*"]


async def test_ended_before_its_time(admin):
    """It is over at once; a second time there is nothing to end."""
    told = await ask(admin, "POST", PATH, json=WANTED)
    assert await ask(admin, "DELETE", f"{PATH}/{told['id']}") == {"silences": []}
    problem = await ask(admin, "DELETE", f"{PATH}/{told['id']}", 404)
    assert problem["detail"] == "there is no silence of this id, or it is over"


async def test_told_beside_its_alerts(admin, world):
    """The alert fires as before, and shows who wants nobody to be told of it; the page shows it too."""
    world.answers["alerts"] = [ALERT, ALERT | {"labels": {"slo": "cart"}}]
    await ask(admin, "POST", PATH, json=WANTED)
    alerts = (await ask(admin, "GET", "/api/v1/alerts"))["alerts"]
    assert [each["state"] for each in alerts] == ["firing", "firing"]
    shown = [[each[f"silenced{key}"] for key in ("", "_by", "_until")] for each in alerts]
    assert shown == [[True, "127.0.0.1 (curl/8)", "2026-01-01T02:00:00Z"], [False, None, None]]
    async with admin.get("/") as answer:
        assert "silenced until 2026-01-01 02:00 UTC by 127.0.0.1 (curl/8)" in await answer.text()


@pytest.mark.parametrize("quiet", [True, False])
async def test_whether_it_is_quiet(admin, world, quiet):
    """Whoever wonders why nobody was called finds it beside the alerts."""
    world.answers["quiet"] = quiet
    assert await ask(admin, "GET", "/api/v1/alerts") == {"alerts": [], "quiet": quiet}
    async with admin.get("/") as answer:
        assert ("Prometheus calls; this agent is quiet." in await answer.text()) is quiet
    world.answers["alerts"] = [ALERT]
    async with admin.get("/") as answer:
        assert ("left to Prometheus" in await answer.text()) is quiet


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (WANTED | {"matchers": []}, "has no matcher"),
        (WANTED | {"matchers": ["orders"]}, "`matchers[0]` is no matcher; write such as slo=orders"),
        (WANTED | {"matchers": ["a=b", "slo=~(a+)+"]}, "`matchers[1]` repeats a group"),
        (WANTED | {"matchers": ["slo=~.*"]}, "would fit every alert"),
        (WANTED | {"for": "59s"}, "`for` must be from 1m to 30d"),
        (WANTED | {"for": "31d"}, "`for` must be from 1m to 30d"),
        (WANTED | {"for": "x"}, "`for` must be from 1m to 30d"),
        (WANTED | {"reason": " "}, "`reason` says nothing"),
        (WANTED | {"extra": 1}, "the body does not fit"),
    ],
)
async def test_what_cannot_be_taken_is_told(admin, wanted, what):
    """With what would be right."""
    assert what in (await ask(admin, "POST", PATH, 400, json=wanted))["detail"]
    assert await ask(admin, "GET", PATH) == {"silences": []}


async def test_no_more_than_there_may_be(admin):
    """The answer says what to do."""
    for _ in range(MOST):
        await ask(admin, "POST", PATH, json=WANTED)
    assert (await ask(admin, "POST", PATH, 409, json=WANTED))["detail"] == "200 silences are in force already; end one"


async def test_kept_by_somebody_who_does_not_answer(admin, world, monkeypatch):
    """A sentence and 503, and nothing is changed."""

    async def refuse(*_):
        raise Unreachable("silences live in Alertmanager, and it made none: http://am:9093 did not answer in time")

    monkeypatch.setattr(world.keeper, "ask", refuse)
    monkeypatch.setattr(world.keeper, "end", refuse)
    problem = await ask(admin, "POST", PATH, 503, json=WANTED)
    assert problem["detail"].endswith("did not answer in time; try again, or make it there")
    problem = await ask(admin, "DELETE", f"{PATH}/x", 503)
    assert problem["detail"].endswith("did not answer in time; try again, or end it there")


async def test_every_change_is_a_line_in_the_log(admin, caplog):
    """Who, what, for how long and why."""
    caplog.set_level(logging.INFO, "agent.web.api.silences")
    told = await ask(admin, "POST", PATH, json=WANTED)
    await ask(admin, "DELETE", f"{PATH}/{told['id']}")
    matchers = "slo=orders severity=~page|ticket"
    assert [record.getMessage() for record in caplog.records] == [
        f"silence {told['id']}: {matchers} for 2h, asked for by 127.0.0.1 (curl/8): upgrade to 18",
        f"silence {told['id']}: ended by 127.0.0.1 (curl/8)",
    ]
