"""The months of `applications`, made ahead of need. Safe to run from anywhere, also several times at once.

A month is built beside the table and then attached: that locks the default partition for a moment, and no writer needs
that one, because it holds only what no month was made for. Whoever cannot have the lock at once gives up and lets
the others pass.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.connection import DATABASE_ERRORS, first_line, sqlstate
from gateway.database.locks import locked
from gateway.database.months import Month, Partitions, older_table, partitions
from gateway.database.rights import INSUFFICIENT_PRIVILEGE
from gateway.database.tables import DEFAULT_PARTITION

log = logging.getLogger(__name__)

AHEAD = 2
# Up to here rows of a month are moved out of the default partition while it is locked: well below a second.
MOVE_MAX = 20_000
_LOCK_ID = 0x686561646D6F6E  # "headmon" in ASCII
_LOCK_TIMEOUT = "500ms"
_CHECK = "ck_applications_range"

# The indexes of a partition, each with the one of `applications` that it belongs to.
_INDEXES = text("""
SELECT child.relname, parent.relname
FROM pg_index x
JOIN pg_inherits i ON i.inhrelid = x.indexrelid
JOIN pg_class child ON child.oid = i.inhrelid
JOIN pg_class parent ON parent.oid = i.inhparent
WHERE x.indrelid = CAST(:table AS regclass)
ORDER BY child.relname
""")


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[bool]:
    """Whether nobody else makes or removes months, or erases rows, while the block lasts."""
    async with locked(engine, _LOCK_ID) as mine:
        yield mine


@asynccontextmanager
async def changing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that changes tables: it never makes others queue behind it for longer than a moment."""
    async with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        yield connection


async def make_months(engine: AsyncEngine, *, now: datetime | None = None, ahead: int = AHEAD) -> Sequence[str]:
    """Make what is missing up to ``ahead`` months from now; the names of the tables that were made.

    Nothing where another one is at it, or the table is not partitioned yet. Raises DBAPIError where a lock cannot be
    had at once or this role may not; what was made until then stays.
    """
    now = now or datetime.now(UTC)
    async with alone(engine) as mine:
        if not mine:
            return []
        async with engine.connect() as connection:
            found = await partitions(connection)
            if not found.partitioned:
                return []
            if await _crowded(connection, found, now):
                await _close(engine, found, now)
                found = await partitions(connection)
        made = []
        for month in found.missing(now, ahead):
            await _make(engine, month)
            made.append(month.table)
        return made


async def months_ahead(engine: AsyncEngine) -> bool:
    """Make them if that can be now; False: try again soon. Why not is logged: rows without a month are stored, too."""
    try:
        made = await make_months(engine)
    except DATABASE_ERRORS as error:
        if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            log.info("This role makes no months (%s): `headgate migrate` does, by one that may", first_line(error))
            return True
        log.warning("The months ahead could not be made, a gateway tries again later: %s", first_line(error))
        return False
    if made:
        log.info("Made %s", ", ".join(made))
    return True


async def _make(engine: AsyncEngine, month: Month) -> None:
    first, end = month.first, month.following.first
    async with changing(engine) as connection:
        await _build(connection, month.table)
        await _run(
            connection,
            f"LOCK TABLE {DEFAULT_PARTITION} IN ACCESS EXCLUSIVE MODE",
            _moving(DEFAULT_PARTITION, f"id >= '{first}' AND id < '{end}'", to=month.table),
            f"ALTER TABLE applications ATTACH PARTITION {month.table} FOR VALUES FROM ('{first}') TO ('{end}')",
        )
        await _name_indexes(connection, month.table)


async def _build(connection: AsyncConnection, table: str) -> None:
    """A table like `applications`, its indexes under names that PostgreSQL finds, until it is attached."""
    what = "INCLUDING COMMENTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE"
    await _run(connection, f"CREATE TABLE {table} (LIKE applications {what})")


async def _name_indexes(connection: AsyncConnection, table: str) -> None:
    """Each index of a partition is called as its parent's, with the partition's name in place of the table's."""
    for index, parent in (await connection.execute(_INDEXES, {"table": table})).all():
        name = parent.replace("applications", table, 1)
        if index != name:
            await _run(connection, f"ALTER INDEX {index} RENAME TO {name}")


def _moving(table: str, which: str, *, to: str) -> str:
    return f"WITH moved AS (DELETE FROM {table} WHERE {which} RETURNING *) INSERT INTO {to} SELECT * FROM moved"


async def _run(connection: AsyncConnection, *statements: str) -> None:
    for statement in statements:
        await connection.execute(text(statement))


async def _crowded(connection: AsyncConnection, found: Partitions, now: datetime) -> bool:
    """Whether months passed without anybody making them, and what came meanwhile is too much to be moved at once."""
    first, end = _gap(found, now)
    rows = f"SELECT FROM {DEFAULT_PARTITION} WHERE id >= '{first}' AND id < '{end}' LIMIT {MOVE_MAX + 1}"
    return int(await connection.scalar(text(f"SELECT count(*) FROM ({rows})")) or 0) > MOVE_MAX


async def _close(engine: AsyncEngine, found: Partitions, now: datetime) -> None:
    """Make the full default partition one for all that was missed, and this month; an empty one takes its place.

    Its rows are read beforehand, while others go on writing, so that attaching it need not.
    """
    first, end = _gap(found, now)
    table, inside = older_table(_end(now)), f"id >= '{first}' AND id < '{end}'"
    await _promise(engine, inside)
    async with changing(engine) as connection:
        await _run(
            connection,
            f"ALTER TABLE applications DETACH PARTITION {DEFAULT_PARTITION}",
            f"ALTER TABLE {DEFAULT_PARTITION} RENAME TO {table}",
        )
        await _build(connection, DEFAULT_PARTITION)
        await _run(
            connection,
            f"ALTER TABLE applications ATTACH PARTITION {DEFAULT_PARTITION} DEFAULT",
            _moving(table, f"NOT ({inside})", to=DEFAULT_PARTITION),
            f"ALTER TABLE applications ATTACH PARTITION {table} FOR VALUES FROM ('{first}') TO ('{end}')",
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {_CHECK}",
        )
        # In this order: the new one takes the names of the old, and those that version 0.1.0 left with older ones.
        for attached in (*map(older_table, found.older), table, DEFAULT_PARTITION):
            await _name_indexes(connection, attached)
    log.warning("Months were missing: what came meanwhile is now in %s", table)


async def _promise(engine: AsyncEngine, inside: str) -> None:
    """Let PostgreSQL read every row and know that it is inside; not where some are outside, which must move first."""
    async with changing(engine) as connection:
        if await connection.scalar(text(f"SELECT EXISTS (SELECT FROM {DEFAULT_PARTITION} WHERE NOT ({inside}))")):
            return
        await _run(
            connection,
            f"ALTER TABLE {DEFAULT_PARTITION} DROP CONSTRAINT IF EXISTS {_CHECK}",
            f"ALTER TABLE {DEFAULT_PARTITION} ADD CONSTRAINT {_CHECK} CHECK ({inside}) NOT VALID",
        )
    async with changing(engine) as connection:
        await _run(connection, f"ALTER TABLE {DEFAULT_PARTITION} VALIDATE CONSTRAINT {_CHECK}")


def _gap(found: Partitions, now: datetime) -> tuple[UUID, UUID]:
    """The ids from the last partition's end to the end of what may be written while we look."""
    return found.end.first if found.end else UUID(int=0), _end(now).first


def _end(now: datetime) -> Month:
    return Month.of(now + timedelta(days=1)).following
