"""`/api/v1/gate`: well for a while, or why not."""

from dataclasses import replace

import pytest

from agent.health.edges import Edges
from agent.health.state import State
from agent.red.group import Group
from agent.web.api.gate import LISTED, gate
from agent.web.reports import WITHHELD
from tests.agent.health.test_edges import edge
from tests.agent.web.conftest import HOST, SECRET

PAIR = {"name": "page-quick", "severity": "page", "long": "1h", "short": "5m", "factor": 14.4, "condition": True}
BURNING = {"name": "orders", "burn_rate": {"5m": 20.0, "1h": 15.5}, "pairs": [PAIR], "condition": True}


@pytest.fixture
def ask(world):
    """The gate for a desk with these edges, after an hour."""

    def answer(*edges, bake=300.0, trusted=True, uptime=3600.0):
        world.now += uptime
        kept = Edges()
        for each in edges:
            ended = world.now + each.observation.ended
            kept.add(replace(each, observation=replace(each.observation, ended=ended)))
        return gate(replace(world.desk(), edges=lambda: kept.recent(world.now)), bake, trusted=trusted)

    return answer


def test_passes_when_nothing_happened(world, ask):
    """All well for the whole bake: pass, 1, no reason."""
    world.now -= 3600  # so that the attempts of now are recent
    world.lifecycle.started_at = world.now - 10
    world.now += 3600
    world.up("app")
    found = ask(uptime=0.0)
    assert (found.passed, found.value, found.ready, found.reasons) == (True, 1, True, ())
    assert (found.bake_seconds, found.observed_seconds, found.status) == (300.0, 300.0, "healthy")


def test_bakes_until_the_agent_has_seen_enough(ask):
    """An agent that came up 12 s ago cannot vouch for 5 minutes."""
    found = ask(uptime=12.0)
    assert (found.passed, found.value, found.observed_seconds) == (False, 0, 12.0)
    assert found.reasons == ("still baking: this agent has seen 12 of 300 s",)


def test_fails_while_unready(world, ask):
    """The reasons of the verdict, with their details, for those who may see them."""
    world.down("app", ago=0.1)
    found = ask(uptime=0.0)
    assert (found.passed, found.ready, found.status) == (False, False, "unhealthy")
    assert found.reasons[0].startswith("unready: app is down: auth in connect")


def test_fails_while_draining(world, ask):
    """Also without any probe."""
    world.lifecycle.drain()
    assert ask().reasons == ("unready: draining: this replica is about to stop",)


@pytest.mark.parametrize("after", [State.DOWN, State.DEGRADED])
def test_fails_on_an_edge_within_the_bake(world, ask, after):
    """A probe that became worse fails it, though it is up again; one change outside the bake does not."""
    world.probe("db", when_down="degraded")
    found = ask(
        edge(-301.0, after=after), edge(-200.0, after=after), edge(-60.0, after=after), edge(-50.0, after=State.UP)
    )
    assert found.reasons == (f"db became {after} 2 times, the last time 60 s ago: ok",)
    assert next((each.probe, each.before, each.after) for each in found.edges) == ("db", "up", after)
    assert len(found.edges) == 3


def test_recovery_is_no_fault(world, ask):
    """Becoming up is an edge, and passes."""
    world.probe("db", when_down="degraded")
    assert ask(edge(-5.0, after=State.UP)).passed


def test_who_has_no_say_fails_nothing(world, ask):
    """A probe with `when_down: ignore`, and one that left the file, are listed and count for nothing."""
    world.probe("hobby", when_down="ignore")
    found = ask(edge(-5.0, "hobby"), edge(-4.0, "gone"))
    assert found.passed
    assert len(found.edges) == 2


def test_fails_while_an_objective_burns(world, ask):
    """A condition that holds fails it; one that nobody can tell does not."""
    world.answers["slos"] = [BURNING, {**BURNING, "name": "unclear", "condition": None}]
    found = ask()
    assert found.reasons == ("orders burns its error budget 20 times too fast",)
    assert [(row.slo, row.long, row.short, row.factor, row.firing) for row in found.burn] == [
        ("orders", 15.5, 20.0, 14.4, True),
        ("unclear", 15.5, 20.0, 14.4, None),
    ]


def test_a_stranger_sees_names_and_numbers(world, ask):
    """Which probes and objectives, and no word of what they said."""
    world.down("app", ago=0.1)
    found = ask(edge(-5.0, "app"), trusted=False, uptime=0.0)
    assert found.reasons[:2] == ("unready: app", "app became down 5 s ago: reason withheld")
    assert HOST not in str(found)
    assert SECRET not in str(found)


def test_the_answer_is_bounded(world, ask):
    """A probe that changes without end makes one sentence, and a list of a hundred."""
    world.probe("db", when_down="degraded")
    found = ask(*(edge(-5.0) for _ in range(500)))
    assert len(found.edges) == LISTED
    assert found.reasons == ("db became down 500 times, the last time 5 s ago: ok",)


@pytest.fixture
def thrown(world):
    """An exception type that came 10 s ago, and one that is as old as the agent."""
    groups = [
        Group("KeyError", "/checkout", "shop", 3, 990.0, 999.0, "'sku'", ("ab" * 16,)),
        Group("Timeout", "", "shop", 9, 10.0, 999.0, "late"),
    ]
    return replace(
        world.desk(),
        wall=lambda: 1000.0,
        new_exceptions=lambda moment: [each for each in groups if each.first_seen >= moment],
    )


def test_fails_for_an_exception_that_was_not_there_before(world, thrown):
    """One sentence with where, how often and a trace; older types are no news, nor are those that are called known."""
    world.now += 3600
    found = gate(thrown, 60.0, trusted=True)
    assert found.new_exceptions == ("KeyError",)
    assert found.reasons == (f"a new exception type: KeyError in /checkout, 3 times, such as trace {'ab' * 16}",)
    assert gate(thrown, 5.0, trusted=True).passed
    assert gate(thrown, 60.0, trusted=True, known=frozenset({"KeyError"})).passed


def test_strangers_do_not_learn_what_was_thrown(world, thrown):
    """That something was fails the gate; its type stays inside."""
    world.now += 3600
    found = gate(thrown, 60.0, trusted=False)
    assert (found.new_exceptions, found.reasons) == ((), (f"a new exception type: {WITHHELD}",))


async def test_on_both_listeners(public, admin, world):
    """The same document for strangers and for the admin listener, as JSON with the field names that tools read."""
    world.now += 30
    for client in (public, admin):
        async with client.get("/api/v1/gate?bake=20s") as answer:
            assert (answer.status, answer.content_type) == (200, "application/json")
            assert await answer.json() == {
                "pass": True, "value": 1, "ready": True, "status": "healthy", "bake_seconds": 20.0,
                "observed_seconds": 20.0, "edges": [], "burn": [], "new_exceptions": [],
                "reasons": [],
            }  # fmt: skip


async def test_a_webhook_reads_the_status(public, world):
    """POST, with whatever body: 409 while it does not pass, 200 when it does; the same document."""
    for uptime, status in ((5.0, 409), (30.0, 200)):
        world.now += uptime
        async with public.post("/api/v1/gate?bake=20s", json={"name": "shop", "phase": "Progressing"}) as answer:
            assert answer.status == status
            assert (await answer.json())["pass"] is (status == 200)


@pytest.mark.parametrize("bake", ["0", "500ms", "61m", "5", "", "-5m", "%F0%9F%90%8C", "9" * 2000])
async def test_nonsense_is_refused(public, bake):
    """400 as a problem document that says what would be right, and repeats nothing."""
    async with public.get(f"/api/v1/gate?bake={bake}") as answer:
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
        said = (await answer.json(content_type=None))["detail"]
        assert "write" in said
        assert "999" not in said


@pytest.mark.parametrize("bake", ["1s", "1h", "90s", "1m30s", "1500ms"])
async def test_any_duration_within_bounds_is_taken(public, bake):
    """As the file writes durations."""
    async with public.get(f"/api/v1/gate?bake={bake}") as answer:
        assert answer.status == 200
