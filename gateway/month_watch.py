"""A quiet look every few hours whether the months ahead are there, by every gateway at a time of its own.

It is a convenience: without it `headgate migrate` and `headgate retention` make them, and rows without a month are
stored all the same. So whatever fails here is logged and tried again.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database import DATABASE_ERRORS
from gateway.partitions import make_months

log = logging.getLogger(__name__)

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
        try:
            made = await make_months(engine)
        except DATABASE_ERRORS as error:
            log.warning("The months ahead could not be made; trying again later: %s", str(error).splitlines()[0])
            pause = _RETRY_SECONDS
        else:
            pause = _PAUSE_SECONDS
            if made:
                log.info("Made %s", ", ".join(made))
