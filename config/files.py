"""Reading what a configuration names, without ever waiting or filling memory."""

import os
import stat
from pathlib import Path


def read_regular(path: str | Path, most: int) -> bytes:
    """The bytes of a small regular file. Opened without waiting, because a pipe would block for ever.

    Raises OSError, or ValueError saying what is wrong; what would be right.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file; name one that is")
        raw = opened.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it is larger than {most >> 10} KiB; name the right file")
    return raw
