"""Reads records so that no bytes end a reader or fill its memory.

Kafka checks neither the names of headers nor all of what is compressed, and aiokafka raises from within a fetch, again
at every start. Here a record that cannot be read is still a record, with its offset, marked by ``UNREADABLE_HEADER``.
tests/unit/runtime/kafka/test_any_bytes.py fails when a part of aiokafka that this stands in for changes.
"""

from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from runtime.kafka.fetched import TURN_BYTES, Batches, Fetched, Most
from runtime.kafka.records import KafkaRecord

_fetched_records: Any = fetcher.Fetcher.fetched_records


def read_any_bytes() -> None:
    """Let every consumer of this process read records as this package does; may be called again."""
    ours: Any = fetcher
    ours.MemoryRecords, ours.PartitionRecords = Batches, Fetched
    ours.FetchResult.getall, ours.Fetcher.fetched_records = _portion, _answer


def _portion(self: Any, max_records: int | None = None) -> list[KafkaRecord]:
    """As FetchResult.getall."""
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    fetched: Fetched = self._partition_records
    taken = fetched.take(max_records if isinstance(max_records, Most) else Most.of(max_records))
    self._update_position()
    if fetched.exhausted:
        self._partition_records = None
    return taken


async def _answer(
    self: Any, partitions: Collection[TopicPartition], timeout: float = 0, max_records: int | None = None
) -> Mapping[TopicPartition, list[KafkaRecord]]:
    """As Fetcher.fetched_records, with room for one portion in all, and in turns."""
    found: Mapping[TopicPartition, list[KafkaRecord]] = await _fetched_records(
        self, partitions, timeout, Most.of(max_records)
    )
    for at, held in list(self._records.items()):
        fetched = getattr(held, "_partition_records", None)
        if fetched is not None and fetched.amid:
            self._records.move_to_end(at, last=False)
        elif fetched is not None and fetched.turn >= TURN_BYTES:
            fetched.turn = 0
            self._records.move_to_end(at)
    return found
