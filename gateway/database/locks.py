"""A lock that one holder in the whole database has: a transaction's, which a pooler keeps together, not a session's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


@asynccontextmanager
async def locked(engine: AsyncEngine, number: int) -> AsyncIterator[bool]:
    """Whether this block alone has the lock while it lasts; nobody is waited for.

    The transaction is idle meanwhile: it holds no snapshot that a vacuum or an index built beside it would wait for.
    """
    async with engine.execution_options(isolation_level="READ COMMITTED").begin() as guard:
        await guard.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield bool(await guard.scalar(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number}))
