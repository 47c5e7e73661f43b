"""Fifty real agents see one fault: one call and one end, at a webhook and at a real Alertmanager."""

import pytest

from agent.demo.alertmanager import available
from tests.fleet.calling import calling

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not available(), reason="not installed: prometheus-alertmanager"),
]


@pytest.fixture(scope="module")
def fifty():
    """The fleet; each test leaves it well."""
    with calling(50) as started:
        yield started


def test_fifty_that_see_one_outage_call_once(fifty):
    """The dependency of all goes down and comes back: one FIRING, one RESOLVED, at either receiver."""
    fifty.ear.forget()
    fifty.cache.kill()
    fifty.until(lambda: fifty.firing() == 50, "all see it")
    fifty.until(lambda: True in fifty.ear.words() and True in fifty.ear.behind(), "somebody is called")
    fifty.cache.start()
    fifty.over()
    assert fifty.ear.words() == [True, False]
    assert fifty.ear.behind() == [True, False]
