"""TCP servers that play a script, for what no real server does on demand; and waiting without sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

PATIENCE = 60.0  # seconds for something to happen on a busy machine


async def eventually(condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Wait until the condition holds; fail when it does not within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def stub(play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], ssl=None):
    """A TCP server on 127.0.0.1 that plays a script to every client; gives its port, ends with all its clients."""
    playing: set[asyncio.Task[None]] = set()

    async def serve(reader, writer):
        task = asyncio.current_task()
        playing.add(task)
        try:
            await play(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            playing.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(playing):
            task.cancel()
        if playing:
            await asyncio.wait(playing)
        await server.wait_closed()


async def silence(reader: asyncio.StreamReader) -> None:
    """Read and say nothing until the client goes away."""
    while await reader.read(65536):
        pass


async def flood(writer: asyncio.StreamWriter, total: int = 1 << 30) -> int:
    """Send up to 1 GiB; how much the client let through before it closed."""
    block, sent = b"\x01" * 262144, 0
    try:
        while sent < total:
            writer.write(block)
            sent += len(block)
            await writer.drain()
    except OSError:
        pass
    return sent
