"""Reads a stretch of a topic with a plain consumer: for rebuilds, redrives, replays and traces."""

from collections.abc import AsyncIterator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_workers.batches import Record
from stream_workers.broker import Broker


async def bounds(bootstrap: str, topic: str, *, since_ms: int | None = None) -> dict[int, tuple[int, int]]:
    """Today's (start, end) offsets of each partition; ``since_ms`` moves the start to the first record of that time."""
    async with await Broker.connected(bootstrap) as broker:
        partitions = await broker.partitions(topic)
        starts = await broker.first_offsets(topic, partitions)
        ends = await broker.end_offsets(topic, partitions)
        if since_ms is not None:
            starts |= await broker.offsets_at(topic, dict.fromkeys(partitions, since_ms), otherwise=ends)
    return {partition: (starts[partition], ends[partition]) for partition in partitions}


async def batches(
    bootstrap: str, topic: str, stretches: Mapping[int, tuple[int, int]], *, at_most: int = 500
) -> AsyncIterator[Sequence[Record]]:
    """The records of each partition's stretch [start, end), in batches of one partition, in order within it."""
    open_ends = {TopicPartition(topic, p): end for p, (start, end) in stretches.items() if start < end}
    if not open_ends:
        return
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        consumer.assign(list(open_ends))
        for at in open_ends:
            consumer.seek(at, stretches[at.partition][0])
        while open_ends:
            for at, records in (await consumer.getmany(*open_ends, timeout_ms=1_000, max_records=at_most)).items():
                wanted = [record for record in records if record.offset < open_ends[at]]
                if wanted:
                    yield wanted
            for at, end in list(open_ends.items()):
                if await consumer.position(at) >= end:
                    del open_ends[at]
    finally:
        await consumer.stop()
