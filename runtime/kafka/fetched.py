"""What an answer of a broker holds of a partition, handed out in portions: bounded in records, and in bytes of memory.

A small batch may stand for a gigabyte; of a large one only some becomes objects at a time.
"""

import sys
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from runtime.kafka.batch import Batch, Piece, weighed
from runtime.kafka.records import Form, KafkaRecord, as_consumed

# What of all partitions together is handed out at a time.
PORTION_BYTES = 4 * 1024 * 1024
# What one partition is handed out of before it is another one's turn: all that is fetched of it at once, where it is
# events of a gateway. Were they handed out by turns, all would be at their end together, and nothing fetched meanwhile.
TURN_BYTES = 8 * PORTION_BYTES

_LEGACY_MAGIC_AT, _LEGACY_MAGIC_MAX = 16, 1
_LEGACY_AT_ONCE = 500


class Portion(list[KafkaRecord]):
    """Records, with about how much memory they take together."""

    weight = 0


class Most(int):
    """How many records may still come: none once there is no room for their bytes."""

    room = PORTION_BYTES

    def __sub__(self, taken: int) -> Self:
        left = type(self)(int(self) - taken if self.room > 0 else 0)
        left.room = self.room
        return left

    @classmethod
    def of(cls, records: int | None) -> Self:
        """With room for a whole portion."""
        return cls(records or sys.maxsize)


class Batches:
    """The batches in an answer."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at, self._known = memoryview(raw), 0, MemoryRecords(raw)

    def size_in_bytes(self) -> int:
        return len(self._raw)

    def has_next(self) -> bool:
        return bool(self._known.has_next())

    def next_batch(self) -> tuple[Any, memoryview]:
        """What aiokafka knows of the next one, and its bytes."""
        known, start = self._known.next_batch(), self._at
        self._at += 12 + int.from_bytes(self._raw[start + 8 : start + 12])
        return known, self._raw[start : self._at]


class Fetched(fetcher.PartitionRecords):
    """What an answer holds of one partition.

    ``amid`` a batch, what that unpacks to is in memory. The partition is asked first then, and gives no more than its
    rest: so this is one partition at a time, and whoever has much in one batch does not hold up the others for long.
    ``turn`` is how much was handed out since its turn began. A consumer's ``value_deserializer`` says here which form
    its records take: nobody has values deserialized.
    """

    _take_note: Any = fetcher.PartitionRecords._consume_aborted_up_to
    _ends_aborted: Any = fetcher.PartitionRecords._contains_abort_marker

    def __init__(  # as aiokafka calls it
        self,
        tp: TopicPartition,
        records: Batches,
        aborted_transactions: Collection[tuple[int, int]] | None,
        fetch_offset: int,
        _key_deserializer: None,
        value_deserializer: Form | None,
        check_crcs: bool,
        isolation_level: int,
    ) -> None:
        self.next_fetch_offset = self._behind = fetch_offset
        self.exhausted = self.amid = False
        self.turn = 0
        self._tp, self._batches = tp, records
        self._aborted_transactions = sorted(aborted_transactions or [], key=lambda each: each[1])
        self._aborted_producers: set[int] = set()
        self._check_crcs, self._isolation_level = check_crcs, isolation_level
        self._form = value_deserializer or as_consumed
        self._pieces: Iterator[Piece] = iter(())
        self._opened: Sequence[KafkaRecord] = ()
        self._each, self._last = 0, False

    def __next__(self) -> KafkaRecord:
        while not self.exhausted:
            for record in self.take(Most(1)):
                return record
        raise StopIteration

    def take(self, most: Most) -> Portion:
        """What comes next, at most so much."""
        taken, begun = Portion(), self.amid
        while len(taken) < most and most.room > 0 and (self._opened or self._open()):
            left = most - len(taken)
            part, self._opened = self._opened[:left], self._opened[left:]
            taken += part
            taken.weight += len(part) * self._each
            most.room -= len(part) * self._each
            self.next_fetch_offset = part[-1].offset + 1
            if self._last and not self._opened:
                self._close()
                if begun:
                    break
        self.turn += taken.weight
        return taken

    def _open(self) -> bool:
        """Make objects of the next piece; False where there is none."""
        while not self._opened:
            for records, weight, last in self._pieces:
                self._opened, self._each = self._not_before(records), weight // len(records)
                self._last = last
                break
            else:
                self._close()
                if self.exhausted:
                    return False
                self._pieces, self.amid = self._read(*self._batches.next_batch()), True
        return True

    def _close(self) -> None:
        self.next_fetch_offset, self.amid, self._pieces = self._behind, False, iter(())
        self.exhausted = not self._batches.has_next()

    def _not_before(self, records: Sequence[KafkaRecord]) -> Sequence[KafkaRecord]:
        """The batch that holds the offset asked for may begin before it."""
        if records[0].offset >= self.next_fetch_offset:
            return records
        return [record for record in records if record.offset >= self.next_fetch_offset]

    def _read(self, known: Any, raw: memoryview) -> Iterator[Piece]:
        if self._check_crcs and not known.validate_crc():
            raise CorruptRecordException(f"{self._tp}: the checksum of a batch is wrong")
        self._behind = known.next_offset
        if self._is_passed_over(known):
            return iter(())
        if raw[_LEGACY_MAGIC_AT] <= _LEGACY_MAGIC_MAX:
            return _legacy(self._tp, known)
        return Batch(self._tp, raw, form=self._form).pieces()

    def _is_passed_over(self, known: Any) -> bool:
        """Whether a transaction took it back, or it tells of one."""
        if self._isolation_level == fetcher.READ_COMMITTED and known.producer_id is not None:
            self._take_note(known.base_offset)
            if known.is_control_batch and self._ends_aborted(known):
                self._aborted_producers.discard(known.producer_id)
            if known.is_transactional and known.producer_id in self._aborted_producers:
                return True
        return bool(known.is_control_batch)


def _legacy(at: TopicPartition, known: Any) -> Iterator[Piece]:
    """A batch of the forms before Kafka 0.11, which only an old log may hold."""
    records = iter(known)
    while some := as_consumed(*at, islice(records, _LEGACY_AT_ONCE)):
        yield weighed(some, sum(len(record.value or b"") for record in some), last=False)
