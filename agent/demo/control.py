"""How another terminal reaches the running demo: a Unix socket in `.demo`, one line each way.

The question is `break WHAT` or `mend WHAT`; the answer is an exit code and a sentence, sent once it is really so.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

OK, NOT_DONE, UNKNOWN, NO_DEMO = 0, 1, 64, 69  #: exit codes of the command, as everywhere in Outrider
#: What can be broken, with its key in the demo's terminal.
KEYS = {"postgres": "p", "private": "i", "redis": "r", "service": "s", "memory": "m", "upstream": "u", "slo": "o"}
#: Other names: the database is the same for all replicas, so its end is the fault that is shared.
ALSO = {"shared": "postgres"}
THERE_ARE = "there are shared (or postgres), private, redis, service, memory, upstream, slo"
_LINE_LIMIT = 1024  # bytes
_ASK_SECONDS = 5.0  # a client that says nothing is dropped
_ANSWER_SECONDS = 60.0  # a database may take a while to start again

Answer = tuple[int, str]
Obey = Callable[[str, str], Awaitable[Answer]]


@asynccontextmanager
async def listening(path: Path, obey: Obey) -> AsyncIterator[None]:
    """Take orders on `path`, which only the user may open: `obey(verb, what)` answers with exit code and sentence."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            serving.add(task)
            task.add_done_callback(serving.discard)
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                line = await reader.readline()
            code, sentence = await _obeyed(line, obey)
            writer.write(f"{code} {sentence}\n".encode())
            await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # the other end left, or talked nonsense: its loss
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(serve, path, limit=_LINE_LIMIT)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - a moment, at the very end


async def _obeyed(line: bytes, obey: Obey) -> Answer:
    match line.decode("utf-8", "replace").split():
        case [("break" | "mend") as verb, what]:
            return await obey(verb, what)
        case _:
            return UNKNOWN, "say: break WHAT, or mend WHAT"


def named(what: str) -> str | None:
    """The name among KEYS of what somebody calls `what`; None when there is nothing called so."""
    name = ALSO.get(what, what)
    return name if name in KEYS else None


def ask(path: Path, verb: str, what: str) -> Answer:
    """Give the demo that listens on `path` one order; exit code and sentence for the user."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(str(path))
        except OSError:
            return NO_DEMO, f"no demo runs in this folder (nothing listens on {path}); start one: outrider demo"
        with suppress(OSError):
            connection.sendall(f"{verb} {what}\n".encode())
            answer = connection.makefile(encoding="utf-8").readline()
            code, _, sentence = answer.partition(" ")
            if code.isdecimal():
                return int(code), sentence.strip()
    return NO_DEMO, "the demo ended before it answered"


def runs(path: Path) -> bool:
    """Whether a demo listens on `path`."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True
