"""Reads a stretch of a topic with a plain consumer, forwards or backwards: for rebuilds, redrives, traces and pages."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.kafka.clients import Kafka
from runtime.kafka.reading import read
from runtime.kafka.records import Record, weight
from stream_workers.kafka.broker import Broker

Stretches = Mapping[int, tuple[int, int]]

# Backwards: records of each partition in one window, fewer where they are so large that one would be a lot of memory.
WINDOW_FIRST, WINDOW_MAX = 4, 512
WINDOW_BYTES = 2 * 1024 * 1024
# What of all partitions' windows is kept in memory; of more than that only where it is, to be read again in its turn.
HELD_BYTES = 8 * 1024 * 1024
# What one answer of the broker holds, of all partitions together, but for a single batch that is larger.
FETCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Left:
    """A record that there was no room for."""

    partition: int
    offset: int
    timestamp: int


@dataclass(slots=True)
class Held:
    """The windows of all partitions, oldest first in each, in bounded memory: the newest of a window come first."""

    windows: "dict[int, list[Record | Left]]" = field(default_factory=dict)
    size: int = 0

    def take(self, records: Sequence[Record]) -> int:
        """Add to a partition's window; how much memory it takes as it was read."""
        window, sizes = self.windows[records[0].partition], [weight(record) for record in records]
        for record, size in zip(records, sizes, strict=True):
            fits = self.size + size <= HELD_BYTES
            self.size += size if fits else 0
            window.append(record if fits else Left(record.partition, record.offset, record.timestamp))
        return sum(sizes)

    def newest(self) -> "Record | Left | None":
        """The newest of all, which is not held any more; None of nothing."""
        filled = [window for window in self.windows.values() if window]
        if not filled:
            return None
        found = max(filled, key=lambda window: window[-1].timestamp).pop()
        self.size -= 0 if isinstance(found, Left) else weight(found)
        return found


async def bounds(kafka: Kafka, topic: str, *, since_ms: int | None = None) -> dict[int, tuple[int, int]]:
    """Today's (start, end) offsets of each partition; ``since_ms`` moves the start to the first record of that time.

    NoTopicError if there is no such topic: of one that is not there nothing can be concluded.
    """
    async with await Broker.connected(kafka) as broker:
        partitions = await broker.known_partitions(topic)
        starts = await broker.first_offsets(topic, partitions)
        ends = await broker.end_offsets(topic, partitions)
        if since_ms is not None:
            starts |= await broker.offsets_at(topic, dict.fromkeys(partitions, since_ms), otherwise=ends)
    return {partition: (starts[partition], ends[partition]) for partition in partitions}


async def batches(
    kafka: Kafka, topic: str, stretches: Stretches, *, at_most: int = 500
) -> AsyncGenerator[Sequence[Record], None]:
    """The records of each partition's stretch [start, end), in batches of one partition, in order within it."""
    if all(start >= end for start, end in stretches.values()):
        return
    async with _consumer(kafka, fetch_bytes=FETCH_BYTES) as consumer:
        async for records in _read(consumer, topic, stretches, at_most=at_most):
            yield records


async def backwards(kafka: Kafka, topic: str, stretches: Stretches) -> AsyncGenerator[Record, None]:
    """The records of all stretches, newest first by their timestamps; only what is taken is read, window by window."""
    unread = {partition: end for partition, (start, end) in stretches.items() if start < end}
    held, size = Held({partition: [] for partition in unread}), WINDOW_FIRST
    if not unread:
        return
    async with _consumer(kafka, fetch_bytes=256 * 1024) as consumer:
        while True:
            while due := _windows(stretches, unread, held.windows, size):
                read = await _fill(held, _read(consumer, topic, due, at_most=size))
                unread |= {partition: start for partition, (start, _) in due.items()}
                size = min(size * 2, WINDOW_MAX) if read < WINDOW_BYTES else max(size // 4, 1)
            match held.newest():
                case None:
                    return
                case Left(partition, offset):
                    async for records in _read(consumer, topic, {partition: (offset, offset + 1)}, at_most=1):
                        yield records[0]
                case record:
                    yield record


async def _fill(held: Held, reading: AsyncIterator[Sequence[Record]]) -> int:
    """Take all that is read; how much memory that takes."""
    return sum([held.take(records) async for records in reading])


def _windows(
    stretches: Stretches, unread: Mapping[int, int], held: Mapping[int, Sequence[object]], size: int
) -> dict[int, tuple[int, int]]:
    """The next window of each partition of which nothing is held and something is left."""
    return {
        partition: (max(stretches[partition][0], end - size), end)
        for partition, end in unread.items()
        if not held[partition] and end > stretches[partition][0]
    }


@asynccontextmanager
async def _consumer(kafka: Kafka, *, fetch_bytes: int) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = kafka.consumer(
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=fetch_bytes,
        fetch_max_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def _read(
    consumer: AIOKafkaConsumer, topic: str, stretches: Stretches, *, at_most: int
) -> AsyncIterator[Sequence[Record]]:
    return read(consumer, {TopicPartition(topic, p): stretch for p, stretch in stretches.items()}, at_most=at_most)
