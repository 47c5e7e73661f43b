"""The memory probe: whose memory, against which limit."""

import subprocess
import sys

import psutil
import pytest

from config.types import Size
from probes.base import Kind, ProbeContext, ProbeFailed
from probes.memory import MemoryOptions, MemoryProbe, Process
from probes.reason import Reason
from tests.probes.wire import Attempt

MIB = 1 << 20


async def look(root=None, **options):
    probe = MemoryProbe(MemoryOptions(**options), ProbeContext("memory"))
    if root is not None:
        probe.root = root
    measurement = await probe.check(Attempt())
    return {reading.name: reading.value for reading in measurement.readings}


@pytest.fixture
def limited(tmp_path):
    """A machine whose container may use 100 MiB and uses 60."""
    for path, content in {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "proc/vmstat": "oom_kill 9\n",
        "sys/fs/cgroup/memory.current": f"{60 * MIB}\n",
        "sys/fs/cgroup/memory.max": f"{100 * MIB}\n",
        "sys/fs/cgroup/memory.events": "oom_kill 1\n",
        "sys/fs/cgroup/memory.pressure": "some avg10=0.00 avg60=4.00 avg300=0.00 total=0\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


@pytest.fixture
def hog():
    """A process of its own name that holds at least 30 MiB."""
    code = "import sys; held = bytearray(30 << 20); print(flush=True); sys.stdin.read()"
    command = ["hog-of-a-test", "-c", code]
    with subprocess.Popen(command, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()


@pytest.mark.parametrize("of", [None, "self"])
async def test_a_limited_container(limited, of):
    """In a container its own limit counts, without being told."""
    assert await look(limited, of=of) == {
        "used": 0.6,
        "used_bytes": 60 * MIB,
        "limit_bytes": 100 * MIB,
        "oom_kills": 1,
        "pressure": 0.04,
    }


async def test_the_host(limited):
    """The host is the whole machine, whatever this process may use of it."""
    found = await look(limited, of="host")
    assert found["limit_bytes"] == psutil.virtual_memory().total
    assert 0 < found["used"] < 1
    assert found["oom_kills"] == 9
    assert "pressure" not in found


async def test_no_limit_means_the_host(limited):
    """Where the container has no limit, the machine has one."""
    (limited / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert (await look(limited))["oom_kills"] == 9
    own = await look(limited, of="self")
    assert own["used_bytes"] == 60 * MIB
    assert own["limit_bytes"] == psutil.virtual_memory().total


async def test_a_limit_of_the_file(limited):
    """A limit in the file stands before any other, and may be exceeded."""
    found = await look(limited, limit=Size(30 * MIB))
    assert (found["used"], found["limit_bytes"]) == (2.0, 30 * MIB)


async def test_no_account(tmp_path):
    """Where the system keeps no account of its groups, asking for one fails, and not asking means the machine."""
    with pytest.raises(ProbeFailed, match="not_found"):
        await look(tmp_path, of="self")
    assert (await look(tmp_path))["limit_bytes"] == psutil.virtual_memory().total


async def test_a_process(hog):
    """A process is found by the name it was started with, and measured by what it holds."""
    found = await look(of=Process(process="hog-of-a-test"), limit=Size(60 * MIB))
    assert 30 * MIB < found["used_bytes"] < 100 * MIB
    assert found["used"] == found["used_bytes"] / (60 * MIB)


async def test_processes_of_one_name_count_together(hog):
    """Several processes of one name are one sum."""
    one = await look(of=Process(process="hog-of-a-test"))
    code = "import sys; held = bytearray(30 << 20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        ["/opt/bin/hog-of-a-test", "-c", code],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as second:
        second.stdout.readline()
        both = await look(of=Process(process="hog-of-a-test"))
        second.stdin.close()
    assert both["used_bytes"] > one["used_bytes"] + 30 * MIB


async def test_no_such_process():
    """A process that does not run is down, and named."""
    with pytest.raises(ProbeFailed) as raised:
        await look(of=Process(process="no-such-thing"))
    assert raised.value.reason is Reason.NOT_FOUND
    assert "'no-such-thing'" in raised.value.detail


async def test_a_process_without_a_group(hog, tmp_path):
    """Where the process's group cannot be seen, the machine is its limit."""
    found = await look(tmp_path, of=Process(process="hog-of-a-test"))
    assert found["limit_bytes"] == psutil.virtual_memory().total
    assert "oom_kills" not in found


def test_what_the_class_promises():
    """Short memory degrades by default and never means "send no traffic"; kills only grow."""
    assert MemoryProbe.default_when_down(MemoryOptions()) == "degraded"
    assert MemoryProbe.default_thresholds == {"degraded_above": {"used": 0.9}}
    assert MemoryProbe.readings["oom_kills"].kind is Kind.COUNTER
    assert MemoryProbe.target(MemoryOptions(of=Process(process="web"))) == "process web"
    assert MemoryProbe.target(MemoryOptions(of="host")) == "host"
    assert MemoryProbe.target(MemoryOptions()) == "container or host"


def test_a_limit_of_nothing():
    """A limit of 0 is refused at load."""
    assert [key for key, _ in MemoryOptions(limit=Size(0)).problems()] == ["limit"]
    assert not MemoryOptions(limit=Size(1)).problems()
