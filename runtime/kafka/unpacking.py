"""Unpacks what producers compressed, into bounded memory: a kilobyte may stand for a gigabyte."""

import zlib
from collections.abc import Callable
from typing import Any

import cramjam
from aiokafka.codec import _detect_xerial_stream

_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_GZIP_FORM = 31
_XERIAL_HEADER = 16
# What most batches unpack to at most, times their size: more is tried only where this is too little.
_USUAL = 16


class UnpackError(ValueError):
    """The bytes are not what their codec makes, or stand for too many."""


def unpack(codec: int, packed: memoryview, *, limit: int) -> bytes | memoryview:
    """What was packed by one of Kafka's codecs (its number); UnpackError where that has more than ``limit`` bytes."""
    try:
        return _UNPACKERS[codec](packed, limit)
    except (KeyError, ValueError, OverflowError, MemoryError, zlib.error, cramjam.DecompressionError) as error:
        raise UnpackError(f"codec {codec}: {error}") from error


def _gzip(packed: memoryview, limit: int) -> bytes:
    parts, left = [], limit + 1
    rest: bytes | memoryview = packed
    while rest and left > 0:
        member = zlib.decompressobj(_GZIP_FORM)
        try:
            parts.append(member.decompress(rest, left))
        except zlib.error:
            if not parts:
                raise
            break  # whatever stands behind a whole member is no part of it
        left -= len(parts[-1])
        rest = member.unused_data
    return _within(limit, b"".join(parts))


def _snappy(packed: memoryview, limit: int) -> bytes:
    if not _detect_xerial_stream(packed):
        return _block(packed, limit)
    parts, at, left = [], _XERIAL_HEADER, limit
    while at < len(packed):
        end = at + 4 + int.from_bytes(packed[at : at + 4])
        parts.append(_block(packed[at + 4 : end], left))
        left -= len(parts[-1])
        at = end
    return b"".join(parts)


def _block(packed: memoryview, limit: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(packed) > limit:
        raise UnpackError(f"more than {limit} bytes")
    return bytes(cramjam.snappy.decompress_raw(packed))


def _framed(codec: Any) -> Callable[[memoryview, int], memoryview]:
    def unpacked(packed: memoryview, limit: int) -> memoryview:
        for size in (min(limit, len(packed) * _USUAL), limit):
            room = memoryview(bytearray(size))
            try:
                return room[: codec.decompress_into(packed, room)]
            except cramjam.DecompressionError:
                if size == limit:
                    raise
        raise AssertionError

    return unpacked


def _within(limit: int, unpacked: bytes) -> bytes:
    if len(unpacked) > limit:
        raise UnpackError(f"more than {limit} bytes")
    return unpacked


_UNPACKERS: dict[int, Callable[[memoryview, int], bytes | memoryview]] = {
    _GZIP: _gzip,
    _SNAPPY: _snappy,
    _LZ4: _framed(cramjam.lz4),
    _ZSTD: _framed(cramjam.zstd),
}
