"""A HyperLogLog as bytes: Apache DataSketches' compact form of type HLL_4, whole numbers little-endian.

A head of eight bytes; then the coupons; or else figures that the library keeps of the slots, for each slot the four
bits by which its rank is above the lowest, and the coupons of those for which that is too little.
"""

from struct import Struct, error, unpack_from

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream_workers.books.sketches.hyperloglog import LG_SLOTS, RANK_MAX, RANK_SHIFT, SLOTS, HyperLogLog, ranks

# Words of four bytes before the content, version, family, lg of slots, lg of the list, flags, count or lowest rank,
# and the mode.
_HEAD = Struct("<8B")
_VERSION, _FAMILY = 1, 7
_EMPTY, _COMPACT, _OUT_OF_ORDER = 4, 8, 16
_LIST, _SET, _DENSE = 0, 1, 2
_LIST_MAX = 7
# The estimate in order (none is kept), the sums of 2**-rank below and from rank 32 on, slots at the lowest, exceptions.
_FIGURES = Struct("<3d2I")
_DENSE_START = _HEAD.size + _FIGURES.size
_DENSE_END = _DENSE_START + SLOTS // 2
_EXCEPTION = 15


def to_bytes(sketch: HyperLogLog) -> bytes:
    """As states keep it."""
    if sketch.slots:
        return _dense(ranks(sketch.slots))
    coupons, count = sorted(sketch.few), len(sketch.few)
    if count <= _LIST_MAX:
        return _head(2, lg=3, flags=0 if count else _EMPTY, byte=count, mode=_LIST) + _words(coupons)
    return _head(3, lg=_lg_of_table(count), flags=0, byte=0, mode=_SET) + _words([count, *coupons])


def from_bytes(data: bytes) -> HyperLogLog:
    """ValueError if these are no such bytes."""
    try:
        _, version, family, lg_slots, _, _, byte, mode = _HEAD.unpack_from(data)
        known = (version, family, lg_slots) == (_VERSION, _FAMILY, LG_SLOTS)
        if known and mode == _LIST:
            return HyperLogLog(frozenset(unpack_from(f"<{byte}I", data, 8)))
        if known and mode == _SET:
            return HyperLogLog(frozenset(unpack_from(f"<{unpack_from('<I', data, 8)[0]}I", data, 12)))
        if known and mode == _DENSE:
            return HyperLogLog(slots=_slots(data, lowest=byte))
    except error as problem:
        raise ValueError(f"a sketch of distinct users is cut: {problem}") from problem
    raise ValueError(f"{data[:8].hex()} begins no sketch of distinct users")


def _dense(held: NDArray[np.uint8]) -> bytes:
    lowest = int(held.min())
    above = np.minimum(held - np.uint8(lowest), _EXCEPTION).astype(np.uint8)
    (exceptions,) = np.nonzero(above == _EXCEPTION)
    weights = np.ldexp(1.0, -held.astype(np.int32))
    figures = _FIGURES.pack(
        0.0, weights[held < 32].sum(), weights[held >= 32].sum(), int((held == lowest).sum()), len(exceptions)
    )
    lg = _lg_of_table(len(exceptions)) if len(exceptions) else 0
    head = _head(10, lg=lg, flags=_OUT_OF_ORDER, byte=lowest, mode=_DENSE)
    halves = above[0::2] | above[1::2] << np.uint8(4)
    content: bytes = figures + halves.tobytes()
    return head + content + _words(held[exceptions].astype(np.uint32) << RANK_SHIFT | exceptions)


def _slots(data: bytes, *, lowest: int) -> bytes:
    *_, count = _FIGURES.unpack_from(data, _HEAD.size)
    if len(data) != _DENSE_END + 4 * count:
        raise ValueError(f"a sketch of distinct users has {len(data)} bytes")
    halves = np.frombuffer(data[_DENSE_START:_DENSE_END], dtype=np.uint8)
    held = np.empty(SLOTS, dtype=np.uint8)
    held[0::2], held[1::2] = halves & np.uint8(_EXCEPTION), halves >> np.uint8(4)
    held += np.uint8(min(lowest, RANK_MAX))
    exceptions = np.frombuffer(data[_DENSE_END:], dtype="<u4")
    held[exceptions & np.uint32(SLOTS - 1)] = exceptions >> np.uint32(RANK_SHIFT)
    return np.minimum(held, RANK_MAX).astype(np.uint8).tobytes()


def _lg_of_table(count: int) -> int:
    """Of the hash table, at most three quarters full, in which the library keeps so many coupons."""
    return max(5, (count * 4 // 3).bit_length())


def _head(words: int, *, lg: int, flags: int, byte: int, mode: int) -> bytes:
    return _HEAD.pack(words, _VERSION, _FAMILY, LG_SLOTS, lg, _COMPACT | flags, byte, mode)


def _words(numbers: ArrayLike) -> bytes:
    return np.asarray(numbers).astype("<u4").tobytes()
