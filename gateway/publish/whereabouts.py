"""Where an application is by now: in PostgreSQL, on the topic, among what the counters have counted.

PostgreSQL says whether it is published, Kafka where. What Kafka does not say within a moment is not known.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from sqlalchemy import Uuid, bindparam, exists, select

from contracts import created_at_text, first_id, id_of, is_replay, milliseconds_of, to_key
from gateway.database.connection import Compiled
from gateway.database.tables import applications, outbox, unpublishable
from gateway.publish.topic import BROKER_ERRORS, brokers, look
from gateway.read.reads import Reads
from gateway.settings import Settings
from runtime.kafka.reading import read

# A batch has its id when it is committed, which is not long after its applications have theirs.
_BATCH_WITHIN = timedelta(seconds=90)
_KAFKA_SECONDS = 3.0
# An event is looked for among so many of its partition that are not older than itself.
_RECORDS_MAX = 5_000
_KNOWN_MAX = 10_000
_METRICS = "metrics"

_ID = bindparam("id", type_=Uuid)
_STORED = Compiled(
    select(
        applications.c.user_name,
        applications.c.created_at,
        exists()
        .where(outbox.c.id.between(bindparam("from", type_=Uuid), bindparam("to", type_=Uuid)))
        .where(outbox.c.ids.any_() == _ID)
        .label("waiting"),
        select(unpublishable.c.reason).where(unpublishable.c.id == _ID).scalar_subquery().label("refused"),
    ).where(applications.c.id == _ID)
)


class Place(NamedTuple):
    """Where its event is on the topic."""

    partition: int
    offset: int


class Whereabouts(NamedTuple):
    """``published`` and ``counted`` are when that was first seen; ``refused`` says why Kafka does not take it."""

    stored: datetime
    published: datetime | None
    place: Place | None
    counted: datetime | None
    refused: str | None


class _Known:
    """What was seen of one application, and when: it does not change any more."""

    published: datetime | None = None
    place: Place | None = None
    counted: datetime | None = None


class Finder:
    """Asks for one application after the other; what is known for good is kept for the last ones."""

    def __init__(self, settings: Settings, primary: Reads) -> None:
        self._settings, self._primary = settings, primary
        self._known: OrderedDict[UUID, _Known] = OrderedDict()
        self._one = asyncio.Lock()

    async def find(self, id_: UUID, owner: UUID | None = None) -> Whereabouts | None:
        """None where there is no such application, or it is not this ``owner``'s. DatabaseAwayError."""
        if owner is not None and await self._primary.one(id_, owner) is None:
            return None
        around = (first_id(_time_of(id_) + span) for span in (-_BATCH_WITHIN, _BATCH_WITHIN))
        rows = await self._primary.rows(_STORED, {"id": id_, **dict(zip(("from", "to"), around, strict=True))})
        if not rows:
            return None
        [row] = rows
        known = self._of(id_)
        if not row.waiting and not row.refused:
            known.published = known.published or datetime.now(UTC)
            if known.counted is None:
                await self._ask_kafka(id_, row.user_name, known)
        return Whereabouts(row.created_at, known.published, known.place, known.counted, row.refused)

    def _of(self, id_: UUID) -> _Known:
        known = self._known.pop(id_, None) or _Known()
        self._known[id_] = known
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return known

    async def _ask_kafka(self, id_: UUID, user_name: str, known: _Known) -> None:
        """One look at a time; who waits too long for its turn, or for Kafka, hears what is known without it."""
        try:
            async with asyncio.timeout(_KAFKA_SECONDS), self._one, self._consumer() as consumer:
                known.place = known.place or await self._place(consumer, id_, user_name)
                if known.place is not None:
                    at = TopicPartition(self._settings.topics.applications, known.place.partition)
                    if (await consumer.committed(at) or 0) > known.place.offset:
                        known.counted = datetime.now(UTC)
        except BROKER_ERRORS:
            return

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """In the group of the counters for its offsets alone: it joins nothing and commits nothing."""
        consumer = self._settings.kafka.consumer(
            client_id="headgate-gateway-status",
            group_id=f"{self._settings.topics.prefix}{_METRICS}",
            max_partition_fetch_bytes=256 * 1024,
            request_timeout_ms=int(_KAFKA_SECONDS * 1000),
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    async def _place(self, consumer: AIOKafkaConsumer, id_: UUID, user_name: str) -> Place | None:
        topic = self._settings.topics.applications
        async with brokers(self._settings.kafka) as client:
            numbers = sorted((await look(client, topic)).partitions)
        at = TopicPartition(topic, DefaultPartitioner()(to_key(user_name), numbers, numbers))
        begins = (await consumer.offsets_for_times({at: milliseconds_of(id_)}))[at]
        if begins is None:
            return None
        end = min((await consumer.end_offsets([at]))[at], begins.offset + _RECORDS_MAX)
        async for records in read(consumer, {at: (begins.offset, end)}, at_most=500):
            for record in records:
                if id_of(record.value, record.headers) == id_ and not is_replay(record.headers):
                    return Place(record.partition, record.offset)
        return None


def _time_of(id_: UUID) -> datetime:
    return datetime.fromtimestamp(min(milliseconds_of(id_), _LAST_MS) / 1000, UTC)


_LAST_MS = 250_000_000_000_000


def to_fields(id_: UUID, found: Whereabouts) -> dict[str, Any]:
    """As it is answered."""
    state = "counted" if found.counted else "published" if found.published else "refused" if found.refused else "stored"
    place = found.place._asdict() if found.place else {"partition": None, "offset": None}
    return {
        "id": str(id_),
        "state": state,
        "stored": {"at": _text(found.stored)},
        "published": {"seen_at": _text(found.published), **place} if found.published else None,
        "counted": {"seen_at": _text(found.counted)} if found.counted else None,
        "refused": found.refused,
    }


def _text(at: datetime) -> str:
    return created_at_text(at.replace(microsecond=at.microsecond // 1000 * 1000))
