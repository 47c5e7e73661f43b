"""Real agents see faults, many of them one: one call and one end, at a webhook and behind a real Alertmanager."""

import random

import pytest

from agent.demo.alertmanager import available
from tests.fleet.calling import calling

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not available(), reason="not installed: prometheus-alertmanager"),
]

ONCE = [True, False]  #: it fires, it is over


@pytest.fixture(scope="module")
def fifty():
    """The fleet; each test leaves it well."""
    with calling(50) as started:
        yield started


@pytest.fixture(scope="module")
def five():
    """Another one, which loses a member in the last test."""
    with calling(5) as started:
        yield started


def test_fifty_that_see_one_outage_call_once(fifty):
    """The dependency of all goes down and comes back: one FIRING, one RESOLVED of the same episode, at either."""
    fifty.ear.forget()
    fifty.cache.kill()
    fifty.called()
    fifty.cache.start()
    fifty.over()
    assert (fifty.ear.words(), fifty.ear.behind()) == (ONCE, ONCE)
    assert len({began for *_, began in fifty.ear.told()}) == 1


def test_one_of_fifty_that_sees_it_alone_calls_once(fifty):
    """The way of one replica is cut: it calls, though all others see nothing."""
    fifty.ear.forget()
    alone = random.randrange(50)
    fifty.ways.refuse([alone])
    fifty.until(lambda: fifty.ear.words() and fifty.ear.behind(), f"{alone} calls")
    fifty.ways.open()
    fifty.over()
    assert (fifty.ear.words(), fifty.ear.behind()) == (ONCE, ONCE)
    assert {who for _, who, *_ in fifty.ear.told()} == {f"/{alone}"}


def test_a_receiver_that_is_down_for_all_is_called_once_when_it_is_back(five):
    """It refuses the first calls; one goes through, and one end."""
    five.ear.forget()
    five.ear.down = True
    five.cache.kill()
    five.until(lambda: five.ear.refused >= 2, "somebody tries again")
    five.ear.down = False
    five.called()
    five.cache.start()
    five.over()
    assert (five.ear.words(), five.ear.behind()) == (ONCE, ONCE)


def test_the_one_that_called_may_die(five):
    """Killed while it fires: the end is told by another, once, with the start that was announced."""
    five.ear.forget()
    five.cache.kill()
    five.called()
    five.until(five.aware, "the others know of it")
    ((_, dead, *_),) = five.ear.told()
    five.kill(dead)
    five.cache.start()
    five.over()
    assert (five.ear.words(), five.ear.behind()) == (ONCE, ONCE)
    (_, _, _, announced), (_, who, _, began) = five.ear.told()
    assert who != dead
    assert began == announced
