"""What was removed from PostgreSQL on purpose: how far retention has come, and which events belong to erased rows."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit.sides import Entry
from gateway.database.tables import erasures, expirations

_AMONG = text("SELECT id FROM erasures WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(UUID_TYPE(as_uuid=True)))
)


async def expired_before(connection: AsyncConnection) -> int:
    """The id below which rows were removed by age; 0 if never."""
    before = await connection.scalar(select(expirations.c.before).order_by(expirations.c.before.desc()).limit(1))
    return before.int if before else 0


async def any_erased(connection: AsyncConnection) -> bool:
    """Whether anybody was ever erased."""
    return bool(await connection.scalar(select(func.count()).select_from(select(erasures.c.id).limit(1).subquery())))


async def named(connection: AsyncConnection, pages: AsyncIterator[Sequence[Entry]]) -> AsyncIterator[Sequence[Entry]]:
    """The same pages, with events of erased applications named as such: asked page by page, in constant memory."""
    look = await any_erased(connection)
    async for page in pages:
        ids = [UUID(int=entry.id) for entry in page if entry.kind == "application"] if look else []
        gone = {id_.int for id_ in (await connection.execute(_AMONG, {"ids": ids})).scalars()} if ids else set()
        yield [replace(entry, kind="erased") if entry.id in gone else entry for entry in page] if gone else page
