"""One batch of records, whatever is in it: piece by piece, so that not all of it becomes objects at once."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy

from contracts import UNREADABLE_HEADER
from runtime.kafka.records import HEADER_WEIGHT, RECORD_WEIGHT, Form, KafkaRecord, Record, as_consumed
from runtime.kafka.unpacking import UnpackError, unpack
from runtime.kafka.wire import Parts, Reader, WireError, cut

# What one batch may unpack to: sixteen times the largest of the gateway.
UNPACKED_MAX = 8 * 1024 * 1024
# What of a batch becomes objects at once: the largest of the gateway does. 25 MB of memory, were it headers alone.
PIECE_BYTES = 512 * 1024
# Offsets of which nobody can read anything, told of at once.
_LOST_AT_ONCE = 1_000

_HEADER = _DefaultRecordBatchPy.HEADER_STRUCT
_ATTRIBUTES = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET
_COUNT = _HEADER.size - 4
_CODEC, _LATE = _DefaultRecordBatchPy.CODEC_MASK, _DefaultRecordBatchPy.TIMESTAMP_TYPE_MASK


class Piece(NamedTuple):
    """Some records of a batch, about how many bytes of memory they take, and whether they are its ``last``."""

    records: Sequence[KafkaRecord]
    weight: int
    last: bool


class Batch:
    """A batch of a partition: read by aiokafka's compiled reader where that can, else by ours."""

    def __init__(self, at: TopicPartition, raw: memoryview, *, form: Form = as_consumed) -> None:
        self._topic, self._partition = at
        self._raw, self._form = raw, form
        self._header: Sequence[int] = _HEADER.unpack_from(raw)
        self._end = self._header[0] + self._header[6] + 1

    def pieces(self) -> Iterator[Piece]:
        """All of its records; what cannot be read is one too, with its offset, marked by ``UNREADABLE_HEADER``."""
        due = self._header[0]
        try:
            body = self._unpacked()
        except UnpackError as error:
            yield from self._lost(due, f"the batch cannot be unpacked: {error}")
            return
        parts = cut(body, self._header[12], size=PIECE_BYTES)
        for place, (part, count) in enumerate(parts, 1):
            records, broken = self._read(part, count)
            if records:
                yield weighed(records, len(part), last=place == len(parts) and not broken)
                due = records[-1].offset + 1
            if broken:
                yield from self._lost(due, f"the record is broken: {broken}")
                return

    def _unpacked(self) -> memoryview:
        packed, codec = self._raw[_HEADER.size :], self._header[5] & _CODEC
        return memoryview(unpack(codec, packed, limit=UNPACKED_MAX)) if codec else packed

    def _read(self, body: memoryview, count: int) -> tuple[Sequence[KafkaRecord], WireError | None]:
        if len(body) <= PIECE_BYTES:
            try:
                return self._form(self._topic, self._partition, DefaultRecordBatch(self._framed(body, count))), None
            except (ValueError, IndexError, OverflowError, MemoryError, CorruptRecordException):
                pass
        return self._slowly(body, count)

    def _framed(self, body: memoryview, count: int) -> bytes:
        """A part of the batch as a batch of its own, without compression."""
        head, attributes = self._raw[: _HEADER.size], self._header[5] & ~_CODEC
        parts = head[:_ATTRIBUTES], attributes.to_bytes(2, signed=True), head[_ATTRIBUTES + 2 : _COUNT]
        return b"".join((*parts, count.to_bytes(4), body))

    def _slowly(self, body: memoryview, count: int) -> tuple[list[Record], WireError | None]:
        reader = Reader(body)
        records: list[Record] = []
        for _ in range(count):
            try:
                parts = reader.record()
            except WireError as error:
                return records, error
            late = self._header[5] & _LATE
            records.append(self._record(parts, self._header[8] if late else self._header[7] + parts.ahead))
        return records, None

    def _lost(self, start: int, why: str) -> Iterator[Piece]:
        """A record for each offset whose content nobody can read."""
        marked = [(UNREADABLE_HEADER, why.encode())]
        for first in range(start, self._end, _LOST_AT_ONCE):
            offsets = range(first, min(first + _LOST_AT_ONCE, self._end))
            parts = (Parts(0, offset - self._header[0], None, None, marked) for offset in offsets)
            lost = [self._record(each, self._header[8]) for each in parts]
            yield weighed(lost, 0, last=offsets[-1] + 1 == self._end)

    def _record(self, parts: Parts, timestamp: int) -> Record:
        kind = int(bool(self._header[5] & _LATE))
        key_size, value_size = [-1 if part is None else len(part) for part in (parts.key, parts.value)]
        where = self._topic, self._partition, self._header[0] + parts.further, timestamp, kind
        return ConsumerRecord(*where, parts.key, parts.value, None, key_size, value_size, tuple(parts.headers))


def weighed(records: Sequence[KafkaRecord], size: int, *, last: bool) -> Piece:
    """Records that took so many bytes on the wire."""
    headers = sum([len(record.headers) for record in records])
    return Piece(records, size + len(records) * RECORD_WEIGHT + headers * HEADER_WEIGHT, last)
