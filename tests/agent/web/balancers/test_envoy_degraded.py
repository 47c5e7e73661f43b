"""The header by which Envoy tells a degraded replica from the others: /readyz carries it in every form."""

import pytest

from agent.readiness.policy import unjudged

FORMS = pytest.mark.parametrize("accept", ["*/*", "application/json", "application/health+json"])


async def _header(client, accept):
    async with client.get("/readyz", headers={"Accept": accept}) as answer:
        return answer.status, answer.headers.get("X-Envoy-Degraded")


@FORMS
async def test_only_a_degraded_replica_says_so(public, world, accept):
    """Neither a healthy replica nor one that is out carries it."""
    world.up("app")
    assert await _header(public, accept) == (200, None)
    world.degraded("cache")
    assert await _header(public, accept) == (200, "true")
    world.down("app")
    assert await _header(public, accept) == (503, None)


@FORMS
async def test_unjudged_is_not_held_against_the_replica(public, world, accept):
    """A replica without a valid configuration keeps its part of the traffic."""
    world.verdict = lambda _: unjudged(draining=False)
    assert await _header(public, accept) == (200, None)
