"""A server process of our own: started ready, stopped, killed, frozen; dies with the process that started it."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import psutil

HOST = "127.0.0.1"
READY_SECONDS = 30.0  #: how long a start may take; PostgreSQL needs 0.6 s with an idle machine
STOP_SECONDS = 10.0  #: how long a server may take to stop before it is killed
_POLL_SECONDS = 0.01
_PORT_TRIES = 3  # between choosing a free port and the server's bind another process may take it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only


class ServerError(Exception):
    """A server cannot be started or reached; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a process runs as, in the words of subprocess; None is ourselves."""

    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = None


class Server(ABC):
    """One real server on 127.0.0.1.

    The same object may be started again after `stop` or `kill`: port and stored contents stay. `close` (or leaving the
    `with` block) stops it and removes its folder. Call `start` from a thread that lives as long as the server should:
    Linux ends a child with the thread that made it, which is how a killed demo leaves no process behind.
    """

    name: ClassVar[str]
    #: Sent by `stop`.
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    #: Sent by the kernel when the starting thread dies.
    orphan_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, port: int = 0) -> None:
        """`port` 0: a free one is chosen at the first start and kept."""
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    @abstractmethod
    def _prepare(self) -> None:
        """Write what the server needs before its first start; may run again."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line, with `self.port` chosen."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether it takes clients now; must return within a fraction of a second."""

    def _environment(self) -> Mapping[str, str]:
        """The environment of the server process."""
        return os.environ

    @property
    def folder(self) -> Path:
        """Where the server keeps its files; removed by `close`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f"outrider-{self.name}-"))
            self._folder.chmod(0o755)  # an unprivileged server must pass through
        return self._folder

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        path = self.folder / "server.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process exists; true while it is paused."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> Self:
        """Start and, unless told not to wait, return once it takes clients. ServerError says why it could not."""
        if self.running:
            return self
        if self.port and port_taken(self.port):
            raise ServerError(f"{self.name} cannot start: port {self.port} is in use; choose another")
        self._prepare()
        if self.port:
            return self._launch(wait=wait)
        for _ in range(_PORT_TRIES - 1):
            self.port = free_port()
            try:
                return self._launch(wait=wait)
            except ServerError:
                if "address already in use" not in self.log.lower():
                    raise
        self.port = free_port()
        return self._launch(wait=wait)

    def _launch(self, *, wait: bool) -> Self:
        self._spawn()
        if wait:
            self.wait_ready()
        return self

    def _spawn(self) -> None:
        identity = self._identity()
        with (self.folder / "server.log").open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    self._command(),
                    cwd="/",
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,  # Ctrl-C is for us; we stop the servers in order
                    preexec_fn=_die_with_parent(self.orphan_signal),  # noqa: PLW1509 - one prepared system call
                    user=identity.user,
                    group=identity.group,
                    extra_groups=identity.groups,
                )
            except OSError as error:
                raise ServerError(f"{self.name} cannot start: {error}") from error

    def _identity(self) -> Identity:
        """Whom to run as; ourselves unless the server refuses root."""
        return Identity()

    def wait_ready(self) -> None:
        """Return once it takes clients. ServerError says why it does not; then it is ended."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if not self.running:
                raise ServerError(f"{self.name} cannot start: {last_words(self.log)}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{self.name} is not ready after {READY_SECONDS:.0f} s: {last_words(self.log)}")
            time.sleep(_POLL_SECONDS)

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections are accepted by the kernel and nothing ever answers."""
        # The parent first, so that it makes no new child meanwhile; children may sit in sessions of their own.
        self._signal(signal.SIGSTOP, self._family())

    def resume(self) -> None:
        """Let it go on after `pause`; harmless otherwise."""
        self._signal(signal.SIGCONT, reversed(self._family()))

    def stop(self) -> None:
        """End it in good order; after 10 s by force. Harmless when it does not run."""
        if self._process is None or not self.running:
            return
        self.resume()
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL), with everything it started. Harmless when it does not run."""
        family = self._family()
        self._signal(signal.SIGKILL, family)
        if self._process is not None:
            self._process.wait()
        deadline = time.monotonic() + STOP_SECONDS
        while any(map(_alive, family)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Stop it and remove its folder. Safe twice."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _family(self) -> list[psutil.Process]:
        if self.pid is None:
            return []
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def _signal(self, number: signal.Signals, family: Iterable[psutil.Process]) -> None:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except ServerError:
            self.close()
            raise

    def __exit__(self, *exception: object) -> None:
        self.close()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def held_port() -> socket.socket:
    """A free TCP port of 127.0.0.1 that nobody is lent until this socket is closed; a server may ask for it by number.

    It is bound and does not listen: connections are refused, and a server that sets SO_REUSEADDR, as all do, may bind.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, 0))
    return held


def port_taken(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def unprivileged() -> Identity:
    """`nobody` when we are root, else ourselves."""
    if os.geteuid() != 0:
        return Identity()
    nobody = pwd.getpwnam("nobody")
    return Identity(nobody.pw_uid, nobody.pw_gid, ())


def last_words(log: str) -> str:
    """The line of a server's output that best says why it ended."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in ("fatal", "error", "panic"))]
    return (telling or lines or ["it ended without a word"])[-1]


def _alive(process: psutil.Process) -> bool:
    """False also for a zombie: it holds nothing, and a container's first process may reap late."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec, after the change of user (which would clear the setting)."""
    if _prctl is None:
        return None
    prctl, parent, wanted = _prctl, os.getpid(), int(number)

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, wanted)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_kernel
