"""What the tests of the write path look at: rows, the outbox, the topic; and gateways that run inside the test."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition
from pydantic import SecretStr

from contracts import NewApplication, Topics, id_of
from gateway.commit.submission import Submission, from_new
from gateway.database.ids import Ids
from gateway.settings import Settings
from runtime.kafka.clients import Kafka

_IDS = Ids()
Record = ConsumerRecord[bytes, bytes]


def settings_for(database_url: str, kafka: Kafka, topics: Topics, **changed: Any) -> Settings:
    """Short leases and time-outs, so that a test of what follows from them does not take long."""
    values: dict[str, Any] = {
        "database_url": SecretStr(database_url),
        "kafka_bootstrap_servers": kafka.bootstrap_servers,
        "kafka_prefix": topics.prefix,
        "lease_seconds": 4.0,
        "send_timeout_seconds": 1.0,
        "drain_seconds": 10.0,
        "gateway_hosts": ("localhost", "127.0.0.1", "gateway", "x"),
    }
    return Settings(_env_file=None, **(values | changed))


def submission(user_name: str = "Ann", description: str = "text", **more: Any) -> Submission:
    return from_new(NewApplication(user_name=user_name, description=description), **({"new_id": _IDS} | more))


def unchecked(user_name: str, description: str) -> Submission:
    """A submission that validation would have refused: what PostgreSQL says of it is the test."""
    return from_new(NewApplication.model_construct(user_name=user_name, description=description), new_id=_IDS)


async def rows(database_url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def execute(database_url: str, script: str) -> None:
    """Run statements, as many as there are, and look at no answer."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def records(kafka: Kafka, topic: str) -> list[Record]:
    """Everything on the topic, partition by partition, in order of offsets."""
    consumer = kafka.consumer(enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, 0)]
        consumer.assign(partitions)
        numbers = await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Record] = []
        await consumer.seek_to_beginning(*partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for fetched in (await consumer.getmany(timeout_ms=500)).values():
                found += fetched
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def ids_on_topic(kafka: Kafka, topic: str) -> list[UUID | None]:
    return [id_of(record.value, record.headers) for record in await records(kafka, topic)]


async def eventually(holds: Callable[[], Awaitable[bool]], *, seconds: float = 60, what: str = "it") -> None:
    """Poll until it holds; fail with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        await asyncio.sleep(0.1)


async def outbox_is_empty(database_url: str) -> bool:
    return not await rows(database_url, "SELECT FROM outbox WHERE cardinality(ids) > 0")
