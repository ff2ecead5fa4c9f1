"""The index that serves ``user_name__like``, where the server has the extension ``pg_trgm`` and lets us use it.

No revision of the schema: it is correct without, only slower, and the extension may be installed later.
"""

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

INDEX = "ix_applications_user_name_trgm"
_log = structlog.get_logger()


async def ensure_trigram_index(engine: AsyncEngine) -> bool:
    """Whether the index is there; builds it without blocking writers. Nothing happens where it is not possible."""
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await _has_applications(connection) or not await _has_extension(connection):
            return False
        await _drop_invalid(connection)
        await connection.execute(
            text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {INDEX} ON applications USING gin (user_name gin_trgm_ops)")
        )
        return True


async def _has_applications(connection: AsyncConnection) -> bool:
    return await connection.scalar(text("SELECT to_regclass('applications') IS NOT NULL")) is True


async def _has_extension(connection: AsyncConnection) -> bool:
    available = await connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"))
    if not available:
        return False
    try:
        await connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError as error:
        _log.info("pg_trgm is available, but this role may not create it", reason=str(error.orig))
        return False
    return True


async def _drop_invalid(connection: AsyncConnection) -> None:
    """An interrupted concurrent build leaves an index that is kept up to date and never used."""
    invalid = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if await connection.scalar(invalid, {"name": INDEX}):
        await connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"))
