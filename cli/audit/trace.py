"""`headgate trace ID`: one application's way through accepted, committed, published, journaled and counted."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Topics, id_of, is_replay, milliseconds_of
from gateway.database.tables import applications, erasures, expirations, outbox, unpublishable
from runtime.instants import instant
from runtime.kafka.clients import Kafka
from stream_workers.books.states import journal_positions, metrics_totals
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.reader import batches, bounds

_EARLIER_MS = 60_000


@dataclass(frozen=True)
class Published:
    """Where the event is on the topic."""

    partition: int
    offset: int
    at: datetime | None
    replayed: bool


@dataclass(frozen=True)
class Way:
    """The stages of one application; None where one was not reached (or cannot be known).

    ``waiting`` tells that a gateway's outbox holds it, ``refused`` why Kafka did not take it, ``removed`` how its row
    went.
    """

    id: UUID
    accepted: datetime | None
    waiting: bool
    refused: str | None
    removed: str | None
    published: tuple[Published, ...]
    journaled: bool | None
    counted: bool | None

    def to_fields(self) -> dict[str, Any]:
        return asdict(self)


async def way_of(connection: AsyncConnection, kafka: Kafka, topics: Topics, id_: UUID) -> Way:
    """Look everywhere; raises what Kafka and PostgreSQL raise when they are away."""
    accepted = await connection.scalar(select(applications.c.created_at).where(applications.c.id == id_))
    waiting = await connection.scalar(select(outbox.c.id).where(outbox.c.ids.contains([id_])).limit(1))
    refused = await connection.scalar(select(unpublishable.c.reason).where(unpublishable.c.id == id_))
    published = tuple(await _on_topic(kafka, topics, id_))
    first = published[0] if published else None
    async with await Broker.connected(kafka) as broker:
        topic_id = await broker.known_topic_id(topics.applications)
    totals, positions = await metrics_totals(kafka, topics), await journal_positions(kafka, topics)
    counted = {p: held.last for p, held in totals.items() if held.topic_id == topic_id}
    journaled = {p: held.last_offset for p, held in positions.items() if held.topic_id == topic_id}
    return Way(
        id=id_,
        accepted=accepted,
        waiting=waiting is not None,
        refused=refused,
        removed=None if accepted else await _removed(connection, id_),
        published=published,
        journaled=journaled.get(first.partition, -1) >= first.offset if first else None,
        counted=counted.get(first.partition, -1) >= first.offset if first else None,
    )


async def _removed(connection: AsyncConnection, id_: UUID) -> str | None:
    """How a row that is not there went, where that is known."""
    erased_at = await connection.scalar(select(erasures.c.erased_at).where(erasures.c.id == id_))
    if erased_at is not None:
        return f"erased by `headgate forget` on {erased_at:%Y-%m-%d}"
    expired = await connection.scalar(select(expirations.c.before).where(expirations.c.before > id_).limit(1))
    return None if expired is None else "expired: `headgate retention` removed what is that old"


async def _on_topic(kafka: Kafka, topics: Topics, id_: UUID) -> list[Published]:
    """The topic from the id's own time on: a UUIDv7 tells when it was made."""
    since_ms = max(0, milliseconds_of(id_) - _EARLIER_MS) if id_.version == 7 else None
    found = []
    stretches = await bounds(kafka, topics.applications, since_ms=since_ms)
    async for records in batches(kafka, topics.applications, stretches):
        found += [
            Published(
                record.partition,
                record.offset,
                instant(record.timestamp / 1000),
                is_replay(record.headers),
            )
            for record in records
            if id_of(record.value, record.headers) == id_
        ]
    return sorted(found, key=lambda one: (one.partition, one.offset))
