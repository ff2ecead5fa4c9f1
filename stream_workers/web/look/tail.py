"""The newest events of the topic, read by a plain consumer outside any group, only while somebody looks.

Each look reads at most ``PER_LOOK`` records of a partition, from near its end: a topic at full speed costs no more than
a slow one, and what was passed over is counted.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import is_replay
from runtime.kafka.clients import Kafka
from runtime.kafka.records import Record
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.events import Bad, read

KEPT = 200
PER_LOOK = 50
# A fetch that finds nothing new comes back so late: each costs as much as a record.
FETCH_WAIT_MS = 1_000
# A consumer that just began has no records within the first fetch; that is silence, not the end of the topic.
PATIENT_FETCHES = 6


@dataclass(frozen=True)
class Event:
    """One event; ``reason`` is set where it could not be read, and then there is no application in it."""

    partition: int
    offset: int
    at: float
    id: str | None = None
    user_name: str | None = None
    created_at: float | None = None
    description: str | None = None
    size: int = 0
    replayed: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class Tailed:
    """Tailed first; ``skipped`` were passed over because they came faster than anybody reads."""

    events: Sequence[Event]
    skipped: int


class Tail:
    """Connected while somebody looks; ``read`` is called about once a second."""

    def __init__(self, kafka: Kafka, topic: str, broker: Broker) -> None:
        self._kafka = kafka
        self._topic = topic
        self._broker = broker
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._skipped = 0

    async def read(self) -> Tailed:
        """What is newest now."""
        consumer = await self._opened()
        try:
            wanted = await self._move_near_the_end(consumer)
            events = await self._fetched(consumer, wanted)
        except BaseException:
            await self.close()
            raise
        self._events.extendleft(sorted(events, key=lambda event: (event.at, event.id or "")))
        return Tailed(tuple(self._events), self._skipped)

    async def _fetched(self, consumer: AIOKafkaConsumer, wanted: Sequence[TopicPartition]) -> list[Event]:
        """What there is to see up to the ends; TimeoutError rather than nothing where no record was seen yet.

        A record may be a hundred times as large as what is seen of it: none is kept while the next ones are read.
        """
        events: list[Event] = []
        silent = 0
        while wanted:
            got = await consumer.getmany(*wanted, timeout_ms=500, max_records=PER_LOOK * len(wanted))
            events += [event_of(record) for batch in got.values() for record in batch]
            silent = 0 if got else silent + 1
            del got
            if silent and (events or self._events):
                break
            if silent == PATIENT_FETCHES:
                raise TimeoutError(f"{self._topic} has records, and none came")
            wanted = [at for at in wanted if await consumer.position(at) < self._ends[at]]
        return events

    async def close(self) -> None:
        """Forget everything: a later look starts from what is newest then."""
        consumer, self._consumer = self._consumer, None
        self._events.clear()
        self._skipped = 0
        if consumer is not None:
            await consumer.stop()

    async def _opened(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = self._kafka.consumer(
                auto_offset_reset="latest",
                max_partition_fetch_bytes=128 * 1024,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                request_timeout_ms=4_000,
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    async def _move_near_the_end(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        """Go to where the newest records begin; the partitions on which there is something to read."""
        await self._assign(consumer)
        self._ends = await self._end_offsets(at.partition for at in consumer.assignment())
        behind = []
        for at, end in self._ends.items():
            here = await consumer.position(at)
            if end - here > PER_LOOK:
                self._skipped += end - here - PER_LOOK
                consumer.seek(at, end - PER_LOOK)
            if end > here:
                behind.append(at)
        return behind

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        """Take every partition of the topic; new ones from their beginning, the first time from near the end."""
        found = {TopicPartition(self._topic, number) for number in await self._broker.partitions(self._topic)}
        if found <= consumer.assignment():
            return
        first = not consumer.assignment()
        positions = {at: await consumer.position(at) for at in consumer.assignment()}
        consumer.assign(sorted(found))
        starts = await consumer.beginning_offsets(list(found))
        ends = await self._end_offsets(at.partition for at in found)
        for at in found:
            newest = max(starts[at], ends[at] - PER_LOOK) if first else starts[at]
            consumer.seek(at, positions.get(at, newest))

    async def _end_offsets(self, partitions: Iterable[int]) -> dict[TopicPartition, int]:
        """Asked on another connection: a broker answers this one's questions after the fetch that waits on it."""
        ends = await self._broker.end_offsets(self._topic, partitions)
        return {TopicPartition(self._topic, partition): end for partition, end in ends.items()}


def event_of(record: Record) -> Event:
    """What there is to see in a record."""
    found = read(record)
    partition, offset, at = record.partition, record.offset, record.timestamp / 1000
    size = len(record.value or b"")
    if isinstance(found, Bad):
        return Event(partition, offset, at, size=size, reason=found.reason)
    return Event(
        partition,
        offset,
        at,
        id=found.id,
        user_name=found.user_name,
        created_at=found.created_at / 1000,
        description=orjson.loads(record.value or b"")["description"],
        size=size,
        replayed=is_replay(record.headers),
    )
