"""What is packed may stand for anything: up to the limit it is unpacked, beyond it neither read nor kept."""

import gzip
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
from aiokafka.codec import lz4_encode, snappy_encode, zstd_encode

from runtime.kafka.unpacking import UnpackError, unpack

LIMIT = 100_000


def two_members(plain: bytes) -> bytes:
    return gzip.compress(plain[:-7]) + gzip.compress(plain[-7:])


PACKED: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "gzip": (1, gzip.compress),
    "gzip of two members": (1, two_members),
    "snappy in blocks": (2, snappy_encode),
    "snappy in one": (2, partial(snappy_encode, xerial_compatible=False)),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}


@pytest.mark.parametrize(("codec", "packed"), PACKED.values(), ids=PACKED)
def test_up_to_the_limit_and_not_beyond(codec: int, packed: Callable[[bytes], bytes]) -> None:
    assert bytes(unpack(codec, memoryview(packed(bytes(LIMIT))), limit=LIMIT)) == bytes(LIMIT)
    with pytest.raises(UnpackError):
        unpack(codec, memoryview(packed(bytes(LIMIT + 1))), limit=LIMIT)


def test_what_stands_behind_gzip_is_no_part_of_it() -> None:
    assert unpack(1, memoryview(gzip.compress(b"whole") + b"\1\2\3"), limit=LIMIT) == b"whole"
    with pytest.raises(UnpackError):
        unpack(1, memoryview(b"\1\2\3"), limit=LIMIT)


def test_a_bomb_of_gzip_takes_no_more_memory_than_its_limit() -> None:
    bomb = memoryview(gzip.compress(bytes(300 * LIMIT)))
    tracemalloc.start()
    try:
        with pytest.raises(UnpackError):
            unpack(1, bomb, limit=LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * LIMIT
