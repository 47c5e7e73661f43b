"""Whom the agent speaks to: those its file names, and nobody else."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.hostile import answering
from tests.running import agent

pytestmark = pytest.mark.e2e

CALL = re.compile(r"connect\(\d+, \{sa_family=AF_INET6?, sin6?_port=htons\((\d+)\)")


@pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("strace") is None, reason="strace is not installed (make ci-tools)"
)
def test_it_calls_nobody_who_is_not_in_the_file(tmp_path):
    """Every connect of a running agent, as the kernel sees them, goes to the one configured port; no name is asked."""
    seen = tmp_path / "calls"
    with answering() as good, agent(f"probes: {{app: {{type: http, url: '{good.url}', interval: 200ms}}}}\n") as one:
        one.until("/readyz")
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(seen), "-p", str(one.process.pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            one.wait(lambda: seen.exists() and "connect(" in seen.read_text(), "a traced connect")
            one.signal(signal.SIGHUP)
            one.wait(lambda: "configuration loaded" in one.log.read_text())
            until = time.monotonic() + 3
            one.wait(lambda: time.monotonic() > until)
        finally:
            tracer.terminate()
            tracer.communicate()
        calls = Path(seen).read_text()
        ports = {int(port) for port in CALL.findall(calls)}
        assert ports == {good.server_port}
        assert "htons(53)" not in calls
