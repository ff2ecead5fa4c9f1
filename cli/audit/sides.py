"""The two sides as the audit sees them: pages of (id, digest of the values), in one pass and bounded memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit.reach import Reach
from contracts import Stored, Topics, UndecodableError, from_record, is_replay, value_of
from gateway.database.tables import applications, outbox, unpublishable
from runtime.kafka.clients import Kafka
from stream_workers.kafka.reader import batches

Kind = Literal["application", "dead", "replayed", "erased", "young", "untold"]

PAGE = 5_000
HELD_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One application on one side.

    ``dead`` is a record that does not decode (its id is 0), ``young`` an event whose row may not be committed yet, and
    ``untold`` what is older than the topic's memory of its partition.
    """

    id: int
    digest: int
    kind: Kind = "application"


_DEAD = Entry(0, 0, "dead")


def digest(stored: Stored) -> int:
    """64 bits of all fields, in their one canonical spelling: how a record spells them does not matter."""
    return int.from_bytes(blake2b(value_of(stored), digest_size=8).digest())


async def rows(connection: AsyncConnection, first: UUID, last: UUID, reach: Reach) -> AsyncIterator[Sequence[Entry]]:
    """The rows of [first, last] in order of their ids."""
    table, after = applications.c, None
    query = select(applications).order_by(table.id).limit(PAGE)
    while True:
        begin = table.id >= first if after is None else table.id > after
        page: Sequence[Any] = (await connection.execute(query.where(begin, table.id <= last))).all()
        if not page:
            return
        yield _entries(page, reach)
        after = page[-1].id


async def told(pages: AsyncIterator[Sequence[Stored]], reach: Reach) -> AsyncIterator[Sequence[Entry]]:
    """Other rows in the same form."""
    async for page in pages:
        yield _entries(page, reach)


def _entries(page: Sequence[Stored], reach: Reach) -> list[Entry]:
    return [Entry(row.id.int, digest(row), _kind(row, reach)) for row in page]


async def events(
    kafka: Kafka, topics: Topics, stretches: Mapping[int, tuple[int, int]], reach: Reach
) -> AsyncIterator[Sequence[Entry]]:
    """Every record of the topic's stretches, in batches of one partition."""
    async for records in batches(kafka, topics.applications, stretches, at_most=PAGE):
        yield [_entry(record.value, record.headers, reach) for record in records]


def _entry(value: bytes | None, headers: Sequence[tuple[str, bytes]], reach: Reach) -> Entry:
    try:
        event = from_record(value, headers)
    except UndecodableError:
        return _DEAD
    return Entry(event.id.int, digest(event), "replayed" if is_replay(headers) else _kind(event, reach))


def _kind(application: Stored, reach: Reach) -> Kind:
    return "application" if reach.tells(application.id.int, application.user_name) else "untold"


async def oldest(connection: AsyncConnection) -> UUID | None:
    """The first row's id."""
    return await connection.scalar(select(applications.c.id).order_by(applications.c.id).limit(1))


async def held(connection: AsyncConnection) -> tuple[int | None, set[int]]:
    """What an outbox still holds: on the topic or not, nobody can say yet.

    Of a long backlog only the oldest id (else None): what was accepted before it can be judged in bounded memory.
    """
    ids = select(func.unnest(outbox.c.ids).label("id")).subquery()
    count = (await connection.execute(select(func.count()).select_from(ids))).scalar_one()
    if count > HELD_MAX:
        oldest = select(ids.c.id).order_by(ids.c.id).limit(1)
        return (await connection.execute(oldest)).scalar_one().int, set()
    return None, {id_.int for id_ in (await connection.execute(select(ids.c.id))).scalars()}


async def refused(connection: AsyncConnection) -> set[int]:
    """What Kafka refuses for its content."""
    return {id_.int for id_ in (await connection.execute(select(unpublishable.c.id))).scalars()}
