import logging

import pytest

from agent.events import Outcome
from agent.health.state import Rules
from agent.outbox.dead import DeadLetter
from agent.web.desk import ReloadResult
from config.types.secret import Secret
from probes.base import Kind, Measurement, Reading
from probes.reason import Reason
from tests.exporters.notify.place import alert

MEASURED = Measurement(
    (
        Reading("connections_used", 0.42, "ratio"),
        Reading("replication_lag", None, "seconds"),
        Reading("deadlocks", 3.0, kind=Kind.COUNTER, item="orders"),
        Reading("odd", float("nan")),
    ),
    phases={"connect": 0.0020000004},
    facts={"role": "primary"},
)


async def get(client, path, **more):
    async with client.get(path, **more) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_status(admin, world):
    """The agent at a glance: who, how long up, the verdict and why, how many probes are how."""
    world.up("app")
    world.down("db", detail="")
    world.probe("new", when_down="ignore")
    world.now += 2.5
    assert await get(admin, "/api/v1/status") == {
        "service": "checkout",
        "version": "9.8.7",
        "time": "2026-01-01T00:00:00Z",
        "uptime_seconds": 2.5,
        "drain_seconds_left": None,
        "verdict": {
            "ready": False,
            "status": "unhealthy",
            "reasons": ["db is down: auth in connect"],
            "draining": False,
            "unjudged": False,
            "held_open": False,
            "isolated": False,
            "returning_seconds": 0.0,
            "overridden": False,
        },
        "probes": {"up": 1, "degraded": 0, "down": 1, "unknown": 1},
        "peers": None,
        "groups": {},
        "weight": 100,
    }


async def test_probe(admin, world):
    """One probe: what the file says, what is believed, what was seen last; numbers that are none are null."""
    rules = Rules(2, 4, (3, 5))
    world.probe(
        "db", Outcome.FAIL, Reason.AUTH, detail="wrong password", measurement=MEASURED,
        description="Orders", runbook_url="https://runbooks.example/db", shared=True, rules=rules,
    )  # fmt: skip
    probe = await get(admin, "/api/v1/probes/db")
    assert probe == {
        "name": "db", "type": "postgres", "target": "db.internal.example:5432",
        "description": "Orders", "runbook_url": "https://runbooks.example/db",
        "state": "down", "since": "2025-12-31T23:59:58.800000Z", "overlays": [], "effect": "degrades",
        "text": "is down: auth in connect (wrong password); it is shared and no peer is asked, so this replica stays",
        "available": False, "when_down": "unready", "shared": True, "depends_on": [], "maintenance": "",
        "interval": 10.0, "timeout": 3.0,
        "thresholds": {"failure": 2, "success": 4, "failures_of": [3, 5]}, "failures": 3,
        "last": {
            "outcome": "fail", "reason": "auth", "phase": "connect", "path": "fresh", "seconds": 0.012,
            "phases": {"connect": 0.002}, "at": "2025-12-31T23:59:59Z", "detail": "wrong password",
        },
        "last_success_at": None,
        "readings": [
            {"name": "connections_used", "item": "", "value": 0.42, "unit": "ratio", "kind": "gauge"},
            {"name": "replication_lag", "item": "", "value": None, "unit": "seconds", "kind": "gauge"},
            {"name": "deadlocks", "item": "orders", "value": 3.0, "unit": "", "kind": "counter"},
            {"name": "odd", "item": "", "value": None, "unit": "", "kind": "gauge"},
        ],
        "facts": {"role": "primary"},
    }  # fmt: skip
    assert (await get(admin, "/api/v1/probes"))["probes"] == [probe]


async def test_probe_before_its_first_attempt(admin, world):
    """A probe that has not run yet is shown, with nothing made up."""
    world.probe("db")
    probe = await get(admin, "/api/v1/probes/db")
    assert (probe["state"], probe["last"], probe["readings"], probe["effect"]) == ("unknown", None, [], "unreadies")


async def test_overlays(admin, world):
    """Stale and blind lie over the state."""
    world.up("db")
    world.now += 600
    assert (await get(admin, "/api/v1/probes/db"))["overlays"] == ["stale"]
    world.probe("db", Outcome.INCONCLUSIVE, Reason.INCONCLUSIVE, times=5)
    assert (await get(admin, "/api/v1/probes/db"))["overlays"] == ["blind"]


@pytest.mark.parametrize("path", ["/api/v1/probes/nope", "/api/v1/nothing", "/api/v1", "/api/v1/"])
async def test_not_found(admin, path):
    """What is not there is a problem document with the request's id."""
    async with admin.get(path, headers={"X-Request-ID": "abc"}) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert answer.headers["X-Request-ID"] == "abc"
        assert await answer.json(content_type=None) == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": (await answer.json(content_type=None))["detail"],
            "request_id": "abc",
        }


@pytest.mark.case("S16")
async def test_not_acceptable(admin):
    """A client that takes no JSON is told that there is nothing else."""
    async with admin.get("/api/v1/status", headers={"Accept": "text/html"}) as answer:
        assert answer.status == 406
    async with admin.get("/api/v1/status", headers={"Accept": "text/html, */*;q=0.1"}) as answer:
        assert answer.status == 200


async def test_what_other_parts_say(admin, world):
    """Objectives, alerts and the pipeline come from their rooms; alert times are told as everywhere in the API."""
    world.answers["slos"] = [{"name": "db", "objective": 0.999}]
    world.answers["alerts"] = [{"name": "burn", "since": world.wall, "started_at": None}]
    world.answers["pipeline"] = {"destinations": {}}
    assert await get(admin, "/api/v1/slos") == {"slos": [{"name": "db", "objective": 0.999}]}
    nobody = {"silenced": False, "silenced_by": None, "silenced_until": None}
    assert await get(admin, "/api/v1/alerts") == {
        "alerts": [{"name": "burn", "since": "2026-01-01T00:00:00Z", "started_at": None, **nobody}],
        "quiet": False,
    }
    assert await get(admin, "/api/v1/pipeline") == {"destinations": {}}


async def test_config_masks_secrets(admin, world):
    """The file in force is shown as it was written, its secrets as stars."""
    world.answers["config"] = {"service": "checkout", "probes": {"db": {"dsn": Secret("hunter2")}}}
    assert await get(admin, "/api/v1/config") == {"service": "checkout", "probes": {"db": {"dsn": "***"}}}


async def test_drain(admin, world, caplog):
    """The first request starts the clock, later ones change nothing; each is one line that says who asked."""
    caplog.set_level(logging.INFO)
    async with admin.post("/api/v1/drain", headers={"User-Agent": "curl/8" + "x" * 200}) as answer:
        assert await answer.json() == {"draining": True, "started": True, "drain_seconds_left": 15.0}
    world.now += 5
    async with admin.post("/api/v1/drain", data=b"ignored") as answer:
        assert await answer.json() == {"draining": True, "started": False, "drain_seconds_left": 10.0}
    assert (await get(admin, "/api/v1/status"))["drain_seconds_left"] == 10.0
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("agent.web")]
    assert lines[0] == f"drain asked for, by 127.0.0.1 (curl/8{'x' * 53}…)"
    assert lines[1].startswith("drain asked for again: it was already, by 127.0.0.1 (")


async def test_reload(admin, world, caplog):
    """A reload says what changed; a file with problems is 422, all of them listed, and is not in force."""
    caplog.set_level(logging.INFO)
    world.answers["reload"] = ReloadResult(changes=("probe db: restarted",))
    async with admin.post("/api/v1/reload") as answer:
        assert await answer.json() == {"changes": ["probe db: restarted"]}
    world.answers["reload"] = ReloadResult(problems=("a.yaml:1:1: service: missing", "a.yaml:2:1: x: unknown"))
    async with admin.post("/api/v1/reload") as answer:
        problem = await answer.json(content_type=None)
    assert (problem["status"], len(problem["errors"])) == (422, 2)
    assert ": 1 changes" in caplog.text
    assert ": refused (2 wrong)" in caplog.text


async def test_what_was_never_delivered(admin, world):
    """To whom, what, when and why; the end of an alert tells itself by its time."""
    ended = alert(started_at=world.wall - 60, resolved_at=world.wall)
    world.answers["undelivered"] = [DeadLetter("oncall", ended, "refused", "auth: it answered 403", 2, world.wall + 1)]
    assert await get(admin, "/api/v1/alerts/undelivered") == {
        "undelivered": [
            {
                "receiver": "oncall",
                "name": "OutriderSLOBurn",
                "key": "k1",
                "severity": "page",
                "summary": "shop pg-availability burns",
                "started_at": "2025-12-31T23:59:00Z",
                "resolved_at": "2026-01-01T00:00:00Z",
                "outcome": "refused",
                "why": "auth: it answered 403",
                "attempts": 2,
                "at": "2026-01-01T00:00:01Z",
            }
        ]
    }
