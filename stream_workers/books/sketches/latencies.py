"""Latencies of the past, a few bytes for each window: its count, and where seven shares of it end.

The shares are those that people ask for, so p50 and p99 of one window are what its full histogram said. Of several
windows together, or of several partitions, a quantile is an upper bound: what is between two ends goes up to the later.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stream_workers.books.histogram import (
    RECENT_WIDTH,
    Histogram,
    Recent,
    bucket_at,
    latency_bound,
    latency_bucket,
    summed,
)
from stream_workers.books.series import DAY, HOUR, KEPT

# Where the shares end, and how much of ten thousand each one is: a hair more than asked for, so that a quantile at an
# end is that end.
_ENDS = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
_SHARES = (5_001, 2_500, 1_500, 500, 400, 90, 9)
_SLOT = 1 + len(_ENDS)
_NONE = bytes(_SLOT)

FIVE_MINUTES = RECENT_WIDTH
WINDOWS = {FIVE_MINUTES: 24, HOUR: KEPT[HOUR], DAY: KEPT[DAY]}
_FINER = {HOUR: FIVE_MINUTES, DAY: HOUR}


@dataclass(frozen=True, slots=True)
class Past:
    """The closed windows of one width, without a gap, the last of which is number ``end`` - 1."""

    end: int = 0
    slots: bytes = b""

    def with_window(self, number: int, histogram: Histogram, *, kept: int) -> "Past":
        """With one window more; what is not its successor leaves a gap of windows without an event."""
        if number < self.end:
            return self
        gap = min(number - self.end, kept) if self.slots else 0
        slots = self.slots + _NONE * gap + _slot(histogram)
        return Past(number + 1, slots[-_SLOT * kept :])

    def windows(self, first: int, end: int) -> dict[int, Histogram]:
        """The windows from ``first`` up to ``end`` (excluded) that saw anything."""
        begin = self.end - len(self.slots) // _SLOT
        numbers = range(max(first, begin), min(end, self.end))
        slots = ((number, self.slots[(number - begin) * _SLOT :][:_SLOT]) for number in numbers)
        return {number: _histogram(slot) for number, slot in slots if slot != _NONE}


_EMPTY = Past()


@dataclass(frozen=True, slots=True)
class Latencies:
    """Five minutes for two hours, hours for a week, days for 400: by when events were counted, not by their age."""

    fives: Past = _EMPTY
    hours: Past = _EMPTY
    days: Past = _EMPTY

    @classmethod
    def from_fields(cls, fields: Mapping[str, tuple[int, str]]) -> "Latencies":
        """What ``to_fields`` made, or nothing; ValueError, TypeError or AttributeError for anything else."""
        return cls(**{name: _past(*windows) for name, windows in fields.items()})

    def to_fields(self) -> dict[str, tuple[int, str]]:
        """For JSON."""
        parts = {"fives": self.fives, "hours": self.hours, "days": self.days}
        return {name: (past.end, b64encode(past.slots).decode()) for name, past in parts.items()}

    def closed(self, number: int, histogram: Histogram, *, now: int) -> "Latencies":
        """With five minutes that are over, and the hour and the day if they are over too at window ``now``."""
        since = replace(self, fives=self.fives.with_window(number, histogram, kept=WINDOWS[FIVE_MINUTES]))
        for name, width in (("hours", HOUR), ("days", DAY)):
            began = number * FIVE_MINUTES // width
            if now * FIVE_MINUTES // width == began:
                break
            past: Past = getattr(since, name)
            held = past.with_window(began, since._finer(width, began), kept=WINDOWS[width])
            since = replace(since, **{name: held})
        return since

    def over(self, width: int, first: int, recent: Recent) -> dict[int, Histogram]:
        """The windows of one width from number ``first`` on; ``recent`` has what is not closed yet."""
        past = {FIVE_MINUTES: self.fives, HOUR: self.hours, DAY: self.days}[width]
        found = past.windows(first, past.end)
        if width == FIVE_MINUTES:
            return found | {at: held for at, held in recent.items() if at >= max(first, past.end)}
        finer = self.over(_FINER[width], max(first, past.end) * width // _FINER[width], recent)
        return found | _joined(finer, width // _FINER[width])

    def _finer(self, width: int, number: int) -> Histogram:
        past, share = (self.fives, HOUR // FIVE_MINUTES) if width == HOUR else (self.hours, DAY // HOUR)
        return summed(past.windows(number * share, (number + 1) * share).values())


def turned(latencies: Latencies, recent: Recent, now: int) -> tuple[Latencies, Recent]:
    """What was open before window ``now``, closed: into the past, and thinned where it still counts as recent."""
    for number in sorted(window for window in recent if latencies.fives.end <= window < now):
        following = min((window for window in recent if window > number), default=now)
        latencies = latencies.closed(number, recent[number], now=following)
    return latencies, {window: thinned(held) if window < now else held for window, held in recent.items()}


def thinned(histogram: Histogram) -> Histogram:
    """The same counts in at most seven buckets: each goes up to the next end of a share."""
    ends = sorted(set(_ends(histogram)))
    counts: dict[int, int] = {}
    for bucket, count in histogram.items():
        end = next(end for end in ends if end >= bucket)
        counts[end] = counts.get(end, 0) + count
    return counts


def longest(histogram: Histogram) -> float:
    """An upper bound of the longest latency in it, in milliseconds."""
    return latency_bound(max(histogram))


def _joined(finer: Mapping[int, Histogram], share: int) -> dict[int, Histogram]:
    joined: dict[int, list[Histogram]] = {}
    for number, held in finer.items():
        joined.setdefault(number // share, []).append(held)
    return {number: summed(held) for number, held in joined.items()}


def _ends(histogram: Histogram) -> Iterable[int]:
    return (bucket_at(histogram, share) or 0 for share in _ENDS)


def _slot(histogram: Histogram) -> bytes:
    total = sum(histogram.values())
    if not total:
        return _NONE
    return bytes([1 + latency_bucket(total), *_ends(histogram)])


def _histogram(slot: bytes) -> Histogram:
    count = max(1, round(latency_bound(slot[0] - 1)))
    held: dict[int, int] = {}
    for bucket, share in zip(slot[1:], _SHARES, strict=True):
        held[bucket] = held.get(bucket, 0) + share * count
    return held


def _past(end: int, text: str) -> Past:
    try:
        slots = b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if type(end) is not int or len(slots) % _SLOT:
        raise TypeError("no windows of latencies")
    return Past(end, slots)
