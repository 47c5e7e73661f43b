"""Memory of a control group, version 1 and 2: what is used, what is allowed, how often the kernel killed.

Host totals are wrong inside a container, and psutil knows only those. Every path starts at `root`, so that tests (and
an agent that sees the host's files under another folder) can say where the machine is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_UNLIMITED = 1 << 60  # version 1 writes "no limit" as the largest number of whole pages


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory of one group, in bytes.

    `used` is the working set: what the kernel cannot take back without effort (usage minus inactive file cache), which
    is also what Kubernetes evicts by. `limit` None: no limit at any level. `oom_kills` None: this kernel does not
    count. `pressure`: share of the last minute in which some task waited for memory; None where it is not measured.
    """

    used: int
    limit: int | None
    oom_kills: int | None
    pressure: float | None

    @property
    def ratio(self) -> float:
        """How full it is; 0 without a limit."""
        return self.used / self.limit if self.limit else 0.0


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """Where one version keeps what it knows."""

    usage: str
    limit: str
    cache: str  # key in memory.stat
    events: str


_V1 = _Hierarchy("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file", "memory.oom_control")
_V2 = _Hierarchy("memory.current", "memory.max", "inactive_file", "memory.events")


def read_usage(pid: int | str = "self", root: Path = Path("/")) -> Usage | None:
    """Memory of the group that process `pid` runs in; None where the kernel keeps no such account.

    A limit of any level above counts too: the level told is the one closest to its limit, because that is where the
    kernel will kill first.
    """
    found = _memory_group(pid, root)
    if found is None:
        return None
    hierarchy, top, path = found
    levels = [usage for level in _levels(top, path) if (usage := _level(hierarchy, level)) is not None]
    if not levels:
        return None
    return max(levels, key=lambda usage: usage.ratio)  # the innermost one of several without a limit


def read_limit(pid: int | str = "self", root: Path = Path("/")) -> int | None:
    """Bytes that process `pid` may use at most: the smallest limit of its group and those above; None without one."""
    found = _memory_group(pid, root)
    if found is None:
        return None
    hierarchy, top, path = found
    limits = (_number(level / hierarchy.limit) for level in _levels(top, path))
    return min((limit for limit in limits if limit is not None and limit < _UNLIMITED), default=None)


def host_pressure(root: Path = Path("/")) -> float | None:
    """Share of the last minute in which some task of the machine waited for memory."""
    return _pressure(root / "proc/pressure/memory")


def host_oom_kills(root: Path = Path("/")) -> int | None:
    """Processes that the kernel killed for want of memory since it started."""
    return _value(root / "proc/vmstat", "oom_kill")


def _memory_group(pid: int | str, root: Path) -> tuple[_Hierarchy, Path, PurePosixPath] | None:
    """Which version accounts for the process, where that is mounted, and its group's path below that."""
    paths: dict[_Hierarchy, str] = {}
    for line in _lines(root / f"proc/{pid}/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            paths[_V1] = path
        elif number == "0" and not controllers:
            paths[_V2] = path
    for hierarchy in (_V1, _V2):  # on a hybrid system memory is accounted where it has a controller: in version 1
        if hierarchy in paths:
            for place, top in _mounts(root, hierarchy):
                return hierarchy, root / place.lstrip("/"), _below(paths[hierarchy], top)
    return None


def _mounts(root: Path, hierarchy: _Hierarchy) -> Iterator[tuple[str, str]]:
    """Where the hierarchy is mounted, and which of its groups is seen there as the topmost."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        v1 = kind[0] == "cgroup" and "memory" in kind[2].split(",")
        if v1 if hierarchy is _V1 else kind[0] == "cgroup2":
            yield fields[4], fields[3]


def _below(path: str, top: str) -> PurePosixPath:
    """The group's path as seen from the mount; the mount itself when the group lies outside of what is mounted."""
    try:
        inside = PurePosixPath(path).relative_to(top)
    except ValueError:
        return PurePosixPath()
    return PurePosixPath() if ".." in inside.parts else inside


def _levels(top: Path, path: PurePosixPath) -> Iterator[Path]:
    """The group and all above it, innermost first."""
    for level in (path, *path.parents):
        yield top / level


def _level(hierarchy: _Hierarchy, folder: Path) -> Usage | None:
    usage = _number(folder / hierarchy.usage)
    if usage is None:
        return None
    cache = _value(folder / "memory.stat", hierarchy.cache) or 0
    limit = _number(folder / hierarchy.limit)
    if limit is not None and limit >= _UNLIMITED:
        limit = None
    kills = _value(folder / hierarchy.events, "oom_kill")
    return Usage(max(0, usage - cache), limit, kills, _pressure(folder / "memory.pressure"))


def _pressure(file: Path) -> float | None:
    """`some avg10=0.00 avg60=1.50 ...` -> 0.015."""
    for line in _lines(file):
        if line.startswith("some "):
            shares = dict(part.partition("=")[::2] for part in line.split()[1:])
            return _float(shares.get("avg60", ""))
    return None


def _float(percent: str) -> float | None:
    try:
        return float(percent) / 100
    except ValueError:
        return None


def _value(file: Path, key: str) -> int | None:
    """The number beside a key in a file of `key number` lines."""
    for line in _lines(file):
        name, _, number = line.partition(" ")
        if name == key and number.isdigit():
            return int(number)
    return None


def _number(file: Path) -> int | None:
    """The number that a file holds; None for `max`, and where there is none."""
    text = next(iter(_lines(file)), "").strip()
    return int(text) if text.isdigit() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:  # not mounted, not permitted, or the process is gone: nothing to read
        return []
