"""One Faust message for each fetched batch, and a table that keeps the highest value: Faust's private parts.

Stock Faust spends four tasks, a queue hop and an acknowledgement on every event, about 10 000 events/s. Here the
consumer hands the agent one message for all records of one fetch of one partition, and pays once for a batch.
tests/unit/stream_workers/kafka/test_faust_internals.py fails when a part of Faust that is used here changes.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, cast

import faust
from aiokafka.errors import IllegalStateError
from faust import Stream, StreamT
from faust.stores.memory import Store
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, TopicT
from faust.web.drivers.aiohttp import Web

from runtime.kafka.any_bytes import read_any_bytes
from runtime.kafka.fetched import Portion
from runtime.kafka.records import KafkaRecord, as_consumed, as_read
from stream_workers.kafka.room import Room

NextOffsets = Callable[[set[int]], Awaitable[Mapping[int, int]]]
Rejoining = Callable[[str], Awaitable[None]]

# What aiokafka says where a rebalance takes partitions, or all, while positions are asked for: whoever gets them seeks
# by itself. In its recovery, Faust begins anew then.
_TAKEN_AWAY = (IllegalStateError, AssertionError)

_MESSAGE_FIELDS = (
    "topic",
    "partition",
    "offset",
    "timestamp",
    "timestamp_type",
    "checksum",
    "serialized_key_size",
    "serialized_value_size",
    "tp",
    "generation_id",
)


class Batch(ConsumerMessage):
    """Stands for all records of one fetch of one partition; its offset is the last one's.

    It has nothing else of it: a batch waits for its acknowledgement, one of each partition, and a record may be large.
    """

    records: Sequence[KafkaRecord] = ()
    weight: int = 0


class AnyBytesThread(driver.AIOKafkaConsumerThread):
    """Reads whatever is on the topic, and nothing that a transaction took back."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        read_any_bytes()
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._isolation_level, consumer._value_deserializer = "read_committed", as_read
        return consumer


class BatchConsumer(driver.Consumer):
    """Hands out batches of the source topic, and starts each partition where the table says, not where a commit was."""

    app: "BatchApp"
    _known_as: str = ""

    def _new_consumer_thread(self) -> AnyBytesThread:
        return AnyBytesThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """A rebalance begins. Where Kafka has dropped this member, ask whether it may come back before it joins."""
        if self._known_as and not self._member_id:
            await self.app.rejoining(self._known_as)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._known_as = self._member_id
        self.app.room.emptied()
        await super().on_partitions_assigned(assigned, generation_id)

    @property
    def _member_id(self) -> str:
        """What Kafka calls this member; empty once Kafka has dropped it."""
        coordinator: Any = self._thread._ensure_consumer()._coordinator
        return str(coordinator.member_id)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        if not await self.app.room.free() and self.flow_active:
            return
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            with suppress(*_TAKEN_AWAY):
                await self.perform_seek()
            return

        for tp, message in self._messages(fetched):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, message

    def _messages(self, fetched: Mapping[TP, list[KafkaRecord]]) -> Iterator[tuple[TP, ConsumerMessage]]:
        """One message for all records of a source partition; changelogs go record by record, as ever."""
        for tp, records in fetched.items():
            if tp.topic == self.app.source and records:
                batch = self._batch(tp, records)
                self.app.room.handed(batch.weight)
                yield tp, batch
        changelogs = {tp: as_consumed(*tp, records) for tp, records in fetched.items() if tp.topic != self.app.source}
        for tp, record in self.scheduler.iterate(changelogs):
            yield tp, self._to_message(tp, record)

    def _batch(self, tp: TP, records: Sequence[KafkaRecord]) -> Batch:
        [newest] = as_consumed(*tp, records[-1:])
        last = self._to_message(tp, newest)
        batch = Batch(**{name: getattr(last, name) for name in _MESSAGE_FIELDS}, key=b"", value=b"", headers=[])
        batch.records = records
        batch.weight = records.weight if isinstance(records, Portion) else 0
        return batch

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets inside a batch are no gap: they would count as acknowledged before the batch was applied."""
        if tp.topic != self.app.source:
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        """A batch is acknowledged by its last offset, after everything before it: the newest one is what to commit."""
        if tp.topic != self.app.source:
            return super()._new_offset(tp)
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return int(newest) + 1

    async def perform_seek(self) -> None:
        """Go to the committed offsets, then to what the table says: commits may be ahead of the table, or behind."""
        self.app.room.emptied()
        await super().perform_seek()
        if not self.flow_active:  # called from getmany before recovery: the table is not loaded yet
            return
        owned = {tp.partition: tp for tp in self.assignment() if tp.topic == self.app.source}
        for partition, offset in (await self.app.next_offsets(set(owned))).items():
            await self.rewind(owned[partition], offset)

    async def _seek(self, partition: TP, offset: int) -> None:
        """In the consumer's own thread; Faust does it in ours, and aiokafka breaks if it is amid a fetch."""
        await self._thread.call_thread(cast("Any", self._thread.seek), partition, offset)

    async def rewind(self, tp: TP, offset: int) -> None:
        """Read a partition from ``offset`` on; what was fetched before is dropped by the reader's own check.

        Nothing if it is not ours any more: its next owner reads from where its state says.
        """
        try:
            await self.seek(tp, offset)
        except IllegalStateError:
            return
        self._committed_offset[tp] = min(self._committed_offset[tp] or 0, offset)


class BatchTransport(driver.Transport):
    """Faust's transport with our consumer, for one app only."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer


class HighestStore(Store[bytes, bytes]):
    """A table in memory that never goes back: recovery keeps the highest value, not the last one written.

    A paused worker may write an old value late, and that one may be the last in the changelog.
    """

    rank: Callable[[bytes | None], tuple[int, int] | None]
    is_state: Callable[[bytes], bool]

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        ranked = [(order, event) for event in batch if (order := self.rank(to_value(event.value))) is not None]
        # The highest first: of a long history only that one has to be decoded.
        for order, event in sorted(ranked, key=lambda pair: pair[0], reverse=True):
            partition = event.message.partition
            key, value = state_key(partition), to_value(event.value)
            higher = key not in self.data or order >= (self.rank(self.data[key]) or order)
            if to_key(event.key) == key and higher and self.is_state(value):  # anybody may write to a topic
                self._key_partition[key] = partition
                self.data[key] = value


class StateTable(faust.Table[bytes, bytes]):
    """One value for each partition of the source topic; written with an answer, unlike ``table[key] = value``."""

    app: "BatchApp"

    def _new_store_by_url(self, url: Any) -> HighestStore:
        store = HighestStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options=self.options,
        )
        store.rank, store.is_state = self.app.rank, self.app.is_state
        return store

    def load(self, partition: int) -> bytes | None:
        """What recovery found for a partition."""
        value: bytes | None = self.data.data.get(state_key(partition))
        return value

    async def write(self, partition: int, value: bytes) -> None:
        """Write a partition's value and wait until Kafka has it; raises what the producer raises."""
        await self.app.know(self.changelog_topic.get_topic_name(), partition)
        self.data.data[state_key(partition)] = value
        sent = await self.changelog_topic.send(key=state_key(partition), value=value, partition=partition)
        await sent


def state_key(partition: int) -> bytes:
    """The table's key: the partition in decimal."""
    return str(partition).encode()


class BareWeb(Web):
    """Faust's web server without its own pages: they show table data to anyone, and "/" is ours."""

    default_blueprints = ()
    production_blueprints = ()
    debug_blueprints = ()
    optional_blueprints = ()


class BatchApp(faust.App):
    """A Faust app whose agent reads ``source`` in batches, from where ``next_offsets`` says.

    ``rank`` orders the table's values: the higher one is the newer; what has none, or is none by ``is_state``, is no
    value. ``rejoining`` is asked with its former id before this member joins a group again that Kafka dropped it from;
    it does not return where it must not.
    """

    source: str
    room: Room
    next_offsets: NextOffsets
    rejoining: Rejoining
    rank: Callable[[bytes | None], tuple[int, int] | None]
    is_state: Callable[[bytes], bool]

    async def know(self, topic: str, partition: int) -> None:
        """Let the producer look again where a topic has grown: it knows the partitions of some minutes ago."""
        client = cast("driver.Producer", self.producer)._ensure_producer().client
        if partition not in (client.cluster.partitions_for_topic(topic) or ()):
            await client.force_metadata_update()

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    def _new_web(self) -> BareWeb:
        return BareWeb(self)

    @property
    def settled(self) -> bool:
        """Whether the group is at rest and this worker has recovered what it owns."""
        return bool(self.tables.actives_ready and not self.rebalancing)

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""

    async def rewind(self, tp: TP, offset: int) -> None:
        """Read a partition of the source topic again from ``offset`` on."""
        consumer = cast("BatchConsumer", self.consumer)
        await consumer.rewind(tp, offset)

    def raw_topic(self, name: str, **more: Any) -> TopicT:
        """A topic whose keys and values are bytes, for Faust and for whoever sends to it."""
        return self.topic(name, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw", **more)

    def state_table(self, name: str, partitions: int) -> StateTable:
        """Declare the table; its changelog exists beforehand, with the source topic's number of partitions."""
        table = StateTable(
            self,
            name=name,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            beacon=self.tables.beacon,
        )
        self.tables.add(table)
        return table


def by_hand(stream: StreamT[bytes]) -> Stream[bytes]:
    """The stream without Faust's own acknowledgements, which also come for an event whose handling failed."""
    return cast("Stream[bytes]", cast("Stream[bytes]", stream).noack())
