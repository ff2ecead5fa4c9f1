"""Which of these applications are on the topic already? Reads a range of offsets and keeps nothing else in memory."""

from collections.abc import Mapping
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import id_of

_POLL_MS = 1_000
# Compressed events unpack to many times their size: few bytes are fetched ahead, and few records are objects at a time.
_FETCH_BYTES = 1024 * 1024
_RECORDS_AT_ONCE = 1_000


async def present(
    ids: set[UUID], *, bootstrap_servers: str, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> set[UUID]:
    """The subset of ``ids`` found between ``starts`` (included) and ``ends`` (excluded), offsets per partition.

    Raises KafkaError. Memory is bounded by ``ids`` and a few megabytes, however long the range is.
    """
    ranges = {number: (starts[number], end) for number, end in ends.items() if starts[number] < end}
    if not ranges or not ids:
        return set()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id="headgate-gateway-reconcile",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await consumer.start()
    try:
        return await _find(consumer, ids, topic, ranges)
    finally:
        await consumer.stop()


async def _find(
    consumer: AIOKafkaConsumer, ids: set[UUID], topic: str, ranges: Mapping[int, tuple[int, int]]
) -> set[UUID]:
    left = {TopicPartition(topic, number): end for number, (_, end) in ranges.items()}
    consumer.assign(list(left))
    for partition in left:
        consumer.seek(partition, ranges[partition.partition][0])
    found: set[UUID] = set()
    while left:
        fetched = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_RECORDS_AT_ONCE)
        for records in fetched.values():
            found.update(ids.intersection(id_of(record.value, record.headers) for record in records))
        left = {partition: end for partition, end in left.items() if await consumer.position(partition) < end}
    return found
