"""The records in what Kafka hands out, read so that no bytes end a reader.

Kafka checks neither the names of headers nor all of what is compressed, and a small batch may stand for a gigabyte;
aiokafka raises from within a fetch, again at every start. Here a record that cannot be read is still a record, with its
offset, marked by ``UNREADABLE_HEADER``. Its private parts that this takes are named in ``read_any_bytes``;
tests/unit/runtime/test_records.py fails when one of them changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from contracts import UNREADABLE_HEADER, Header
from runtime.kafka.unpacking import UnpackError, unpack
from runtime.kafka.wire import Reader, WireError

# What one batch may unpack to: eight times the largest batch of the gateway. Each partition may hold one in memory.
UNPACKED_MAX = 8 * 1024 * 1024
# A smaller batch holds nothing that is large in memory.
_ORDINARY = 256 * 1024
HEADERS_MAX = 100_000
# What of one partition becomes objects at a time, and what an object weighs beside its bytes.
PORTION_BYTES = 4 * 1024 * 1024
_RECORD_WEIGHT, _HEADER_WEIGHT = 400, 160

_HEADER = _DefaultRecordBatchPy.HEADER_STRUCT
_ATTRIBUTES = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET
_CODEC = _DefaultRecordBatchPy.CODEC_MASK
_LEGACY_MAGIC_AT, _LEGACY_MAGIC_MAX = 16, 1


def read_any_bytes() -> None:
    """Let every consumer of this process read records as this module does; may be called again."""
    fetcher.MemoryRecords = Records
    fetcher.FetchResult.getall = _portion  # type: ignore[method-assign]


@dataclass(slots=True)
class Record:
    """One record as aiokafka passes it on."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    checksum: None = None


class Records:
    """The batches in one answer to a fetch."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at, self._batches = memoryview(raw), 0, MemoryRecords(raw)

    def size_in_bytes(self) -> int:
        return len(self._raw)

    def has_next(self) -> bool:
        return bool(self._batches.has_next())

    def next_batch(self) -> Any:
        legacy_or_fast = self._batches.next_batch()
        length = int.from_bytes(self._raw[self._at + 8 : self._at + 12])
        raw = self._raw[self._at : self._at + 12 + length]
        self._at += len(raw)
        return legacy_or_fast if raw[_LEGACY_MAGIC_AT] <= _LEGACY_MAGIC_MAX else Batch(raw, legacy_or_fast)


class Batch:
    """One batch: by aiokafka's compiled reader where that can read it, else by ours."""

    def __init__(self, raw: memoryview, fast: Any) -> None:
        self._raw, self._fast = raw, fast
        self.base_offset, self.next_offset = fast.base_offset, fast.next_offset
        self.is_control_batch, self.is_transactional = fast.is_control_batch, fast.is_transactional
        self.producer_id = fast.producer_id

    def validate_crc(self) -> bool:
        return bool(self._fast.validate_crc())

    def __next__(self) -> Any:
        return next(self._fast)

    def __iter__(self) -> Iterator[Any]:
        header = _HEADER.unpack_from(self._raw)
        try:
            plain = _plain(self._raw, header[5])
        except UnpackError as error:
            yield from self._lost(self.base_offset, header, f"the batch cannot be unpacked: {error}")
            return
        done = 0
        if len(plain) <= _ORDINARY or not _has_large(plain[_HEADER.size :]):
            try:
                for record in DefaultRecordBatch(plain):
                    yield record
                    done += 1
            except (ValueError, IndexError, OverflowError, MemoryError, CorruptRecordException):
                pass
            else:
                return
        yield from self._slowly(plain[_HEADER.size :], header, skip=done)

    def _slowly(self, plain: memoryview, header: Sequence[int], *, skip: int) -> Iterator[Record]:
        reader, due = Reader(plain), self.base_offset
        for index in range(header[12]):
            try:
                record = _read(reader, header)
            except WireError as error:
                yield from self._lost(max(due, self.base_offset + skip), header, f"the record is broken: {error}")
                return
            due = record.offset + 1
            if index >= skip:
                yield record

    def _lost(self, start: int, header: Sequence[int], why: str) -> Iterator[Record]:
        """A record for each offset whose content nobody can read."""
        for offset in range(start, self.next_offset):
            yield Record(offset, header[8], 0, None, None, ((UNREADABLE_HEADER, why.encode()),))


def lost_parts(record: Any) -> tuple[str, ...]:
    """What nobody could read of a record: nothing, its ``headers``, or all of its ``content``."""
    if [name for name, _ in record.headers] != [UNREADABLE_HEADER]:
        return ()
    return ("content",) if record.value is None and record.key is None else ("headers",)


def _plain(raw: memoryview, attributes: int) -> memoryview:
    """The batch without compression, which its attributes no longer tell then."""
    codec = attributes & _CODEC
    if not codec:
        return raw
    unpacked = unpack(codec, raw[_HEADER.size :], limit=UNPACKED_MAX)
    plain = bytearray(raw[: _HEADER.size])
    plain[_ATTRIBUTES : _ATTRIBUTES + 2] = (attributes & ~_CODEC).to_bytes(2, signed=True)
    plain += unpacked
    return memoryview(plain)


def _has_large(plain: memoryview) -> bool:
    """Whether a record is so large that its headers alone could fill the memory."""
    at, end = 0, len(plain)
    try:
        while at < end:
            # A zigzag varint, as Reader reads it: this goes over every record there is, at a fifth of its time.
            length = shift = 0
            while (byte := plain[at]) >= 0x80:
                length |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
            length |= byte << shift
            at += 1 + (length >> 1)
            if length & 1 or length >> 1 > _ORDINARY:
                return True
    except IndexError:
        return True
    return at != end


def _read(reader: Reader, header: Sequence[int]) -> Record:
    """One record; its headers' names as they are, escaped where they are no text."""
    length = reader.number()
    end = reader.at + length
    if not 0 <= length <= reader.left:
        raise WireError(f"a record of {length} bytes, {reader.left} are left")
    reader.take(1)
    ahead, further = reader.number(), reader.number()
    late = header[5] & 8
    key, value, count = reader.nullable(), reader.nullable(), reader.number()
    headers: list[Header] = []
    why = f"{count} headers" if count > HEADERS_MAX else ""
    for _ in range(min(count, HEADERS_MAX)):
        name = reader.take(reader.number())
        try:
            text = str(name, "utf-8")
        except UnicodeDecodeError:
            text, why = str(name, "utf-8", "backslashreplace"), "a header's name is no UTF-8"
        headers.append((text, cast("bytes", reader.nullable())))  # null where Kafka has null
    if reader.at > end or (reader.at != end and count <= HEADERS_MAX):
        raise WireError("its length is not that of its parts")
    reader.at = end
    marks = [(UNREADABLE_HEADER, why.encode())] if why else []
    headers = headers if count <= HEADERS_MAX else []
    timestamp = header[8] if late else header[7] + ahead
    return Record(header[0] + further, timestamp, int(bool(late)), key, value, marks + headers)


class Portion(list[Any]):
    """Records with what they weigh together."""

    weight = 0


def _portion(self: Any, max_records: int | None = None) -> list[Any]:
    """As FetchResult.getall, bounded in bytes as well: what a batch unpacks to becomes objects by and by."""
    if not self.check_assignment(self._topic_partition) or not self.has_more():
        return []
    taken = Portion()
    room = PORTION_BYTES
    for record in self._partition_records:
        taken.append(record)
        room -= weight(record)
        if room <= 0 or len(taken) == max_records:
            self._update_position()
            break
    else:
        self._update_position()
        self._partition_records = None
    taken.weight = PORTION_BYTES - room
    return taken


def weight(record: Any) -> int:
    """About how many bytes of memory a record takes."""
    headers = record.headers
    size: int = _RECORD_WEIGHT + len(record.value or b"") + len(record.key or b"") + len(headers) * _HEADER_WEIGHT
    for name, value in headers:
        size += len(name) + len(value or b"")
    return size
