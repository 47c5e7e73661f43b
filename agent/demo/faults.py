"""The seven faults of the demo. Each stops or fills something real; none is done before it is really in place."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from agent.demo.control import KEYS
from agent.demo.files import MEMORY_LIMIT
from agent.demo.process import Server, ServerError, port_taken
from agent.demo.replica import Replica
from agent.demo.stage import Stage

_MIB = 1024 * 1024
_PAST_MIB = 16  # how far past its limit the service is driven
_EFFECT_SECONDS = 5.0
_POLL_SECONDS = 0.02


class FaultError(Exception):
    """The fault could not be put in place or mended; one sentence."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can be broken: its name on the command line, its key in the terminal, and how."""

    what: str
    key: str
    broken_text: str
    mended_text: str
    broken: Callable[[], bool]  # looks at what is really so
    break_: Callable[[], None]
    mend: Callable[[], None]


class Faults:
    """Breaks and mends, one at a time. Breaking what is broken, or mending what is whole, is no error."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._one_at_a_time = asyncio.Lock()
        first = stage.first
        known = (
            _stopped("postgres", "PostgreSQL", stage.postgres, shared=True),
            _cut(first),
            _stopped("redis", "Valkey", stage.valkey, shared=True),
            _stopped("service", f"the sample service of {first.title}", first.service),
            _Memory(first).fault(),
            _stopped("upstream", "the OTLP upstream", stage.upstream, shared=True),
            _failing(first),
        )
        self.known = {fault.what: fault for fault in known}
        self.working_on = ""  #: what is being broken or mended at this moment

    def broken(self) -> tuple[str, ...]:
        """What is broken now."""
        return tuple(what for what, fault in self.known.items() if fault.broken())

    async def put(self, what: str, *, broken: bool) -> str:
        """Break or mend `what`; returns once it is so, with a sentence for people. FaultError when it is not."""
        async with self._one_at_a_time:
            return await self._put(self.known[what], broken=broken)

    async def toggle(self, what: str) -> str:
        """Break what is whole, mend what is broken, as `put` does."""
        async with self._one_at_a_time:
            fault = self.known[what]
            return await self._put(fault, broken=not fault.broken())

    async def _put(self, fault: Fault, *, broken: bool) -> str:
        self.working_on = fault.what
        try:
            await self._stage.run(fault.break_ if broken else fault.mend)
        except ServerError as error:
            raise FaultError(str(error)) from error
        finally:
            self.working_on = ""
        return fault.broken_text if broken else fault.mended_text


def _stopped(what: str, title: str, server: Server, *, shared: bool = False) -> Fault:
    """The fault of a server that is not there. `shared`: all replicas use it."""
    whose = " for all replicas" if shared else ""
    return _ended(
        what,
        f"{title} is stopped{whose}: port {server.port} refuses",
        f"{title} runs again on port {server.port}",
        server,
    )


def _cut(replica: Replica) -> Fault:
    """The fault of one replica that cannot reach the database while the others can."""
    return _ended(
        "private",
        f"{replica.title} alone is cut off from PostgreSQL: port {replica.way.port} refuses",
        f"{replica.title} reaches PostgreSQL again, by port {replica.way.port}",
        replica.way,
    )


def _ended(what: str, broken_text: str, mended_text: str, server: Server) -> Fault:
    """The server's process is ended, its port refuses."""

    def stop() -> None:
        server.stop()
        if not _soon(lambda: not server.running and not port_taken(server.port)):
            raise FaultError(f"{server.name} was stopped, but something still listens on port {server.port}")

    def start() -> None:
        server.start()

    return Fault(what, KEYS[what], broken_text, mended_text, lambda: not server.running, stop, start)


def _failing(replica: Replica) -> Fault:
    """The fault of a service whose requests fail while all that it needs is well: only an objective sees it."""
    service = replica.service

    def fail() -> None:
        if not service.running:
            raise FaultError("the sample service is stopped: mend service first")
        service.fail()

    return Fault(
        "slo",
        KEYS["slo"],
        f"the sample service of {replica.title} fails every request for orders",
        f"the sample service of {replica.title} answers again",
        lambda: service.running and service.failing,
        fail,
        lambda: service.work() if service.running else None,
    )


class _Memory:
    """The fault of a service that needs more memory than its limit."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._service = replica.service

    def fault(self) -> Fault:
        limit = MEMORY_LIMIT // _MIB
        return Fault(
            "memory",
            KEYS["memory"],
            f"the sample service of {self._replica.title} holds more than its limit of {limit} MiB",
            f"the sample service of {self._replica.title} is below its limit of {limit} MiB again",
            self.past_limit,
            self.fill,
            self.release,
        )

    def past_limit(self) -> bool:
        return self._used() > MEMORY_LIMIT

    def fill(self) -> None:
        if not self._service.running:
            raise FaultError("the sample service is stopped: mend service first")
        if self.past_limit():
            return
        self._service.hold((MEMORY_LIMIT - self._used()) // _MIB + _PAST_MIB)
        if not _soon(self.past_limit):
            raise FaultError(f"the sample service still needs only {self._used() // _MIB} MiB")

    def release(self) -> None:
        if not self.past_limit():
            return
        self._service.release()
        if not _soon(lambda: not self.past_limit()):
            raise FaultError(f"the sample service still needs {self._used() // _MIB} MiB")

    def _used(self) -> int:
        """Resident bytes; 0 when it does not run."""
        pid = self._service.pid
        try:
            return 0 if pid is None else int(psutil.Process(pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0


def _soon(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within a few seconds."""
    deadline = time.monotonic() + _EFFECT_SECONDS
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
