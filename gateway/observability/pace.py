"""How fast this process accepts, from its own counters over the last seconds: for the web view."""

import time
from collections import deque
from collections.abc import Callable

from gateway.observability.metrics import SECONDS, Metrics

WINDOW_SECONDS = 30.0
_SUBMITTED = ("POST", "/applications", 201)


class Pace:
    """Asked with each heartbeat of the lease, that is every few seconds."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._seen: deque[tuple[float, int, list[int]]] = deque([(clock(), 0, [])])

    def look(self, accepted: int) -> tuple[float, float | None]:
        """Applications accepted per second since the last question; p99 of the POST (ms, None where none came)."""
        now = self._clock()
        requests = self._metrics.requests.get(_SUBMITTED)
        counts = list(requests.counts) if requests else []
        before, accepted_before, _ = self._seen[-1]
        self._seen.append((now, accepted, counts))
        while now - self._seen[0][0] > WINDOW_SECONDS:
            self._seen.popleft()
        rate = (accepted - accepted_before) / max(now - before, 0.001)
        return round(rate, 2), _p99(counts, self._seen[0][2])


def _p99(counts: list[int], before: list[int]) -> float | None:
    """The upper bound of the bucket that holds it; above the last bound, that bound."""
    answered = [count - (before[index] if before else 0) for index, count in enumerate(counts)]
    wanted, seen = 0.99 * sum(answered), 0
    for bound, count in zip((*SECONDS, SECONDS[-1]), answered, strict=False):
        seen += count
        if count and seen >= wanted:
            return bound * 1000
    return None
