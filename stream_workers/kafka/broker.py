"""What the broker itself says: offsets, partitions, topic ids. The private parts of aiokafka that we use are here."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from runtime.metadata import TopicMetadataRequest
from runtime.records import consumer as new_consumer
from stream_workers.errors import KafkaAwayError


class Broker:
    """A connection that belongs to no group and only asks; every call raises KafkaAwayError rather than hanging."""

    def __init__(self, bootstrap: str, *, timeout: float = 10.0) -> None:
        self._bootstrap = bootstrap
        self._timeout = timeout
        self._consumer = new_consumer(
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            request_timeout_ms=int(timeout * 1000),
        )
        self._reading = asyncio.Lock()

    @classmethod
    async def connected(cls, bootstrap: str) -> Self:
        """A started one, for ``async with``; KafkaAwayError if nobody answers."""
        broker = cls(bootstrap)
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

    async def topic_id(self, topic: str) -> str | None:
        """The id that the topic got when it was created: another id is another topic."""
        return (await self._describe(topic)).id

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

    async def record_from(self, topic: str, partition: int, offset: int) -> ConsumerRecord[bytes, bytes] | None:
        """The first record at or after an offset, or None when nothing comes in time."""
        at = TopicPartition(topic, partition)
        async with self._reading:
            self._consumer.assign([at])
            self._consumer.seek(at, offset)
            got = await self._asked(self._consumer.getmany(at, timeout_ms=5000, max_records=1))
            self._consumer.assign([])
        return got[at][0] if got.get(at) else None

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
            raise KafkaAwayError(f"Kafka at {self._bootstrap} does not answer: {error!r}") from error


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
    """Ask any broker for a topic's id and partitions."""
    answer: Any = await client.send(client.get_random_node(), TopicMetadataRequest(topic))
    here = {node: f"{host}:{port}" for node, host, port, _, _ in answer.brokers}
    for error, _, id_, _, partitions, _, _ in answer.topics:
        if error == 0:
            away = {node for partition in partitions for node in partition[4]} - here.keys()
            numbers = frozenset(partition[1] for partition in partitions)
            return Description(str(id_), numbers, Brokers(here, sorted(away)))
    return Description(None, frozenset(), Brokers(here))
