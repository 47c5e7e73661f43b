"""What the kernel's signals make us do."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def on_signals(wanted: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Inside, the running loop calls these, by the signal's number."""
    loop = asyncio.get_running_loop()
    for number, act in wanted.items():
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
