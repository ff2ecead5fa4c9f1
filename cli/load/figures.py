"""What a run of the traffic generator has measured, in memory that does not grow with it."""

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

_STEP = math.log(1.02)  # buckets of 2 %: a percentile is off by 1 % at most
_MICROSECOND = 1e-6
# What a submission and a reading are answered with.
GOOD = frozenset({200, 201})
# The rows of a histogram, in seconds: 1, 2 and 5 µs, 10 µs …
EDGES = tuple(float(f"{first}e{power}") for power in range(-6, 3) for first in (1, 2, 5))


@dataclass
class Figures:
    """Answers by status, failures by kind, latencies in buckets; ``seconds`` is the length of a run that is over."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest: float = 0.0
    _buckets: Counter[int] = field(default_factory=Counter)

    def answer(self, status: int, latency: float) -> None:
        self.statuses[status] += 1
        self._buckets[int(math.log(max(latency, _MICROSECOND) / _MICROSECOND) / _STEP)] += 1
        self.slowest = max(self.slowest, latency)

    def fail(self, kind: str) -> None:
        self.failures[kind] += 1

    @property
    def answers(self) -> int:
        return self.statuses.total()

    @property
    def accepted(self) -> int:
        return sum(self.statuses[status] for status in GOOD)

    @property
    def errors(self) -> int:
        return self.answers - self.accepted + self.failures.total()

    def percentile(self, share: float) -> float:
        """The latency, in seconds, that this share of the answers did not exceed; 0 without answers."""
        left = math.ceil(self.answers * share)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return min(_MICROSECOND * math.exp((bucket + 0.5) * _STEP), self.slowest)
        return self.slowest

    def histogram(self) -> list[tuple[float, int]]:
        """How many answers took longer than the row before and at most so many seconds, by rows without gaps."""
        counts: Counter[int] = Counter()
        for bucket, count in self._buckets.items():
            row = bisect_left(EDGES, _MICROSECOND * math.exp(bucket * _STEP) * (1 - 1e-9))
            counts[min(row, len(EDGES) - 1)] += count
        rows = range(min(counts), max(counts) + 1) if counts else ()
        return [(EDGES[row], counts[row]) for row in rows]
