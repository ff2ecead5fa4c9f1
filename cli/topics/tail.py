"""Prints a topic's records as a consumer sees them: partition, offset, key, headers, value."""

import json
from collections.abc import AsyncIterator, Callable

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from cli.errors import CommandError
from cli.listing import decoded, printable
from cli.topics.admin import partitions_of
from runtime.instants import instant
from runtime.kafka.clients import Kafka
from runtime.kafka.records import Record


async def tail(
    kafka: Kafka, topic: str, *, from_beginning: bool, count: int | None, show: Callable[[Record], None]
) -> None:
    """Show records as they come, ``count`` of them or for ever; CommandError without the topic or the brokers."""
    shown = 0
    async for record in _records(kafka, topic, from_beginning=from_beginning):
        show(record)
        shown += 1
        if shown == count:
            return


def as_json(record: Record) -> str:
    """One record on one line; what is no UTF-8 is escaped."""
    at = instant(record.timestamp / 1000)
    fields = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": at.isoformat(timespec="milliseconds") if at else None,
        "key": decoded(record.key),
        "headers": [[name, decoded(value)] for name, value in record.headers],
        "value": decoded(record.value),
    }
    return json.dumps(fields)


def printed(record: Record) -> str:
    """One record on several lines; bytes that a terminal would obey are escaped."""
    at = instant(record.timestamp / 1000)
    time = at.isoformat(timespec="milliseconds") if at else f"{record.timestamp} ms"
    headers = [f"  {_safe(name.encode(errors='backslashreplace'))}: {_safe(value)}" for name, value in record.headers]
    head = f"{record.topic}-{record.partition} offset {record.offset}  key {_safe(record.key)}  {time}"
    return "\n".join([head, *headers, f"  {_safe(record.value)}"])


async def _records(kafka: Kafka, topic: str, *, from_beginning: bool) -> AsyncIterator[Record]:
    """All partitions, without a group: looking on changes nothing for the real consumers."""
    partitions = [TopicPartition(topic, number) for number in await partitions_of(kafka, topic)]
    consumer = kafka.consumer()
    try:
        await consumer.start()
        consumer.assign(partitions)
        await (consumer.seek_to_beginning() if from_beginning else consumer.seek_to_end())
        async for record in consumer:
            yield record
    except KafkaError as error:
        raise CommandError(f"Kafka at {kafka}: {error}") from error
    finally:
        await consumer.stop()


def _safe(raw: bytes | None) -> str:
    return "(none)" if raw is None else printable(raw.decode(errors="backslashreplace"))
