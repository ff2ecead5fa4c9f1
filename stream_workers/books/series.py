"""Counts per minute, hour and day of event time, each over a bounded window that ends at the newest bucket."""

from collections.abc import Iterable, Mapping

Series = Mapping[int, int]

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

KEPT = {MINUTE: 120, HOUR: 7 * 24, DAY: 400}


def with_times(series: Series, width: int, counts: Mapping[int, int]) -> Series:
    """Add event counts to a series; what falls out of its window is dropped.

    ``counts`` maps instants in milliseconds since 1970 to numbers of events; keys of a series are instants // width.
    """
    merged = dict(series)
    for instant, count in counts.items():
        bucket = instant // width
        merged[bucket] = merged.get(bucket, 0) + count
    return windowed(merged, width)


def windowed(series: Series, width: int) -> Series:
    """The newest buckets, as many as are kept for this width."""
    if not series:
        return series
    oldest = max(series) - KEPT[width]
    return series if min(series) > oldest else {bucket: n for bucket, n in series.items() if bucket > oldest}


def summed(many: Iterable[Series], width: int) -> Series:
    """One series for several partitions."""
    merged: dict[int, int] = {}
    for series in many:
        for bucket, count in series.items():
            merged[bucket] = merged.get(bucket, 0) + count
    return windowed(merged, width)
