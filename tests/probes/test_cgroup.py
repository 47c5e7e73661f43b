"""Control groups of every kind, as trees of files."""

from pathlib import Path

import pytest

from probes.cgroup import Usage, host_oom_kills, host_pressure, read_limit, read_usage

MIB = 1 << 20
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
UNIFIED_MOUNT = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


@pytest.fixture
def machine(tmp_path):
    """Writes files of a machine: path -> content."""

    def write(files, cgroup, mounts, pid="self"):
        base = {f"proc/{pid}/cgroup": cgroup, "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda rw\n" + mounts}
        for path, content in (base | files).items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return tmp_path

    return write


def v2(folder, used, limit="max", *, cache=0, kills=0, pressure=0.0):
    return {
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.stat": f"anon 1\ninactive_file {cache}\nactive_file 2\n",
        f"{folder}/memory.events": f"low 0\nhigh 3\noom 4\noom_kill {kills}\n",
        f"{folder}/memory.pressure": f"some avg10=9.00 avg60={pressure} avg300=0.00 total=1\nfull avg10=0.00 avg60=7\n",
    }


def v1(folder, used, limit=9223372036854771712, *, cache=0, kills=None):
    killed = "" if kills is None else f"oom_kill {kills}\n"
    return {
        f"{folder}/memory.usage_in_bytes": f"{used}\n",
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.stat": f"inactive_file 1\ntotal_inactive_file {cache}\n",
        f"{folder}/memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\n{killed}",
    }


def test_a_container_of_version_2(machine):
    """Inside a container its own group is the topmost: the working set leaves out inactive file cache."""
    files = v2("sys/fs/cgroup", 80 * MIB, 100 * MIB, cache=30 * MIB, kills=2, pressure=1.5)
    usage = read_usage(root=machine(files, "0::/\n", V2_MOUNT))
    assert usage == Usage(50 * MIB, 100 * MIB, 2, 0.015)
    assert usage.ratio == 0.5


def test_a_container_of_version_1(machine):
    """The same of version 1, where the numbers have other names and nothing tells pressure."""
    files = v1("sys/fs/cgroup/memory", 80 * MIB, 100 * MIB, cache=30 * MIB, kills=2)
    assert read_usage(root=machine(files, "4:memory:/\n", V1_MOUNT)) == Usage(50 * MIB, 100 * MIB, 2, None)


def test_a_hybrid_system(machine):
    """Where both versions are mounted, memory is accounted in version 1."""
    files = v1("sys/fs/cgroup/memory/app", 10 * MIB, 100 * MIB) | v2("sys/fs/cgroup/unified/app", 99 * MIB, 100 * MIB)
    root = machine(files, "4:memory:/app\n1:name=systemd:/app\n0::/app\n", V1_MOUNT + UNIFIED_MOUNT)
    assert read_usage(root=root).used == 10 * MIB


def test_no_limit_is_no_limit(machine, tmp_path):
    """`max`, and the huge number that version 1 writes instead, mean that there is none."""
    root = machine(v2("sys/fs/cgroup", MIB), "0::/\n", V2_MOUNT)
    assert read_usage(root=root).limit is None
    root = machine(v1("sys/fs/cgroup/memory", MIB), "4:memory:/\n", V1_MOUNT)
    usage = read_usage(root=root)
    assert (usage.limit, usage.ratio) == (None, 0.0)


def test_the_level_closest_to_its_limit(machine):
    """A pod's limit above a container's counts, when that is where the kernel will kill first."""
    files = v2("sys/fs/cgroup/pod/app", 50 * MIB, 100 * MIB) | v2("sys/fs/cgroup/pod", 110 * MIB, 120 * MIB, kills=1)
    root = machine(files, "0::/pod/app\n", V2_MOUNT)
    assert read_usage(root=root) == Usage(110 * MIB, 120 * MIB, 1, 0.0)


def test_a_group_without_a_limit_of_its_own(machine):
    """Where no level has a limit, the group's own use is told."""
    files = v2("sys/fs/cgroup/a/b", 5 * MIB) | v2("sys/fs/cgroup/a", 50 * MIB)
    assert read_usage(root=machine(files, "0::/a/b\n", V2_MOUNT)).used == 5 * MIB


def test_a_part_of_the_tree_is_mounted(machine):
    """Where only a part of the tree is mounted (docker, version 1), the path is taken from there."""
    mount = V1_MOUNT.replace(" / /sys", " /docker/abc /sys")
    files = v1("sys/fs/cgroup/memory", 10 * MIB, 20 * MIB) | v1("sys/fs/cgroup/memory/app", 5 * MIB, 8 * MIB)
    root = machine(files, "4:memory:/docker/abc/app\n", mount)
    assert read_usage(root=root).limit == 8 * MIB


@pytest.mark.parametrize("path", ["/../other", "/../../host", "/elsewhere"])
def test_a_group_outside_of_what_is_mounted(machine, path):
    """A process of another namespace is judged by what can be seen: the topmost group."""
    mount = V2_MOUNT.replace(" / /sys", " /own /sys") if path == "/elsewhere" else V2_MOUNT
    root = machine(v2("sys/fs/cgroup", MIB, 2 * MIB), f"0::{path}\n", mount, pid="7")
    assert read_usage(7, root).limit == 2 * MIB


def test_another_process(machine):
    """A process is read by its number."""
    files = v2("sys/fs/cgroup/app", MIB, 4 * MIB)
    assert read_usage(42, machine(files, "0::/app\n", V2_MOUNT, pid="42")).limit == 4 * MIB


@pytest.mark.parametrize(
    ("cgroup", "mounts"),
    [
        ("", ""),
        ("0::/\n", ""),
        ("", V2_MOUNT),
        ("4:memory:/\n", V2_MOUNT),
        ("garbage\n:::\n0\n", "x - y\n - cgroup2\n" + V2_MOUNT),
        ("0::/gone\n", V2_MOUNT),
    ],
)
def test_nothing_to_read(machine, cgroup, mounts):
    """A system without such accounts, or with files that make no sense, is no error: there is nothing to tell."""
    assert read_usage(root=machine({}, cgroup, mounts)) is None


def test_numbers_that_are_none(machine):
    """Files that hold no numbers count as absent."""
    files = v2("sys/fs/cgroup", MIB, "much", pressure="x") | {"sys/fs/cgroup/memory.events": "oom_kill many\n"}
    assert read_usage(root=machine(files, "0::/\n", V2_MOUNT)) == Usage(MIB, None, None, None)


def test_the_machine(machine):
    """The machine's own pressure and kills are read where the kernel tells them."""
    files = {"proc/pressure/memory": "some avg10=0 avg60=2.50 avg300=0 total=0\n", "proc/vmstat": "x 1\noom_kill 3\n"}
    root = machine(files, "", "")
    assert (host_pressure(root), host_oom_kills(root)) == (0.025, 3)
    assert (host_pressure(root / "none"), host_oom_kills(root / "none")) == (None, None)


def test_this_machine():
    """The real files of this machine are understood, whatever it is."""
    usage = read_usage()
    if not Path("/proc/self/cgroup").exists():
        pytest.skip("this system has no control groups")
    assert usage is None or usage.used > 0


@pytest.mark.parametrize(
    ("files", "cgroup", "mount"),
    [
        (v2("sys/fs/cgroup", 1, 256 * MIB) | v2("sys/fs/cgroup/pod", 1), "0::/pod\n", V2_MOUNT),
        (v2("sys/fs/cgroup", 1, 512 * MIB) | v2("sys/fs/cgroup/pod", 0, 256 * MIB), "0::/pod\n", V2_MOUNT),
        (v1("sys/fs/cgroup/memory", 1, 256 * MIB), "4:memory:/\n", V1_MOUNT),
    ],
    ids=["above", "nested", "version-1"],
)
def test_the_smallest_limit_is_what_may_be_used(machine, files, cgroup, mount):
    """However full the levels are: a budget is made of it."""
    assert read_limit(root=machine(files, cgroup, mount)) == 256 * MIB


def test_no_limit_is_none(machine):
    """On version 2 as on version 1, and where nothing is told."""
    assert read_limit(root=machine(v2("sys/fs/cgroup", 1), "0::/\n", V2_MOUNT)) is None
    assert read_limit(root=machine(v1("sys/fs/cgroup/memory", 1), "4:memory:/\n", V1_MOUNT)) is None
    assert read_limit(root=machine({}, "", "")) is None
