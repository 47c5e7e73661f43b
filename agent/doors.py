"""The listeners that are open, by the setting that wants them; a reload opens the new before it closes the old."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from agent.sockets import CannotListen
from config.errors import ConfigError, Problem
from config.types import ListenAddress

#: Where to listen, and what listens there when entered.
Door = tuple[ListenAddress, Callable[[ListenAddress], AbstractAsyncContextManager[Any]]]


class Doors:
    """Opens and closes listeners. Two that want the same address need no restart."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[ListenAddress, AsyncExitStack]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def open_at(self) -> Mapping[str, ListenAddress]:
        """Setting -> address, of what is open."""
        return {name: address for name, (address, _) in self._open.items()}

    async def swap(self, wanted: Mapping[str, Door]) -> list[str]:
        """Have exactly these open; returns what changed, in sentences.

        Raises ConfigError when an address is not to be had; then everything is as it was before.
        """
        opened: dict[str, tuple[ListenAddress, AsyncExitStack]] = {}
        try:
            for name, (address, listen) in wanted.items():
                if name in self._open and self._open[name][0] == address:
                    continue
                stack = AsyncExitStack()
                await stack.enter_async_context(listen(address))
                opened[name] = (address, stack)
        except CannotListen as error:
            for _, stack in opened.values():
                await stack.aclose()
            raise ConfigError((Problem("", str(error)),)) from None
        leaving = [name for name in self._open if name in opened or name not in wanted]
        for name in leaving:
            self._close_soon(self._open.pop(name)[1])
        self._open |= opened
        closed = [f"{name} closed" for name in leaving if name not in opened]
        return [f"{name} listens on {address}" for name, (address, _) in opened.items()] + closed

    async def aclose(self) -> None:
        """Close all."""
        while self._open:
            self._close_soon(self._open.popitem()[1][1])
        if self._closing:
            await asyncio.wait(self._closing)

    def _close_soon(self, stack: AsyncExitStack) -> None:
        """Closing waits for the answers on their way, and one of them may be to the request that moves the listener."""
        task = asyncio.create_task(stack.aclose(), name="close a listener")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
