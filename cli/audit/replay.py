"""`headgate replay`: publish from PostgreSQL again, what is missing from the topic or what is wanted once more."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO, cast
from uuid import UUID

from aiokafka import AIOKafkaProducer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit import sides
from cli.audit.audit import LAST, within
from cli.audit.compare import RANGES_AT_ONCE, Pages, Ranges, look_closer, sum_up
from cli.audit.reach import reach_of
from cli.audit.sides import Entry
from cli.errors import CommandError
from cli.finish import Report
from contracts import REPLAYED_HEADER, Stored, Topics, first_id, last_id, milliseconds_of, to_headers, to_key, value_of
from gateway.database.tables import applications, outbox
from runtime.kafka.clients import Kafka
from stream_workers.kafka.reader import bounds

# Younger applications may still be under way: their commit may be open, or the gateway is about to publish them.
OPEN_FOR = timedelta(seconds=60)
PAGE = 1_000


@dataclass(frozen=True)
class Choice:
    """Which applications: by id, or by the time of acceptance, [since, until]."""

    ids: Sequence[UUID] = ()
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None

    def closed_until(self, now: datetime) -> "Choice":
        """The same without what may still be under way."""
        return replace(self, until=min(self.until or now, now - OPEN_FOR))

    def range(self) -> tuple[int, int]:
        """The first and the last id that it may have; a range by time does not bound ids that are named."""
        first = max(first_id(self.since).int if self.since else 0, self.after.int + 1 if self.after else 0)
        return first, LAST if self.ids or self.until is None else max(first, last_id(self.until).int)


@dataclass(frozen=True)
class Missing:
    """How many were found missing, are held by a gateway's outbox, and are too old for the topic to tell."""

    count: int
    held: int
    untold: int


async def find_missing(
    connection: AsyncConnection,
    kafka: Kafka,
    topics: Topics,
    choice: Choice,
    into: IO[bytes],
    *,
    report: Report = lambda _done, _total: None,
) -> Missing:
    """Rows that no outbox holds and that are not on the topic, or only as replays; their ids go into a file, in order.

    As the audit does it, in bounded memory. The connection's snapshot is taken before the topic is read, so what no
    outbox holds in it is on the topic, if it ever was.
    """
    oldest_held, held = await sides.held(connection)
    if choice.ids and (refused := await held_among(connection, choice.ids)):
        raise CommandError(f"{min(refused)} is in a gateway's outbox: the gateway publishes it by itself")
    first, last = choice.range()
    last = last if oldest_held is None else max(first, min(last, oldest_held - 1))
    stretches = await bounds(kafka, topics.applications)
    reach = await reach_of(connection, kafka, topics, stretches)
    ranges, count = Ranges(first, last), 0

    total = sum(end - start for start, end in stretches.values())

    def events() -> Pages:
        return _by_id(_reported(sides.events(kafka, topics, stretches, reach), report, total))

    def rows(low: int, high: int) -> Pages:
        return _by_id(sides.told(pages(connection, choice, first=low, last=high), reach))

    counts = await sum_up(rows(first, last), events, ranges, held)
    different = ranges.differing()
    for start in range(0, len(different), RANGES_AT_ONCE):
        group, absent = different[start : start + RANGES_AT_ONCE], _Absent()
        await look_closer([rows(low, high) for low, high in group], within(events(), group), held, absent.note)
        into.write(b"".join(id_.to_bytes(16) for id_ in sorted(absent.ids)))
        count += len(absent.ids)
    return Missing(count, held=sum(first <= id_ <= last for id_ in held), untold=counts.untold)


async def _reported(
    pages: AsyncIterator[Sequence[Entry]], report: Report, total: int
) -> AsyncIterator[Sequence[Entry]]:
    """Each pass over the topic from its beginning to its end."""
    done = 0
    async for page in pages:
        done += len(page)
        report(done, total)
        yield page


@dataclass
class _Absent:
    ids: list[int] = field(default_factory=list)

    def note(self, what: str, id_: int) -> None:
        if what == "missing":
            self.ids.append(id_)


async def _by_id(pages: AsyncIterator[Sequence[Entry]]) -> Pages:
    """Whatever it says, an event with the row's id is there."""
    async for page in pages:
        yield [replace(entry, digest=entry.id % (1 << 64)) for entry in page]


async def publish(
    kafka: Kafka, topics: Topics, rows: AsyncIterator[Sequence[Stored]], *, again: bool, rate: float
) -> AsyncIterator[Sequence[Stored]]:
    """Publish rows in order, ``rate`` a second at most (0: any); yields them once Kafka has them."""
    producer = kafka.producer(acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    started, done = time.monotonic(), 0
    try:
        async for page in rows:
            for part in _parts(page, max(1, int(rate)) if rate else PAGE):
                for answer in [await _send(producer, topics, row, again=again) for row in part]:
                    await answer
                done += len(part)
                yield part
                if rate:
                    await asyncio.sleep(max(0.0, started + done / rate - time.monotonic()))
    finally:
        await producer.stop()


def _parts(page: Sequence[Stored], size: int) -> Iterator[Sequence[Stored]]:
    return (page[start : start + size] for start in range(0, len(page), size))


async def _send(producer: AIOKafkaProducer, topics: Topics, row: Stored, *, again: bool) -> "asyncio.Future[object]":
    """As the gateway writes it, the time included: what is said again today was accepted when it was."""
    headers = to_headers(id=row.id, created_at=row.created_at)
    if again:
        headers.append((REPLAYED_HEADER, b"1"))
    sent: asyncio.Future[object] = await producer.send(
        topics.applications,
        value_of(row),
        key=to_key(row.user_name),
        headers=headers,
        timestamp_ms=milliseconds_of(row.id),
    )
    return sent


async def pages(
    connection: AsyncConnection, choice: Choice, *, first: int, last: int
) -> AsyncIterator[Sequence[Stored]]:
    """The chosen rows of [first, last] in the order of their ids, page by page."""
    table = applications.c
    query = select(applications).where(table.id <= UUID(int=last)).order_by(table.id).limit(PAGE)
    query = query.where(table.id.in_(choice.ids)) if choice.ids else query
    begin = table.id >= UUID(int=first)
    while page := (await connection.execute(query.where(begin))).all():
        yield cast("Sequence[Stored]", page)
        begin = table.id > page[-1].id


async def found_rows(connection: AsyncConnection, ids: IO[bytes]) -> AsyncIterator[Sequence[Stored]]:
    """The rows of ids in a file; one that was removed since is left out."""
    ids.seek(0)
    while page := ids.read(16 * PAGE):
        wanted = [UUID(bytes=page[at : at + 16]) for at in range(0, len(page), 16)]
        found = await connection.execute(select(applications).where(applications.c.id.in_(wanted)).order_by("id"))
        yield cast("Sequence[Stored]", found.all())


async def not_held(
    connection: AsyncConnection, rows: AsyncIterator[Sequence[Stored]]
) -> AsyncIterator[Sequence[Stored]]:
    """Without what an outbox holds: a replay beside it would stand for the event that is still to come."""
    async for page in rows:
        held = await held_among(connection, [row.id for row in page])
        yield [row for row in page if row.id not in held]


async def held_among(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Those that some outbox holds."""
    held = select(func.unnest(outbox.c.ids).label("id")).where(outbox.c.ids.overlap(ids)).subquery()
    found = await connection.execute(select(held.c.id).where(held.c.id.in_(ids)))
    return set(found.scalars())


async def count_of(connection: AsyncConnection, choice: Choice) -> int:
    """How many rows are chosen."""
    first, last = choice.range()
    table = applications.c
    query = select(func.count()).where(table.id.between(UUID(int=first), UUID(int=last)))
    query = query.where(table.id.in_(choice.ids)) if choice.ids else query
    return int((await connection.execute(query)).scalar_one())
