"""Whether somebody holds up the loop: the longest of its turns."""

import asyncio
import gc
import time
from collections.abc import Coroutine
from typing import Any


async def longest_turn(work: Coroutine[Any, Any, Any]) -> tuple[Any, float]:
    """The result of `work`, and the longest turn of the loop meanwhile, in seconds of processor of this thread.

    What other processes take does not count, nor does a collection of all that a long run of tests has left.
    """
    gc.disable()
    try:
        task, longest = asyncio.create_task(work), 0.0
        while not task.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)
        return await task, longest
    finally:
        gc.enable()
