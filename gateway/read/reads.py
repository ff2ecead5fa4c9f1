"""What PostgreSQL holds, read back: one application, or a page of them. Bounded in rows, in depth and in time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import Row, Select, func, literal, select, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts import value_of
from gateway.database.connection import DATABASE_ERRORS, STATEMENT_SECONDS, sqlstate
from gateway.database.tables import applications
from gateway.problems.errors import DatabaseAwayError, SearchTooBroadError
from gateway.read import cursor
from gateway.read.replica import Replica
from gateway.read.search import Search

log = logging.getLogger(__name__)

# Up to here `total` is counted; beyond it says "at least". Counting so many costs as much as reading a page.
COUNT_MAX = 10_000

# The database's own limit is shorter; this one is for a database that says nothing at all.
_READ_SECONDS = STATEMENT_SECONDS + 1.5
_QUERY_CANCELED = "57014"

Relation = Literal["exact", "at_least"]
Application = Row[Any]

_Answer = TypeVar("_Answer")

_FIELDS = select(applications)


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``next_cursor`` continues after it and is None at the end."""

    items: Sequence[Application]
    total: int
    relation: Relation
    next_cursor: str | None


async def read_one(engine: AsyncEngine, id: UUID, replica: Replica | None = None) -> bytes | None:  # noqa: A002 -- the field's name
    """The application as its 201 showed it, byte for byte; None if there is none.

    What the replica has not got yet the primary is asked for: whoever was answered 201 finds it.
    """

    async def read(connection: AsyncConnection) -> bytes | None:
        row = (await connection.execute(_FIELDS.where(applications.c.id == id))).one_or_none()
        return None if row is None else value_of(row)

    return await _first_of(engine, replica, read)


async def read_page(engine: AsyncEngine, search: Search, replica: Replica | None = None) -> Page:
    """The page that ``search`` asks for, as the replica shows it while that is usable.

    CursorInvalidError, SearchTooBroadError, DatabaseAwayError.
    """
    after = cursor.decode(search.cursor, search.filters()) if search.cursor is not None else None

    async def read(connection: AsyncConnection) -> Page:
        rows = (await connection.execute(_page(search, after))).all()
        items = rows[: search.size]
        following = cursor.encode(items[-1].id, search.filters()) if len(rows) > search.size else None
        total, relation = await _total(connection, search, rows)
        return Page(items, total, relation, following)

    return await _first_of(engine, replica, read)


def _page(search: Search, after: UUID | None) -> Select[Any]:
    """One row more than the page has: it tells whether anything follows.

    What an offset skips is skipped in the index; only the rows of the page itself are fetched, each from its month: the
    limit keeps the planner from joining whole partitions, which it would for the sake of so few rows in each.
    """
    id_ = applications.c.id
    order = id_.desc() if search.newest_first else id_.asc()
    ids = select(id_).where(*search.conditions()).order_by(order).limit(search.size + 1)
    if after is not None:
        ids = ids.where(id_ < after if search.newest_first else id_ > after)
    elif search.offset:
        ids = ids.offset(search.offset)
    page = ids.subquery("page")
    row = _FIELDS.where(id_ == page.c.id).limit(1).lateral("row")
    return select(*row.c).join_from(page, row, true()).order_by(page.c.id.desc() if search.newest_first else page.c.id)


async def _total(connection: AsyncConnection, search: Search, rows: Sequence[Application]) -> tuple[int, Relation]:
    seen = search.offset + len(rows)
    if search.cursor is None and len(rows) <= search.size and (rows or not search.offset):
        return seen, "exact"
    matching = select(literal(1)).select_from(applications).where(*search.conditions()).limit(COUNT_MAX + 1)
    try:
        counted = (await connection.execute(select(func.count()).select_from(matching.subquery()))).scalar_one()
    except DBAPIError as error:
        if sqlstate(error) != _QUERY_CANCELED:
            raise
        return seen, "at_least"
    return (counted, "exact") if counted <= COUNT_MAX else (max(COUNT_MAX, seen), "at_least")


async def _first_of(
    engine: AsyncEngine, replica: Replica | None, read: Callable[[AsyncConnection], Awaitable[_Answer]]
) -> _Answer:
    """The replica's answer where it has one, else the primary's."""
    answer = None if replica is None else await _of_replica(replica, read)
    return await _bounded(_connected(engine, read)) if answer is None else answer


async def _of_replica(replica: Replica, read: Callable[[AsyncConnection], Awaitable[_Answer]]) -> _Answer | None:
    """None where it has no answer: it is away or behind, breaks off, falls silent, or has not got it yet."""
    if not replica.usable:
        replica.reads["passed_over"] += 1
        return None
    try:
        answer = await _bounded(_connected(replica.engine, read), unless=replica.gone)
    except DatabaseAwayError as error:
        log.debug("The replica failed a read: %s", error)
        replica.reads["failed"] += 1
        return None
    replica.reads["missed" if answer is None else "answered"] += 1
    return answer


async def _connected(engine: AsyncEngine, read: Callable[[AsyncConnection], Awaitable[_Answer]]) -> _Answer:
    try:
        async with engine.connect() as connection:
            return await read(connection)
    except DATABASE_ERRORS as error:
        if sqlstate(error) == _QUERY_CANCELED:
            raise SearchTooBroadError(seconds=int(STATEMENT_SECONDS)) from error
        raise DatabaseAwayError(str(error), retry_after=2) from error


async def _bounded(read: Coroutine[Any, Any, _Answer], unless: asyncio.Future[None] | None = None) -> _Answer:
    """The read's answer, or DatabaseAwayError in time, or as soon as ``unless`` ends.

    Giving a silent connection back is left to the background.
    """
    task = asyncio.create_task(read)
    waited: set[asyncio.Future[Any]] = {task} if unless is None else {task, unless}
    await asyncio.wait(waited, timeout=_READ_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.add_done_callback(_forget)
        task.cancel()
        raise DatabaseAwayError("no answer to a read", retry_after=2)
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more; its error is not worth a word."""
    if not task.cancelled():
        task.exception()
