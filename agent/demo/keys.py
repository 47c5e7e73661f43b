"""Single keys from the terminal, which is left as it was found."""

import asyncio
import os
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_READ_BYTES = 64  # a paste is many keys, an arrow key three


@contextmanager
def pressed(stream: TextIO, take: Callable[[str], None]) -> Iterator[bool]:
    """Call `take` with each key while inside; yields False where there are none to come.

    There are none without a terminal, or in the background; the end of input is no key either. Ctrl-C stays a signal.
    """
    if not _is_ours(stream):
        yield False
        return
    loop, number = asyncio.get_running_loop(), stream.fileno()

    def read() -> None:
        try:
            typed = os.read(number, _READ_BYTES)
        except OSError:  # the terminal is gone
            typed = b""
        if not typed:
            loop.remove_reader(number)
        for key in typed.decode("ascii", "ignore"):
            take(key)

    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    _no_suspension(number)
    loop.add_reader(number, read)
    try:
        yield True
    finally:
        loop.remove_reader(number)
        _restore(number, before)


def _is_ours(stream: TextIO) -> bool:
    """Whether it is a terminal, and we are in its foreground: to set it from the background would stop us."""
    try:
        return stream.isatty() and os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _no_suspension(number: int) -> None:
    """Ctrl-Z would leave the user with our terminal settings and running servers."""
    changed = termios.tcgetattr(number)
    changed[6][termios.VSUSP] = b"\0"  # the fact: 0 disables it (_POSIX_VDISABLE)
    termios.tcsetattr(number, termios.TCSANOW, changed)


def _restore(number: int, before: list[object]) -> None:
    try:
        termios.tcsetattr(number, termios.TCSADRAIN, before)  # type: ignore[arg-type]
    except termios.error:  # the terminal is gone
        return
