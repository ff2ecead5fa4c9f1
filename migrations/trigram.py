"""The index that serves ``user_name__like``, where the server has the extension ``pg_trgm`` and lets us use it.

No revision of the schema: it is correct without, only slower, and the extension may be installed later.
"""

from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

INDEX = "ix_applications_user_name_trgm"

_PLACE = text(
    "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace "
    "WHERE extname = 'pg_trgm'"
)
# Partitions without a part of the index; those attached later bring one along.
_WITHOUT = text("""
SELECT part.relname FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
WHERE inhparent = to_regclass('applications') AND NOT EXISTS (
    SELECT FROM pg_index JOIN pg_inherits AS attached ON attached.inhrelid = indexrelid
    WHERE indrelid = part.oid AND attached.inhparent = to_regclass(:name)
)
ORDER BY part.relname
""")


async def ensure_trigram_index(engine: AsyncEngine, tell: Callable[[str], None]) -> bool:
    """Whether the index is there; builds it without blocking writers. Where it is not possible, why is told."""
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await _has_applications(connection) or not (columns := await _columns(connection, tell)):
            return False
        if not await _is_partitioned(connection):
            await _build(connection, INDEX, f"applications {columns}")
            return True
        # A partitioned index cannot be built concurrently: it becomes valid with the last part that is attached to it.
        await connection.execute(text(f"CREATE INDEX IF NOT EXISTS {INDEX} ON ONLY applications {columns}"))
        for table in (await connection.execute(_WITHOUT, {"name": INDEX})).scalars().all():
            await _build(connection, f"ix_{table}_user_name_trgm", f"{table} {columns}")
            await connection.execute(text(f"ALTER INDEX {INDEX} ATTACH PARTITION ix_{table}_user_name_trgm"))
        return True


async def _build(connection: AsyncConnection, index: str, where: str) -> None:
    await _drop_invalid(connection, index)
    await connection.execute(text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {where}"))


async def _is_partitioned(connection: AsyncConnection) -> bool:
    kind = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('applications')")
    return await connection.scalar(kind) is True


async def _has_applications(connection: AsyncConnection) -> bool:
    return await connection.scalar(text("SELECT to_regclass('applications') IS NOT NULL")) is True


async def _columns(connection: AsyncConnection, tell: Callable[[str], None]) -> str | None:
    """With the schema that the extension is in, ours or where a managed service put it. None, and told, without it."""
    if await connection.scalar(_PLACE) is None:
        try:
            await connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        except DBAPIError as error:
            tell(f"without pg_trgm, user_name__like reads every name: {error.orig}")
            return None
    return f"USING gin (user_name {await connection.scalar(_PLACE)}.gin_trgm_ops)"


async def _drop_invalid(connection: AsyncConnection, index: str) -> None:
    """An interrupted concurrent build leaves an index that is kept up to date and never used."""
    invalid = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if await connection.scalar(invalid, {"name": index}):
        await connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {index}"))
