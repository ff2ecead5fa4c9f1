"""A quiet look every few hours whether the months ahead are there, by every gateway at a time of its own.

It is a convenience: without it `headgate migrate` and `headgate retention` make them, and rows without a month are
stored all the same. So whatever fails here is logged and tried again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.partitions import months_ahead

_PAUSE_SECONDS = 4 * 3600.0
_RETRY_SECONDS = 600.0


async def run(
    engine: AsyncEngine,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Look for ever. The first look comes within minutes, not at the start: many gateways may start at once."""
    pause = _RETRY_SECONDS / 2
    while True:
        await sleep(pause * (0.5 + jitter()))
        pause = _PAUSE_SECONDS if await months_ahead(engine) else _RETRY_SECONDS
