"""`headgate replay`: publish from PostgreSQL again, what is missing from the topic or what is wanted once more."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.errors import CommandError
from cli.finish import Report
from contracts import REPLAYED_HEADER, Stored, Topics, first_id, id_of, last_id, to_headers, to_key, value_of
from gateway.database.tables import applications, outbox
from stream_workers.kafka.reader import batches, bounds

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

    def closed_until(self, now: datetime) -> datetime:
        """The end of the range in which nothing changes any more."""
        return min(self.until or now, now - OPEN_FOR)


@dataclass(frozen=True)
class Missing:
    """What `--missing` found: to be published, held by a gateway's outbox, and too old for the topic to tell."""

    rows: Sequence[Stored]
    held: int
    before_topic: int


async def find_missing(
    connection: AsyncConnection, bootstrap: str, topics: Topics, choice: Choice, *, now: datetime
) -> Missing:
    """Rows that are neither on the topic nor in an outbox; read before the topic is, so what is confirmed is on it."""
    until = choice.closed_until(now)
    rows = [row async for page in pages(connection, choice, until=until) for row in page]
    held = await held_ids(connection)
    if choice.ids and (refused := held & set(choice.ids)):
        raise CommandError(f"{min(refused)} is in a gateway's outbox: the gateway publishes it by itself")
    reach = await oldest_on_topic(bootstrap, topics)
    known = await ids_on_topic(bootstrap, topics, since=min((row.created_at for row in rows), default=until))
    old = [row for row in rows if reach is not None and row.created_at < reach]
    wanted = [row for row in rows if reach is None or row.created_at >= reach]
    return Missing(
        rows=[row for row in wanted if row.id not in known and row.id not in held],
        held=sum(row.id in held for row in wanted),
        before_topic=sum(row.id not in known for row in old),
    )


async def publish(
    bootstrap: str, topics: Topics, rows: Sequence[Stored], *, again: bool, rate: float, report: Report
) -> AsyncIterator[UUID]:
    """Publish rows in order, ``rate`` a second at most (0: any); yields the last id of each page once Kafka has it."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    started, done = time.monotonic(), 0
    try:
        step = max(1, min(PAGE, int(rate) or PAGE))
        for start in range(0, len(rows), step):
            page = rows[start : start + step]
            for answer in [await _send(producer, topics, row, again=again) for row in page]:
                await answer
            done += len(page)
            report(done, len(rows))
            yield page[-1].id
            if rate:
                await asyncio.sleep(max(0.0, started + done / rate - time.monotonic()))
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, topics: Topics, row: Stored, *, again: bool) -> "asyncio.Future[object]":
    headers = to_headers(id=row.id, created_at=row.created_at)
    if again:
        headers.append((REPLAYED_HEADER, b"1"))
    sent: asyncio.Future[object] = await producer.send(
        topics.applications, value_of(row), key=to_key(row.user_name), headers=headers
    )
    return sent


async def pages(connection: AsyncConnection, choice: Choice, *, until: datetime) -> AsyncIterator[Sequence[Stored]]:
    """The chosen rows in the order of their ids, page by page."""
    after = choice.after
    while True:
        found = await connection.execute(_query(choice, until, after))
        page: Sequence[Any] = found.all()
        if not page:
            return
        yield page
        after = page[-1].id


def _query(choice: Choice, until: datetime, after: UUID | None) -> Select[Any]:
    table = applications.c
    query = select(applications).order_by(table.id).limit(PAGE)
    query = query.where(table.id.in_(choice.ids) if choice.ids else table.id <= last_id(until))
    if choice.since is not None:
        query = query.where(table.id >= first_id(choice.since))
    return query if after is None else query.where(table.id > after)


async def held_ids(connection: AsyncConnection) -> set[UUID]:
    """What some outbox still holds."""
    found = await connection.execute(select(func.unnest(outbox.c.ids)))
    return set(found.scalars())


async def ids_on_topic(bootstrap: str, topics: Topics, *, since: datetime) -> set[UUID]:
    """Every id on the topic from just before an instant on."""
    since_ms = int((since - timedelta(minutes=1)).timestamp() * 1000)
    stretches = await bounds(bootstrap, topics.applications, since_ms=since_ms)
    known = set()
    async for records in batches(bootstrap, topics.applications, stretches):
        known |= {id_of(record.value, record.headers) for record in records}
    return {id_ for id_ in known if id_ is not None}


async def oldest_on_topic(bootstrap: str, topics: Topics) -> datetime | None:
    """From when on the topic tells what was published; None: from the beginning."""
    stretches = await bounds(bootstrap, topics.applications)
    cut = {partition: (start, min(start + 1, end)) for partition, (start, end) in stretches.items() if start > 0}
    stamps = [record.timestamp async for records in batches(bootstrap, topics.applications, cut) for record in records]
    return datetime.fromtimestamp(max(stamps) / 1000, UTC) if stamps else None
