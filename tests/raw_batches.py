"""Record batches byte by byte, as any client may send them: what a library would not write."""

import gzip
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from aiokafka.record.util import calc_crc32c

NO_PRODUCER = (-1, -1, -1)


@dataclass(frozen=True)
class Raw:
    """One record; names of headers are bytes."""

    value: bytes | None = b"x"
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    ahead: int = 0


@dataclass(frozen=True)
class RawBatch:
    """A batch; ``packed`` makes of its records' bytes what is sent."""

    records: Sequence[Raw] = field(default_factory=lambda: [Raw()])
    codec: int = 0
    packed: Callable[[bytes], bytes] = bytes
    timestamp: int = 1_795_000_000_000
    base_offset: int = 0
    attributes: int = 0
    count: int | None = None
    last_delta: int | None = None

    def to_bytes(self) -> bytes:
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        count = len(self.records) if self.count is None else self.count
        body = self.packed(b"".join(record(each, at) for at, each in enumerate(self.records)))
        last = (count - 1) if self.last_delta is None else self.last_delta
        tail = struct.pack(
            ">hiqqqhii", self.attributes | self.codec, last, self.timestamp, self.timestamp, *NO_PRODUCER, count
        )
        tail += body
        head = struct.pack(">iBI", -1, 2, calc_crc32c(tail)) + tail
        return struct.pack(">qi", self.base_offset, len(head)) + head

    def at(self, offset: int) -> "RawBatch":
        return replace(self, base_offset=offset)


def record(raw: Raw, delta: int) -> bytes:
    body = b"\0" + varint(raw.ahead) + varint(delta) + nullable(raw.key) + nullable(raw.value)
    body += varint(len(raw.headers))
    body += b"".join(varint(len(name)) + name + nullable(value) for name, value in raw.headers)
    return varint(len(body)) + body


def nullable(raw: bytes | None) -> bytes:
    return varint(-1) if raw is None else varint(len(raw)) + raw


def varint(number: int) -> bytes:
    value = (number << 1) ^ (number >> 63)
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def gzipped(plain: bytes) -> bytes:
    return gzip.compress(plain)
