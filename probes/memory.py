"""The kind `memory`: how close something is to running out of memory."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import psutil
from msgspec import Meta

from config.options import Options
from config.types import Size
from probes.base import Attempt, Kind, Measurement, Probe, ProbeFailed, Reading, ReadingSpec
from probes.cgroup import Usage, host_oom_kills, host_pressure, read_usage
from probes.reason import Reason


class Process(Options, frozen=True):
    """A process by its name, or by the last part of the path it was started with."""

    process: Annotated[str, Meta(min_length=1, description="such as gunicorn")]


class MemoryOptions(Options, frozen=True):
    """Whose memory, and how much it may use."""

    of: Annotated[
        Literal["host", "self"] | Process | None,
        Meta(description="host, self (Outrider's own container), or process; else self if that is limited, or host"),
    ] = None
    limit: Annotated[Size | None, Meta(description="what may be used; else the control group's limit or the host")] = (
        None
    )

    def problems(self) -> list[tuple[str, str]]:
        """Rules over several keys."""
        return [("limit", "is 0; write a size such as 512MiB")] if self.limit == 0 else []


class MemoryProbe(Probe[MemoryOptions]):
    """Measures the working set of a container (its control group), a process, or the whole machine against a limit.

    Several processes of one name count together, by resident memory: pages they share are counted for each, so a
    forking server reads a little high.
    """

    options_type = MemoryOptions
    readings: ClassVar[Mapping[str, ReadingSpec]] = {
        "used": ReadingSpec("Memory in use as a share of its limit.", "ratio"),
        "used_bytes": ReadingSpec("Memory in use that cannot be taken back.", "bytes"),
        "limit_bytes": ReadingSpec("Memory that may be used.", "bytes"),
        "oom_kills": ReadingSpec("Processes killed for want of memory.", kind=Kind.COUNTER),
        "pressure": ReadingSpec("Share of the last minute in which some task waited for memory.", "ratio"),
    }
    default_thresholds: ClassVar[Mapping[str, Mapping[str, float]]] = {"degraded_above": {"used": 0.9}}
    root = Path("/")  #: the machine's files

    @classmethod
    def default_when_down(cls, options: MemoryOptions) -> str:
        """A replica short of memory still serves; taking it away would move its load to the others."""
        return "degraded"

    @classmethod
    def target(cls, options: MemoryOptions) -> str:
        """Whose memory."""
        if isinstance(options.of, Process):
            return f"process {options.of.process}"
        return options.of or "container or host"

    async def check(self, attempt: Attempt) -> Measurement:
        """Read the kernel's accounts; the list of processes in a thread, because it is long on a busy machine."""
        of = self.options.of
        if isinstance(of, Process):
            usage = await asyncio.to_thread(self._process, of.process)
        elif of == "host":
            usage = self._host()
        else:
            usage = self._own(only_if_limited=of is None)
        return Measurement(tuple(self._read(usage)))

    def _read(self, usage: Usage) -> list[Reading]:
        limit = self.options.limit or usage.limit or psutil.virtual_memory().total
        known = {
            "used": usage.used / limit,
            "used_bytes": float(usage.used),
            "limit_bytes": float(limit),
            "oom_kills": usage.oom_kills,
            "pressure": usage.pressure,
        }
        return [self.reading(name, value) for name, value in known.items() if value is not None]

    def _host(self) -> Usage:
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        return Usage(used, memory.total, host_oom_kills(self.root), host_pressure(self.root))

    def _own(self, *, only_if_limited: bool) -> Usage:
        usage = read_usage("self", self.root)
        if usage is not None and (usage.limit is not None or not only_if_limited):
            return usage
        if only_if_limited:
            return self._host()
        raise ProbeFailed(Reason.NOT_FOUND, "this system keeps no account of its control groups' memory")

    def _process(self, name: str) -> Usage:
        resident = {process.pid: memory for process, memory in _resident(name)}
        if not resident:
            raise ProbeFailed(Reason.NOT_FOUND, f"no process is called {name!r}, as far as this one can see")
        group = read_usage(min(resident), self.root)
        if group is None:
            return Usage(sum(resident.values()), None, None, None)
        return Usage(sum(resident.values()), group.limit, group.oom_kills, group.pressure)


def _resident(name: str) -> list[tuple[psutil.Process, int]]:
    """Resident bytes of every process called `name`; one that ends meanwhile is left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == name or _started_as(process) == name:
                found.append((process, process.memory_info().rss))
        except psutil.Error:  # gone, a zombie, or not ours to see
            continue
    return found


def _started_as(process: psutil.Process) -> str:
    command = process.cmdline()
    return Path(command[0]).name if command and command[0] else ""
