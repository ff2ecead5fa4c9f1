"""aiokafka alone: fill a topic with events, one by one or in prepared batches, and read one to its end.

``python -m bench.baselines.bare_kafka send|batch|read EVENTS [USERS]``; ``read`` decodes each event's JSON.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import uvloop
from aiokafka import AIOKafkaProducer

from bench.baselines.fields import Fields
from bench.baselines.outcome import Stopwatch
from bench.load import DESCRIPTION, USERS
from contracts import Header, to_headers, to_key, value_of
from gateway.database.ids import Ids
from gateway.settings import Settings

new_id = Ids()

_PER_BATCH = 1_000
_READ_MS = 500


def events(count: int, users: int) -> Iterator[tuple[bytes, bytes, list[Header]]]:
    """Key, value and headers as the gateway writes them."""
    now = datetime.now(UTC)
    for number in range(count):
        id_, name = new_id(), f"user-{number * 7919 % users:06}"
        value = value_of(Fields(id_, name, "d" * DESCRIPTION, now))
        yield to_key(name), value, to_headers(id=id_, created_at=now)


async def produce(settings: Settings, count: int, users: int, *, batches: bool) -> None:
    producer = settings.kafka.producer(
        enable_idempotence=True,
        acks="all",
        compression_type="snappy",
        linger_ms=5,
        max_batch_size=512 * 1024,
    )
    await producer.start()
    made = list(events(count, users))
    watch = Stopwatch()
    await (_in_batches if batches else _one_by_one)(producer, settings.topics.applications, made)
    watch.tell(count)
    await producer.stop()


async def _one_by_one(producer: AIOKafkaProducer, topic: str, made: list[tuple[bytes, bytes, list[Header]]]) -> None:
    sent = [await producer.send(topic, key=key, value=value, headers=headers) for key, value, headers in made]
    await asyncio.gather(*sent)


async def _in_batches(producer: AIOKafkaProducer, topic: str, made: list[tuple[bytes, bytes, list[Header]]]) -> None:
    partitions = len(await producer.partitions_for(topic))
    sent = []
    for start in range(0, len(made), _PER_BATCH):
        batch = producer.create_batch()
        for key, value, headers in made[start : start + _PER_BATCH]:
            batch.append(timestamp=None, key=key, value=value, headers=headers)
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=start // _PER_BATCH % partitions))
    await asyncio.gather(*sent)


async def read(settings: Settings, count: int) -> None:
    consumer = settings.kafka.consumer(
        settings.topics.applications,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    seen, watch = 0, Stopwatch()
    while seen < count:
        for records in (await consumer.getmany(timeout_ms=_READ_MS)).values():
            for record in records:
                json.loads(record.value or b"null")
            seen += len(records)
    watch.tell(seen)
    await consumer.stop()


async def main(what: str, count: int, users: int) -> None:
    settings = Settings()
    if what == "read":
        await read(settings, count)
    else:
        await produce(settings, count, users, batches=what == "batch")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else USERS))
