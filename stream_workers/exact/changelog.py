"""Follows a changelog with a plain consumer, outside any group: every partition's newest state, on any worker."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from runtime.kafka.clients import Kafka
from stream_workers.errors import KafkaAwayError
from stream_workers.exact.ledger import Book, highest_first, is_state, rank
from stream_workers.kafka.batches import state_key
from stream_workers.kafka.broker import Broker

log = logging.getLogger(__name__)

# How often new partitions are looked for.
LOOK_SECONDS = 10.0

Seen = Callable[[int, bytes | None], None]


@dataclass(frozen=True, slots=True)
class Newest:
    """The state that holds for a partition, and when it came (seconds since 1970)."""

    value: bytes
    rank: tuple[int, int]
    seen_at: float


class Follower:
    """``newest`` has the highest state of each partition; ``complete``: all partitions were read to their end.

    Every value on a changelog is consistent in itself, so values of a paused worker that come late are simply lower.
    What is no state of the ``book`` is passed over. ``on_value`` is called with each value as it comes, lower ones too,
    and with None for what is no state under a state's key: compaction leaves the last one under a key, whatever it is.
    ``ours`` is what this worker wrote last for a partition, and is not looked at again.
    """

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        broker: Broker,
        *,
        book: type[Book[Any]],
        on_value: Seen | None = None,
        ours: Callable[[int], bytes | None] = lambda _: None,
    ) -> None:
        self.newest: dict[int, Newest] = {}
        self.complete = False
        self._kafka = kafka
        self._topic = topic
        self._broker = broker
        self._book = book
        self._on_value = on_value
        self._ours = ours
        self._to_read: dict[int, int] = {}

    async def run(self) -> None:
        """Follow for ever; a Kafka that is away is waited for."""
        consumer = self._kafka.consumer(
            auto_offset_reset="earliest",
            fetch_max_wait_ms=2_000,
        )
        try:
            await _until_it_works(consumer.start)
            looked_at = -LOOK_SECONDS
            while True:
                if time.monotonic() - looked_at >= LOOK_SECONDS:
                    await self._look(consumer)
                    looked_at = time.monotonic()
                await self._read(consumer)
        finally:
            await consumer.stop()

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Take in partitions that are new; read what is on them before saying that the view is complete."""
        known = {at.partition for at in consumer.assignment()}
        try:
            found = await self._broker.partitions(self._topic)
            ends = await self._broker.end_offsets(self._topic, found - known)
        except KafkaAwayError:
            return
        if found <= known:
            return
        positions = {at: await consumer.position(at) for at in consumer.assignment()}
        consumer.assign([TopicPartition(self._topic, partition) for partition in found])
        for at, position in positions.items():
            consumer.seek(at, position)
        self._to_read |= {partition: end for partition, end in ends.items() if end > 0}
        self.complete = not self._to_read

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        if not consumer.assignment():
            await asyncio.sleep(1.0)
            return
        try:
            got = await consumer.getmany(timeout_ms=1_000)
        except KafkaError as error:
            log.warning("following %s: %r", self._topic, error)
            await asyncio.sleep(1.0)
            return
        for at, records in got.items():
            ours = (record.value for record in records if record.key == state_key(at.partition))
            for value in highest_first(ours):
                self._take(at.partition, value)
            if records[-1].offset + 1 >= self._to_read.get(at.partition, 0):
                self._to_read.pop(at.partition, None)
        self.complete = not self._to_read

    def _take(self, partition: int, value: bytes | None) -> None:
        order, known = rank(value), self.newest.get(partition)
        if order is None or value is None:
            value = None
        elif known is None or order >= known.rank:
            if value == self._ours(partition) or is_state(self._book, value):
                self.newest[partition] = Newest(value, order, time.time())
            else:
                value = None
        if self._on_value:
            self._on_value(partition, value)


async def _until_it_works(start: Callable[[], Any]) -> None:
    while True:
        try:
            await start()
        except KafkaError:
            await asyncio.sleep(2.0)
        else:
            return
