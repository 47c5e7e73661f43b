"""The last file that was good, kept so that a start with a bad one has something to fall back on."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from config.files import read_regular
from config.yaml import MOST_BYTES

NAME = "last-good.yaml"


def keep(state_dir: Path, raw: bytes) -> None:
    """Put a file's bytes in place of those kept before: whole or not at all, and readable by this user only.

    The bytes are as written, with references in place of secrets. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(dir=state_dir, prefix=f".{NAME}.")  # mkstemp's mode is 0600
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(raw)
            opened.flush()
            os.fsync(descriptor)
        Path(name).replace(state_dir / NAME)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def recall(state_dir: Path) -> bytes | None:
    """The bytes that were kept; None when there are none. Raises OSError or ValueError when they cannot be read."""
    try:
        return read_regular(state_dir / NAME, MOST_BYTES)
    except FileNotFoundError:
        return None
