"""A replica tells when it leaves and when it comes back."""

import re

import pytest

from agent.demo.servers import Valkey
from tests.running import agent

pytestmark = pytest.mark.e2e


def test_each_change_of_the_verdict_is_told_once_and_counted():
    """One line when it becomes ready, one with the reasons when it does not stay so, and a counter beside them."""
    with Valkey() as cache:
        pace = "interval: 2s, timeout: 1900ms, fast_interval: 100ms"
        probe = f"{{type: redis, url: '{cache.url}', when_down: unready, {pace}}}"
        with agent(f"probes: {{cache: {probe}}}\n", readiness="ready_delay: 0s") as one:
            one.until("/readyz")
            cache.kill()
            one.until("/readyz", 503)
            cache.start()
            one.until("/readyz")
            page = one.get("/metrics")[1].decode()
            one.wait(lambda: one.log.read_text().count("this replica is ready") == 2)
            told = re.findall(r"this replica is (ready|unready: cache is down: connect_refused)", one.log.read_text())
    assert told == ["ready", "unready: cache is down: connect_refused", "ready"]
    assert "\noutrider_ready_changes_total 3.0\n" in page
