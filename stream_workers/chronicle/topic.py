"""The topic that keeps what happened: bounded in bytes by Kafka, and by number where it is read."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.chronicle.happened import Entry, Happened, from_json, to_json
from stream_workers.chronicle.seen import Seen
from stream_workers.errors import NoTopicError
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.reader import batches

# The topic has one partition, so that what happened has one order.
CONFIG = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": str(8 * 1024 * 1024),
    "segment.bytes": str(1024 * 1024),
}
KEPT = 5_000
# Records read at most, of whatever anybody wrote there.
_READ_MAX = 20_000
_WRITE_SECONDS = 10.0


@dataclass(frozen=True)
class Known:
    """The newest, oldest first, of ``total`` that were read; ``seen`` is None as long as nobody has looked."""

    happened: Sequence[Happened] = ()
    total: int = 0
    seen: Seen | None = None


class Chronicle:
    """Reads what is new whenever it is asked, and adds to it; every call raises where Kafka does not let it."""

    def __init__(self, kafka: Kafka, topics: Topics, broker: Broker) -> None:
        self.topic = topics.happened
        self._kafka = kafka
        self._broker = broker
        self._happened: deque[Happened] = deque(maxlen=KEPT)
        self._known = Known()
        self._topic_id = ""
        self._read_to = 0
        self._reading = asyncio.Lock()

    async def read(self) -> Known:
        """All of it by now; NoTopicError if there is no such topic."""
        async with self._reading:
            id_ = await self._broker.topic_id(self.topic)
            if id_ is None:
                raise NoTopicError(self.topic)
            if id_ != self._topic_id:
                self._happened.clear()
                self._known, self._topic_id, self._read_to = Known(), id_, 0
            await self._read_on()
            return self._known

    async def add(self, entry: Entry) -> None:
        """Write one record; whether it came is not known where this raises."""
        async with asyncio.timeout(_WRITE_SECONDS):
            producer = self._kafka.producer(acks="all", request_timeout_ms=int(_WRITE_SECONDS * 1000))
            try:
                await producer.start()
                await producer.send_and_wait(self.topic, to_json(entry), partition=0)
            finally:
                await producer.stop()

    async def _read_on(self) -> None:
        end = (await self._broker.end_offsets(self.topic, [0]))[0]
        if end <= self._read_to:
            return
        first = (await self._broker.first_offsets(self.topic, [0]))[0]
        start = max(first, self._read_to, end - _READ_MAX)
        async for records in batches(self._kafka, self.topic, {0: (start, end)}, at_most=200):
            self._take([entry for record in records if (entry := from_json(record.value))])
        self._read_to = end

    def _take(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._happened.extend(entry.happened)
        if entries:
            total = self._known.total + sum(len(entry.happened) for entry in entries)
            self._known = Known(tuple(self._happened), total, entries[-1].seen)
