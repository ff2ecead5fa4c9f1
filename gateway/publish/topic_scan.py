"""Which of these applications are on the topic already? Reads a range of offsets and keeps nothing else in memory."""

from collections.abc import Mapping
from uuid import UUID

from aiokafka import TopicPartition

from contracts import id_of, is_replay
from runtime.kafka.clients import Kafka
from runtime.kafka.reading import read

# Compressed events unpack to many times their size: few bytes are fetched ahead, and few records are objects at a time.
_FETCH_BYTES = 1024 * 1024
_RECORDS_AT_ONCE = 1_000


async def present(
    ids: set[UUID], *, kafka: Kafka, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> set[UUID]:
    """The subset of ``ids`` found between ``starts`` (included) and ``ends`` (excluded), offsets per partition.

    A record marked as replayed is not the event itself (protocol, rule 21): consumers have been told to pass over it.
    Raises KafkaError. Memory is bounded by ``ids`` and a few megabytes, however long the range is.
    """
    ranges = {
        TopicPartition(topic, number): (starts[number], end) for number, end in ends.items() if starts[number] < end
    }
    if not ranges or not ids:
        return set()
    consumer = kafka.consumer(
        client_id="headgate-gateway-reconcile",
        auto_offset_reset="none",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    found: set[UUID] = set()
    await consumer.start()
    try:
        async for portion in read(consumer, ranges, at_most=_RECORDS_AT_ONCE):
            unmarked = (record for record in portion if not is_replay(record.headers))
            found.update(ids.intersection(id_of(record.value, record.headers) for record in unmarked))
    finally:
        await consumer.stop()
    return found
