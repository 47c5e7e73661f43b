"""How a command that takes its time shows where it stands: one line rewritten on a terminal, else a line a change."""

import os
import sys
from typing import TextIO


class Progress:
    """Writes to standard error, so that standard output has the result alone. `quiet`: writes nothing."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._last: object = self  # equal to no change
        self.live = self._stream.isatty()

    def show(self, text: str, change: object) -> None:
        """The line as it is now; without a terminal it is written when `change` is another than before."""
        if self._quiet or (not self.live and change == self._last):
            return
        self._last = change
        if self.live:
            self._write(f"\r\033[K{text[: _columns() - 1]}")
        else:
            self._write(f"{text}\n")

    def clear(self) -> None:
        """The result follows."""
        if self.live and not self._quiet:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def printable(text: str, longest: int = 300) -> str:
    """What somebody else wrote, fit for a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:longest])


def _columns() -> int:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns or 80)  # 0: it does not say
    except (OSError, ValueError):
        return 80
