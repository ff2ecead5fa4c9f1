"""A stretch of a topic, read to its end: outside any group, whatever the stretch holds."""

from collections.abc import AsyncIterator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

_POLL_MS = 1_000

Stretches = Mapping[TopicPartition, tuple[int, int]]


async def read(
    consumer: AIOKafkaConsumer, stretches: Stretches, *, at_most: int
) -> AsyncIterator[Sequence[ConsumerRecord[bytes, bytes]]]:
    """The records of each partition's stretch [start, end), in batches of one partition, in order within it.

    ``at_most`` bounds how many records are objects at a time. Raises KafkaError.
    """
    ends = {at: end for at, (start, end) in stretches.items() if start < end}
    consumer.assign(list(ends))
    for at in ends:
        consumer.seek(at, stretches[at][0])
    while ends:
        for at, records in (await consumer.getmany(*ends, timeout_ms=_POLL_MS, max_records=at_most)).items():
            wanted = [record for record in records if record.offset < ends[at]]
            if wanted:
                yield wanted
        ends = {at: end for at, end in ends.items() if await consumer.position(at) < end}
