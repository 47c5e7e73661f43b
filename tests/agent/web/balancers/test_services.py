from types import SimpleNamespace

import pytest

from agent.web.balancers.services import everything, serving


@pytest.fixture
def desk(world):
    """A desk with two groups."""
    desk = world.desk()
    groups = {"checkout": SimpleNamespace(ready=True), "reports": SimpleNamespace(ready=False)}
    object.__setattr__(desk, "group", groups.get)
    object.__setattr__(desk, "groups", lambda: groups)
    return desk


def test_names_and_their_verdicts(world, desk):
    """The replica under two names, liveness, each probe as /readyz/NAME has it, each group."""
    world.up("app")
    world.degraded("slow")
    world.down("cache", when_down="degraded")
    world.probe("new", when_down="ignore")
    wanted = {
        "": True, "readiness": True, "liveness": True, "app": True, "slow": True, "cache": False, "new": False,
        "group/checkout": True, "group/reports": False,
    }  # fmt: skip
    assert everything(desk) == wanted
    assert {name: serving(desk, name) for name in wanted} == wanted


def test_readiness_is_the_verdict(world, desk):
    """Draining ends readiness and not liveness; a loop that hangs the other way round."""
    world.up("app")
    world.lifecycle.drain()
    assert [serving(desk, name) for name in ("", "readiness", "liveness", "app")] == [False, False, True, True]
    world.alive = False
    assert serving(desk, "liveness") is False
    assert everything(desk)["liveness"] is False


@pytest.mark.parametrize("name", ["nope", "group/nope", "group/", "group", "/", "READINESS", "\0"])
def test_a_name_that_nothing_has(desk, name):
    """Nothing is said of what is not there."""
    assert serving(desk, name) is None


def test_a_probe_cannot_take_the_place_of_a_verdict(world, desk):
    """A probe called readiness is shadowed by readiness itself."""
    world.down("readiness", when_down="ignore")
    assert serving(desk, "readiness") is True
    assert everything(desk)["readiness"] is True
