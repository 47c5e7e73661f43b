"""A real Alertmanager for tests of what the agent asks it."""

import contextlib
import os

import pytest

from agent.demo import alertmanager as real


@contextlib.contextmanager
def alertmanager():
    """One that tells nobody; skips the test where none is installed."""
    if not real.available():
        message = "Alertmanager is not installed; on Debian: apt-get install prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    server = real.Alertmanager("http://127.0.0.1:1/", resolve_seconds=300)
    try:
        server.start()
        yield server
    finally:
        server.close()
