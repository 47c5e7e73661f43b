"""The state folder: who may use it, how much room it has, and what becomes of a file that is damaged."""

import fcntl
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from agent.state.trouble import StateError

NAME = "outrider.db"
LOCK = "outrider.lock"
KEPT = 3  #: damaged files that are kept for a person to look at

_ASIDE = re.compile(rf"{re.escape(NAME)}\.damaged-([\dT.]+Z)(?:-wal)?")


class Lock:
    """Held by one agent at a time; the kernel lets it go when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing, and take it. Raises StateError, OSError.

        Not those above it: where they are missing too, a volume is not there, and nothing would last.
        """
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise StateError(f"another agent ({who}) uses it; give each agent a `state_dir` of its own") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def there(self, folder: Path) -> bool:
        """Whether it still has its name: of a folder that was removed it locks nothing. Raises OSError."""
        try:
            return os.path.samestat(os.fstat(self._file), (folder / LOCK).stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let it go. The file stays: removing it would let two agents hold two locks of one name."""
        os.close(self._file)


def set_aside(folder: Path) -> Path:
    """Rename the database and its log, so that a new one can be begun; returns the new name. Raises OSError.

    The newest `KEPT` are kept.
    """
    target = folder / f"{NAME}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    # The log first: without its database it means nothing, while a new database beside an old log would be damaged too.
    for suffix in ("-wal", ""):
        source = folder / f"{NAME}{suffix}"
        if source.exists():
            source.rename(folder / f"{target.name}{suffix}")
    (folder / f"{NAME}-shm").unlink(missing_ok=True)
    stamps = {found[1] for path in folder.iterdir() if (found := _ASIDE.fullmatch(path.name))}
    for old in sorted(stamps)[:-KEPT]:
        for suffix in ("", "-wal"):
            (folder / f"{NAME}.damaged-{old}{suffix}").unlink(missing_ok=True)
    return target


def free_bytes(folder: Path) -> int:
    """What its disk has left for us. Raises OSError."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def sync(folder: Path) -> None:
    """Make the names in it durable. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
