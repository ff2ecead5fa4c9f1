"""Idempotency keys whose time is over are deleted, in bounded steps, about once a minute.

Until then they count as free, so nothing depends on when this happens. Gateways may do it at once: locked rows are
skipped, so none of them waits for another or for a commit that claims a key anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.connection import DATABASE_ERRORS
from gateway.database.tables import idempotency_keys

log = logging.getLogger(__name__)

STEP = 1_000
_PAUSE_SECONDS = 60.0

_KEY = (idempotency_keys.c.client, idempotency_keys.c.key)


async def sweep(engine: AsyncEngine, *, step: int = STEP) -> int:
    """Delete at most ``step`` keys that have run out; how many."""
    expired = (
        select(*_KEY).where(idempotency_keys.c.expires_at < func.now()).limit(step).with_for_update(skip_locked=True)
    )
    async with engine.connect() as connection:
        result = await connection.execute(delete(idempotency_keys).where(tuple_(*_KEY).in_(expired)))
        return result.rowcount


async def run(engine: AsyncEngine, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Sweep for ever; full steps follow each other at once. A database that is away is tried again later."""
    while True:
        try:
            if await sweep(engine) == STEP:
                continue
        except DATABASE_ERRORS as error:
            log.info("Old idempotency keys stay for now: %s", error)
        await sleep(_PAUSE_SECONDS)
