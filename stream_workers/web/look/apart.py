"""What reads a lot from Kafka, run apart from the worker's loop, which has to count meanwhile.

A record may have a hundred thousand headers, and each takes its time; in a thread of its own it takes the loop no turn.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Apart:
    """One thread, in which one work is done after the other: whoever looks, one reading at a time takes memory."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="apart")

    async def __call__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of work that shares no connection with this loop; it has a loop of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: asyncio.run(work()))
