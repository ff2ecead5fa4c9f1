"""Rows removed in bounded steps, never one that is still to be published; a step that ran is a step that is done."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, TextClause, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cli.errors import CommandError
from gateway.database.connection import open_engine
from gateway.database.partitions import alone
from gateway.database.tables import applications, outbox, unpublishable
from gateway.settings import Settings

STEP = 1_000
# Between two steps: the write path has the disk to itself for most of the time.
PAUSE_SECONDS = 0.05

# An idempotency key goes with its application: who repeats the request would wait for an answer that is gone.
IDS = bindparam("ids", type_=ARRAY(UUID_TYPE(as_uuid=True)))
REMOVE = text("""
WITH keys AS (DELETE FROM idempotency_keys WHERE application_id = ANY(:ids)),
     owned AS (DELETE FROM ownerships WHERE id = ANY(:ids))
DELETE FROM applications WHERE id = ANY(:ids)
""").bindparams(IDS)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose statements are transactions of their own."""
    engine = open_engine(settings.postgresql, isolation_level="AUTOCOMMIT")
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def only_one(engine: AsyncEngine) -> AsyncIterator[None]:
    """CommandError where another one removes rows or makes months at this moment."""
    async with alone(engine) as mine:
        if not mine:
            raise CommandError("another `headgate` removes rows or makes months right now; try again when it is done")
        yield


def waiting() -> ColumnElement[bool]:
    """Whether some outbox still holds an application."""
    ids = select(func.unnest(outbox.c.ids).label("id")).subquery()
    return select(ids.c.id).where(ids.c.id == applications.c.id).exists()


def refused() -> ColumnElement[bool]:
    """Whether it was set aside, because Kafka refuses it for its content."""
    return select(unpublishable.c.id).where(unpublishable.c.id == applications.c.id).exists()


async def count(connection: AsyncConnection, *which: ColumnElement[bool]) -> int:
    """How many applications there are of which this is true."""
    return (await connection.execute(select(func.count()).select_from(applications).where(*which))).scalar_one()


async def in_steps(
    connection: AsyncConnection,
    which: Sequence[ColumnElement[bool]],
    *,
    removing: TextClause = REMOVE,
    step: int = STEP,
    pause: float = PAUSE_SECONDS,
) -> AsyncIterator[int]:
    """Remove the applications of which this is true, oldest first; how many went with each step."""
    query = select(applications.c.id).where(*which).order_by(applications.c.id).limit(step)
    after = UUID(int=0)
    while ids := list((await connection.execute(query.where(applications.c.id > after))).scalars()):
        yield (await connection.execute(removing, {"ids": ids})).rowcount
        after = ids[-1]
        await asyncio.sleep(pause)
