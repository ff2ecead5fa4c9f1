"""Counting in local memory how much each visitor used in the last minute: a sliding window from two fixed ones.

The same approximation as `limits`' sliding-window counter (the previous minute counts by the part of it that still
lies in the window), so that memory and Redis judge alike. `limits`' own memory storage walks all visitors on every
hit; here a hit costs the same with one visitor or a million.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

# More visitors than this in one minute share one budget: memory stays bounded whoever comes.
VISITORS_MAX = 200_000
THE_REST = "*"


class Standing(NamedTuple):
    """Where a visitor stands: ``granted`` of what was asked, ``remaining`` now, ``reset`` seconds to more."""

    granted: int
    remaining: int
    reset: int


class SlidingWindow:
    """Counts for all visitors; used from one event loop, so that every call is atomic."""

    def __init__(self, limit: int, *, seconds: int = 60, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._window, self._began = 0, 0.0
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def take(self, visitor: str, cost: int = 1, limit: int = 0) -> Standing:
        """Take as much of ``cost`` as is left, all of it if possible. Never more than the limit in any window.

        ``limit`` is the visitor's own, 0 for everybody's.
        """
        elapsed = self._turn()
        current = self._current
        if visitor not in current and len(current) >= VISITORS_MAX:
            visitor = THE_REST
        used = current.get(visitor, 0)
        before = self._previous.get(visitor, 0)
        # Both kinds of rounding are down, as in `limits`.
        left = (limit or self._limit) - used - (int(before * (1 - elapsed / self._seconds)) if before else 0)
        granted = cost if cost <= left else max(0, left)
        if granted:
            current[visitor] = used + granted
        return Standing(granted, max(0, left - granted), self._seconds - int(elapsed))

    def wait(self, visitor: str, limit: int = 0) -> int:
        """Whole seconds until one more is granted, at least 1."""
        elapsed, limit = self._turn(), limit or self._limit
        used, before = self._current.get(visitor, 0), self._previous.get(visitor, 0)
        if used < limit and before:
            fits = self._seconds * (1 - (limit - used) / before)
            return max(1, math.floor(fits - elapsed) + 1)
        return max(1, math.floor(self._seconds - elapsed) + 1)

    def _turn(self) -> float:
        """Start a new window if it is time; seconds since the current one began."""
        now = self._clock()
        if not 0 <= now - self._began < self._seconds:
            window = int(now // self._seconds)
            self._previous = self._current if window == self._window + 1 else {}
            self._current = {}
            self._window, self._began = window, window * self._seconds
        return now - self._began
