"""Starting a child process, and what its end means."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn

NOT_EXECUTABLE, NOT_FOUND = 126, 127  #: exit codes as every shell has them


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    prepare: Callable[[], None],
    mask: Iterable[int],
) -> int:
    """Start a process and return its id; `prepare` runs in it first, and `mask` are the signals it has blocked.

    Returns once the process runs the command. Raises OSError when that cannot be done.
    """
    reader, writer = os.pipe()  # closed by a successful exec; else it says what went wrong
    pid = os.fork()
    if pid == 0:
        _become(command, environment, prepare, mask, writer)
    os.close(writer)
    with open(reader, "rb") as told:  # noqa: PTH123 - a descriptor
        failed = told.read(16)
    if failed:
        os.waitpid(pid, 0)
        raise OSError(int(failed), os.strerror(int(failed)), command[0])
    return pid


def _become(
    command: Sequence[str],
    environment: Mapping[str, str],
    prepare: Callable[[], None],
    mask: Iterable[int],
    writer: int,
) -> NoReturn:
    try:
        prepare()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that down
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - no shell: that is the point
    except OSError as error:
        os.write(writer, str(error.errno or 1).encode())
    finally:
        os._exit(NOT_FOUND)


def refusal(error: OSError) -> int:
    """The exit code for a command that could not be started, as a shell has it."""
    return NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else NOT_EXECUTABLE


def code(status: int) -> int:
    """The exit code for a wait status: the child's own, or 128 and the signal that killed it."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def ending(status: int) -> str:
    """The same in words."""
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.WEXITSTATUS(status)}"
