"""A replica tells when it leaves and when it comes back."""

import re
import socket

import pytest

from tests.running import agent

pytestmark = pytest.mark.e2e


def test_each_change_of_the_verdict_is_told_once_and_counted():
    """One line when it becomes ready, one with the reasons when it does not stay so, and a counter beside them."""
    with socket.create_server(("127.0.0.1", 0)) as app:
        port = app.getsockname()[1]
        probe = f"{{type: tcp, address: '127.0.0.1:{port}', interval: 200ms, fast_interval: 100ms}}"
        with agent(f"probes: {{app: {probe}}}\n", readiness="ready_delay: 0s") as one:
            one.until("/readyz")
            app.close()
            one.until("/readyz", 503)
            with socket.create_server(("127.0.0.1", port)):
                one.until("/readyz")
                page = one.get("/metrics")[1].decode()
            one.wait(lambda: one.log.read_text().count("this replica is ready") == 2)
            told = re.findall(r"this replica is (ready|unready: app is down: connect_refused)", one.log.read_text())
    assert told == ["ready", "unready: app is down: connect_refused", "ready"]
    assert "\noutrider_ready_changes_total 3.0\n" in page
