"""What reads a lot from Kafka, run apart from the worker's loop, which has to count meanwhile.

A record may have a hundred thousand headers, and each takes its time; in a thread of its own it takes the loop no turn.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The outcome of work that shares no connection with this loop; it has one of its own, in a thread."""
    return await asyncio.to_thread(lambda: asyncio.run(work()))
