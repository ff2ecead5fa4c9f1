"""Histograms with fixed bounds: exact counts, mergeable by addition, bounded in size."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TypeVar

Histogram = Mapping[int, int]
K = TypeVar("K")

# A histogram for each of the last windows of five minutes, by the window's number since 1970.
Recent = Mapping[int, Histogram]
RECENT_WIDTH = 300_000
RECENT_KEPT = 3

SIZE_BOUNDS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)

# Four buckets for each doubling: a quantile is off by at most 19 %. The last bucket takes all above 2**40 ms.
_PER_DOUBLING = 4
_LATENCY_BUCKETS = 160


def size_bucket(characters: int) -> int:
    """The index of the first bound that is not below the size; one past the last for anything larger."""
    return bisect_left(SIZE_BOUNDS, characters)


def latency_bucket(milliseconds: int) -> int:
    """The bucket of a latency; negative latencies (clocks apart) count as none."""
    if milliseconds <= 1:
        return 0
    return min(math.ceil(_PER_DOUBLING * math.log2(milliseconds)), _LATENCY_BUCKETS)


def latency_bound(bucket: int) -> float:
    """The largest latency in a bucket, in milliseconds."""
    return float(2 ** (bucket / _PER_DOUBLING))


def added(counts: Mapping[K, int], more: Mapping[K, int]) -> Mapping[K, int]:
    """Counts with further counts in them."""
    merged = dict(counts)
    for bucket, count in more.items():
        merged[bucket] = merged.get(bucket, 0) + count
    return merged


def summed(many: Iterable[Histogram]) -> Histogram:
    """One histogram for several partitions."""
    merged: Histogram = {}
    for histogram in many:
        merged = added(merged, histogram)
    return merged


def with_recent(recent: Recent, instant: int, buckets: Mapping[int, int]) -> Recent:
    """Further counts at an instant (milliseconds since 1970); windows that are not kept any more are dropped."""
    window = instant // RECENT_WIDTH
    merged = {**recent, window: added(recent.get(window, {}), buckets)}
    return {at: held for at, held in merged.items() if at > max(merged) - RECENT_KEPT}


def since(recent: Recent, instant: int) -> Histogram:
    """One histogram of the windows that were open at an instant or later."""
    return summed(held for window, held in recent.items() if window >= instant // RECENT_WIDTH)


def quantile(histogram: Histogram, q: float) -> float | None:
    """An upper bound of the q-quantile of latencies in milliseconds; None of nothing."""
    bucket = bucket_at(histogram, q)
    return None if bucket is None else latency_bound(bucket)


def bucket_at(histogram: Histogram, q: float) -> int | None:
    """The bucket that the q-quantile is in; None of nothing."""
    total = sum(histogram.values())
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= q * total:
            return bucket
    return None
