"""What the broker itself says: offsets, partitions, topic ids. The private parts of aiokafka that we use are here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from runtime.kafka.clients import Kafka
from runtime.kafka.metadata import TopicMetadataRequest
from runtime.kafka.records import Record
from stream_workers.errors import KafkaAwayError, NoTopicError, why

# Longer than an answer to a fetch takes where there is nothing to read.
WAIT_MS = 1_500

Portion = Callable[..., Awaitable[tuple[Sequence[Record], int]]]
_LOOKS, _LOOK_SECONDS = 20, 0.1


class Broker:
    """A connection that belongs to no group and only asks; every call raises KafkaAwayError rather than hanging."""

    def __init__(self, kafka: Kafka, *, timeout: float = 10.0) -> None:
        self._kafka = kafka
        self._timeout = timeout
        self._consumer = kafka.consumer(
            auto_offset_reset="earliest",
            request_timeout_ms=int(timeout * 1000),
        )
        self._reading = asyncio.Lock()

    @classmethod
    async def connected(cls, kafka: Kafka) -> Self:
        """A started one, for ``async with``; KafkaAwayError if nobody answers."""
        broker = cls(kafka)
        try:
            await broker.start()
        except BaseException:
            await broker.stop()
            raise
        return broker

    async def start(self) -> None:
        await self._asked(self._consumer.start())

    async def stop(self) -> None:
        await self._consumer.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def partitions(self, topic: str) -> set[int]:
        """Today's partitions of a topic, from fresh metadata; empty if there is no such topic."""
        return set((await self._describe(topic)).partitions)

    async def known_partitions(self, topic: str) -> set[int]:
        """The same for whoever decides by it: NoTopicError if there is none; one made just now may show a bit later."""
        for _ in range(_LOOKS):
            if found := await self.partitions(topic):
                return found
            await asyncio.sleep(_LOOK_SECONDS)
        raise NoTopicError(topic)

    async def topic_id(self, topic: str) -> str | None:
        """The id that the topic got when it was created: another id is another topic; None if there is none."""
        return (await self._describe(topic)).id

    async def known_topic_id(self, topic: str) -> str:
        """The same for whoever decides by it; NoTopicError if there is none."""
        id_ = await self.topic_id(topic)
        if id_ is None:
            raise NoTopicError(topic)
        return id_

    async def brokers(self, topic: str) -> "Brokers":
        """Which brokers are there, and which are missed where replicas of this topic should be."""
        return (await self._describe(topic)).brokers

    async def first_offsets(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The log start of each partition."""
        return await self._offsets(self._consumer.beginning_offsets, topic, partitions)

    async def end_offsets(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offset that the next record of each partition will get (high watermark)."""
        return await self._offsets(self._consumer.end_offsets, topic, partitions)

    async def offsets_at(
        self, topic: str, instants: Mapping[int, int], *, otherwise: Mapping[int, int]
    ) -> dict[int, int]:
        """The first offset of each partition at or after an instant in milliseconds, else that of ``otherwise``."""
        wanted = {TopicPartition(topic, partition): instant for partition, instant in instants.items()}
        found = await self._asked(self._consumer.offsets_for_times(wanted)) if wanted else {}
        return {at.partition: held.offset if held else otherwise[at.partition] for at, held in found.items()}

    async def record_from(self, topic: str, partition: int, offset: int) -> Record | None:
        """The first record at or after an offset, or None when nothing comes in time."""
        async with self._reading_from(TopicPartition(topic, partition), offset) as portion:
            records, _ = await portion(1, wait_ms=5_000)
        return records[0] if records else None

    async def first_held(self, topic: str, partition: int, start: int) -> int:
        """The first offset from ``start`` on that may hold a record: whatever is before it holds none.

        ``start`` itself where the broker said nothing in time, or where records were deleted.
        """
        async with self._reading_from(TopicPartition(topic, partition), start) as portion:
            records, reached = await portion(1)
        log_start = (await self.first_offsets(topic, [partition]))[partition]
        return start if log_start > start else max(start, records[0].offset if records else reached)

    async def empty(self, topic: str, partition: int, start: int, end: int) -> dict[int, int]:
        """The stretches of [start, end) without a record, as starts with their ends; where nothing was said, none.

        What was deleted is not among them: it may have held records.
        """
        found, due = {}, start
        async with self._reading_from(TopicPartition(topic, partition), start) as portion:
            while due < end:
                records, reached = await portion(500)
                if reached <= due:
                    break
                for offset in (*(record.offset for record in records), reached):
                    if min(offset, end) > due:
                        found[due] = min(offset, end)
                    due = max(due, offset + 1)
                due = reached
        log_start = (await self.first_offsets(topic, [partition]))[partition]
        return {at: stop for at, stop in found.items() if at >= log_start}

    @asynccontextmanager
    async def _reading_from(self, at: TopicPartition, offset: int) -> AsyncIterator[Portion]:
        """Gives what reads on: at most so many records, and where the next reading begins."""

        async def portion(most: int, *, wait_ms: int = WAIT_MS) -> tuple[Sequence[Record], int]:
            got = await self._asked(self._consumer.getmany(at, timeout_ms=wait_ms, max_records=most))
            return got.get(at, ()), await self._asked(self._consumer.position(at))

        async with self._reading:
            self._consumer.assign([at])
            self._consumer.seek(at, offset)
            try:
                yield portion
            finally:
                self._consumer.assign([])

    async def _offsets(self, ask: Any, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        found: Mapping[TopicPartition, int] = await self._asked(ask(wanted)) if wanted else {}
        return {at.partition: offset for at, offset in found.items()}

    async def _describe(self, topic: str) -> "Description":
        client: AIOKafkaClient = self._consumer._client
        found: Description = await self._asked(describe(client, topic))
        return found

    async def _asked(self, answer: Any) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except (KafkaError, TimeoutError, OSError) as error:
            raise KafkaAwayError(f"Kafka at {self._kafka} does not answer: {why(error)}") from error


@dataclass(frozen=True)
class Brokers:
    """``here``: the address of each broker by its id; ``away``: the ids of those that hold replicas and are not."""

    here: Mapping[int, str] = field(default_factory=dict)
    away: Sequence[int] = ()


@dataclass(frozen=True)
class Description:
    """One topic as the broker describes it."""

    id: str | None
    partitions: frozenset[int]
    brokers: Brokers


async def describe(client: AIOKafkaClient, topic: str) -> Description:
    """Ask any broker for a topic's id and partitions; raises KafkaError where it says neither them nor that none is."""
    answer: Any = await client.send(client.get_random_node(), TopicMetadataRequest(topic))
    here = {node: f"{host}:{port}" for node, host, port, _, _ in answer.brokers}
    for error, _, id_, _, partitions, _, _ in answer.topics:
        if error == 0:
            away = {node for partition in partitions for node in partition[4]} - here.keys()
            numbers = frozenset(partition[1] for partition in partitions)
            return Description(str(id_), numbers, Brokers(here, sorted(away)))
        if error != UnknownTopicOrPartitionError.errno:
            raise for_code(error)(f"asked for the topic {topic}")
    return Description(None, frozenset(), Brokers(here))
