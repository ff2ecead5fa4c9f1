"""How often everything is looked at: once a second, less often where showing it would take too much of the worker."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_SECONDS = 1.0
SLOWEST_SECONDS = 10.0
# What showing may take of one core, however many different pages are open. Sending it takes as much again.
SHARE = 0.008


class Pace:
    """``seconds`` from one look to the next, by what the last two cost to show.

    The cheaper of the two counts: the first look at a page compiles its template, once.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._former = self._cost = 0.0

    @property
    def seconds(self) -> float:
        return min(max(EVERY_SECONDS, min(self._former, self._cost) / SHARE), SLOWEST_SECONDS)

    def looked(self) -> None:
        """A new look begins; what is shown from here on is its cost."""
        self._former, self._cost = self._cost, 0.0

    @contextmanager
    def showing(self) -> Iterator[None]:
        """What runs inside, without waiting for anything, is part of the cost."""
        began = self._clock()
        try:
            yield
        finally:
            self._cost += self._clock() - began
