"""Logs: JSON or text lines on standard error, written by a thread so that a blocked pipe never stops the agent."""

import contextlib
import json
import logging
import logging.handlers
import os
import queue
import sys
import time
from typing import Literal, TextIO

WAITING = 1000  #: lines that wait for a slow reader; beyond that they are dropped


def _one_line(text: str) -> str:
    """Control characters escaped: a newline in a URL must not forge a second line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class TextFormat(logging.Formatter):
    """`12:03:04 warning text`, tracebacks below it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{at} {record.levelname.lower():7} {_one_line(record.getMessage())}"
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        return line


class JsonFormat(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class _Dropping(logging.handlers.QueueHandler):
    """Hands lines to the writing thread; a full queue drops the line instead of waiting."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class _Writer(logging.Handler):
    """Writes to the descriptor itself, without a lock: one held by a write that never ends would hold up our exit."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        self.lock = None  # one thread alone writes

    def emit(self, record: logging.LogRecord) -> None:
        # A reader that went away (EPIPE) is not worth a traceback, and there is nobody to tell.
        with contextlib.suppress(OSError):
            os.write(self._descriptor, f"{self.format(record)}\n".encode(errors="backslashreplace"))


class Logs:
    """Sets the root logger up; `close` lets what waits be written, but not for longer than a second."""

    def __init__(
        self, level: str = "info", style: Literal["json", "text"] = "text", stream: TextIO | None = None
    ) -> None:
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(WAITING)
        writer = _Writer((stream or sys.stderr).fileno())
        self._writer = writer
        self._inlet = _Dropping(self._lines)
        logging.getLogger().handlers[:] = [self._inlet]
        self.adjust(level, style)
        # Its thread is a daemon: a reader that hangs cannot keep the process from ending.
        logging.handlers.QueueListener(self._lines, writer).start()

    def adjust(self, level: str, style: Literal["json", "text"]) -> None:
        """Another level or form from the next line on."""
        logging.getLogger().setLevel(level.upper())
        self._writer.setFormatter(JsonFormat() if style == "json" else TextFormat())

    def close(self) -> None:
        """Wait for the lines that were handed over, a second at most."""
        logging.getLogger().removeHandler(self._inlet)
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, 1.0)
