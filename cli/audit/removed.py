"""Events without a row that are no drift: erased or expired on purpose, or of a row that is not committed yet."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit.reach import stored
from cli.audit.sides import Entry, Kind
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


async def named(
    connection: AsyncConnection, pages: AsyncIterator[Sequence[Entry]], *, settled: int
) -> AsyncIterator[Sequence[Entry]]:
    """The same pages, with events of erased applications named as such: asked page by page, in constant memory.

    So are those from the id ``settled`` on that have no row: it may be committed after this connection's snapshot.
    """
    look = await any_erased(connection)
    async for page in pages:
        ids = [UUID(int=entry.id) for entry in page if entry.kind == "application"]
        gone = await _erased(connection, ids) if look else set()
        new = [id_ for id_ in ids if id_.int >= settled]
        young = set(new) - await stored(connection, new)
        kinds: dict[int, Kind] = {id_.int: "young" for id_ in young}
        kinds.update(dict.fromkeys((id_.int for id_ in gone), "erased"))
        yield [replace(entry, kind=kinds.get(entry.id, entry.kind)) for entry in page] if kinds else page


async def _erased(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    return set((await connection.execute(_AMONG, {"ids": ids})).scalars()) if ids else set()
