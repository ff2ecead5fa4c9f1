"""How many different names there were: exact while they are few, by HyperLogLog beyond.

The hash and what is kept of it are those of Apache DataSketches, so that a sketch begun by that library goes on here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from math import log

import numpy as np
from mmh3 import hash_bytes
from numpy.typing import NDArray

LG_SLOTS = 12
SLOTS = 1 << LG_SLOTS
# Up to so many the hashes themselves are kept; two of them are taken for one in a thousand such sketches.
FEW = 384
# A coupon is what is kept of a hash: its address, and above it the rank (1 to 63, each half as frequent as the last).
RANK_SHIFT = 26
RANK_MAX = 63
_ADDRESS = (1 << RANK_SHIFT) - 1
_SEED = 9001
# The standard error of an estimate from so many slots: 1.6 %.
_ERROR = 1.04 / SLOTS**0.5


@dataclass(frozen=True)
class Estimate:
    """An approximate count with its bounds (two standard deviations)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class HyperLogLog:
    """The coupons of ``few`` names; beyond, the highest rank for each of ``slots``. One of both is empty."""

    few: frozenset[int] = frozenset()
    slots: bytes = b""

    def seen(self, names: Iterable[str]) -> "HyperLogLog":
        """With further names."""
        return self.with_coupons(_coupons(names))

    def merged(self, other: "HyperLogLog") -> "HyperLogLog":
        """Of both."""
        if self.slots and other.slots:
            return HyperLogLog(slots=np.maximum(ranks(self.slots), ranks(other.slots)).tobytes())
        more, fewer = (self, other) if self.slots else (other, self)
        return more.with_coupons(np.array(sorted(fewer.few), dtype=np.uint32))

    def with_coupons(self, coupons: NDArray[np.uint32]) -> "HyperLogLog":
        """With what is kept of further names."""
        if self.slots:
            return HyperLogLog(slots=_raised(self.slots, coupons))
        few = self.few.union(coupons.tolist())
        if len(few) <= FEW:
            return HyperLogLog(few)
        return HyperLogLog(slots=_raised(bytes(SLOTS), np.array(sorted(few), dtype=np.uint32)))

    def estimate(self) -> Estimate:
        """How many different names were seen."""
        if not self.slots:
            count = float(len(self.few))
            return Estimate(count, count, count)
        value = _improved_raw_estimate(np.bincount(ranks(self.slots), minlength=RANK_MAX + 1))
        return Estimate(value, value / (1 + 2 * _ERROR), value / (1 - 2 * _ERROR))


def ranks(slots: bytes) -> NDArray[np.uint8]:
    """As an array that cannot be changed."""
    return np.frombuffer(slots, dtype=np.uint8)


def _coupons(names: Iterable[str]) -> NDArray[np.uint32]:
    hashes = np.frombuffer(b"".join(map(hash_bytes, names, repeat(_SEED))), dtype="<u8")
    low, high = hashes[0::2], hashes[1::2]
    # The bit below the highest is cleared first: a float must not round up to the next power of two.
    _, length = np.frexp((high & ~(high >> np.uint64(1))).astype(np.float64))
    rank = np.minimum(65 - length, RANK_MAX).astype(np.uint32)
    coupons: NDArray[np.uint32] = rank << np.uint32(RANK_SHIFT) | (low & np.uint64(_ADDRESS)).astype(np.uint32)
    return coupons


def _raised(slots: bytes, coupons: NDArray[np.uint32]) -> bytes:
    held, slot, rank = ranks(slots), coupons & np.uint32(SLOTS - 1), coupons >> np.uint32(RANK_SHIFT)
    if not (rank > held[slot]).any():
        return slots
    raised = held.copy()
    np.maximum.at(raised, slot, rank.astype(np.uint8))
    return raised.tobytes()


def _improved_raw_estimate(slots_by_rank: NDArray[np.int64]) -> float:
    """Unbiased over the whole range (Ertl 2017, algorithm 6); that all slots reach the highest rank is left out."""
    filled = sum(int(count) * 2.0**-rank for rank, count in enumerate(slots_by_rank) if rank)
    return SLOTS**2 / (2 * log(2) * (SLOTS * _sigma(int(slots_by_rank[0]) / SLOTS) + filled))


def _sigma(share: float) -> float:
    """``share + sum(share**2**k * 2**(k - 1) for k = 1, 2, …)``, as far as a float can tell."""
    total, before, weight = share, -1.0, 1.0
    while total != before:
        share *= share
        before, total, weight = total, total + share * weight, weight * 2
    return total
