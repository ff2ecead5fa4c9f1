"""`headgate retention`: what is older than a time goes, whole months at once, the rest in bounded steps."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, delete, not_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cli.errors import CommandError
from cli.removal.removal import count, in_steps, refused, waiting
from contracts import first_id
from gateway.database.connection import sqlstate
from gateway.database.months import Month, older_table, partitions
from gateway.database.partitions import changing
from gateway.database.tables import applications, expirations, idempotency_keys, ownerships

# An id this old can no longer be under way to a commit (protocol, rule 10), by a wide margin.
YOUNGEST = timedelta(hours=1)
_LOCK_NOT_AVAILABLE = "55P03"
_TRIES = 20
_AT_ONCE = 1_000
_MUST_STAY = """
SELECT EXISTS (SELECT FROM {} WHERE id IN (SELECT unnest(ids) FROM outbox UNION ALL SELECT id FROM unpublishable))
"""


@dataclass(frozen=True)
class Table:
    """A partition that goes as a whole."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Plan:
    """What would go. ``rows`` are those outside the whole partitions, ``kept`` are old and still to be published."""

    before: datetime
    partitions: tuple[Table, ...]
    rows: int
    kept: int

    @property
    def total(self) -> int:
        return self.rows + sum(table.rows for table in self.partitions)

    @property
    def end(self) -> UUID:
        return first_id(self.before)

    def to_fields(self) -> dict[str, Any]:
        return asdict(self) | {"before": self.before.isoformat()}


def cutoff(*, keep_months: int, now: datetime) -> datetime:
    """So many months before this one stay."""
    return Month.of(now).later(-keep_months).begins


async def plan(engine: AsyncEngine, before: datetime) -> Plan:
    """Look, and change nothing; CommandError for a time that is too young."""
    if before > datetime.now(UTC) - YOUNGEST:
        raise CommandError(f"{before:%Y-%m-%d %H:%M} UTC is too young: what is removed must be an hour old at least")
    end = first_id(before)
    async with engine.connect() as connection:
        whole = [await _table(connection, name) for name in await _whole(connection, before)]
        rows, kept = await count(connection, *_old(end)), await count(connection, applications.c.id < end, _held())
        return Plan(before, tuple(whole), rows - sum(table.rows for table in whole), kept)


async def expire(engine: AsyncEngine, planned: Plan) -> AsyncIterator[int]:
    """Remove it; how many rows went with each step. To be repeated after a crash: what is gone is gone."""
    async with engine.connect() as connection:
        await connection.execute(insert(expirations).values(before=planned.end).on_conflict_do_nothing())
        whole = await _whole(connection, planned.before)
    for table in planned.partitions:
        if table.name in whole:
            await _drop(engine, table.name)
            yield table.rows
    async with engine.connect() as connection:
        for of_application in (idempotency_keys.c.application_id, ownerships.c.id):
            await _drop_left(connection, of_application, planned.end)
        async for removed in in_steps(connection, _old(planned.end)):
            yield removed


def _held() -> ColumnElement[bool]:
    """Still to be published, or set aside for a person to decide about (protocol, rule 9)."""
    return waiting() | refused()


def _old(end: UUID) -> list[ColumnElement[bool]]:
    return [applications.c.id < end, not_(_held())]


async def _whole(connection: AsyncConnection, before: datetime) -> Sequence[str]:
    """Partitions that are older as a whole and hold nothing that must stay."""
    found = await partitions(connection)
    names = [older_table(month) for month in found.older if month.begins <= before]
    names += [month.table for month in found.months if month.following.begins <= before]
    return [name for name in names if not await connection.scalar(text(_MUST_STAY.format(name)))]


async def _table(connection: AsyncConnection, name: str) -> Table:
    found = await connection.execute(
        text(f"SELECT count(*) AS rows, pg_total_relation_size('{name}') AS bytes FROM {name}")  # noqa: S608 -- our own
    )
    row = found.one()
    return Table(name, row.rows, row.bytes)


async def _drop_left(connection: AsyncConnection, id_: Column[UUID], end: UUID) -> None:
    """Rows about applications that are gone, their ids in this column. A repeated request is a new one then."""
    table, key = id_.table, tuple_(*id_.table.primary_key)
    gone = ~select(applications.c.id).where(applications.c.id == id_).exists()
    removed = _AT_ONCE
    while removed == _AT_ONCE:
        old = select(*table.primary_key).where(id_ < end, gone).limit(_AT_ONCE)
        removed = (await connection.execute(delete(table).where(key.in_(old)))).rowcount


async def _drop(engine: AsyncEngine, name: str) -> None:
    """Detach and drop in one transaction; the files go after its locks.

    PostgreSQL does not detach concurrently where there is a default partition, so this waits for the table's lock, each
    time for a moment only.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            async with changing(engine) as connection:
                await connection.execute(text(f"ALTER TABLE applications DETACH PARTITION {name}"))
                await connection.execute(text(f"DROP TABLE {name}"))
        except DBAPIError as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise
            if not tries_left:
                raise CommandError(f"{name} is being read all the time; run it again when that is over") from error
            await asyncio.sleep(0.5)
        else:
            return
