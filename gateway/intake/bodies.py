"""Bodies that arrive in more than one piece: their bytes have one bound for the process, whoever sends them."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from gateway.intake.turns import Turns
from gateway.problems.errors import OverloadedError


class Bodies:
    """The budget of bytes. Where it is used up, the body that has come slowest so far makes room: it is refused.

    ``turns`` are those of all that is read in parts.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.held = 0
        self.turns = Turns()
        self._limit = limit
        self._clock = clock
        self._arriving: set[Share] = set()

    def share(self) -> "Share":
        """To be entered by the task that reads a body, and left when nothing of the body is needed any more."""
        return Share(self, self._clock())

    def charge(self, share: "Share", size: int) -> None:
        """Take ``size`` bytes for a share; OverloadedError where that one is the slowest itself."""
        while self.held + size > self._limit:
            now = self._clock()
            holding = [one for one in self._arriving if one.held or one is share]
            slowest = min(holding, key=lambda one: (one.held + size * (one is share)) / (now - one.began + 1))
            if slowest is share:
                raise OverloadedError("as many bytes of bodies as are allowed are under way")
            self.held -= slowest.give_way()
        self.held += size

    def begin(self, share: "Share") -> None:
        self._arriving.add(share)

    def end(self, share: "Share") -> None:
        """The body is complete, or given up: it makes no more room."""
        self._arriving.discard(share)


class Share:
    """What one body holds of the budget."""

    def __init__(self, bodies: Bodies, began: float) -> None:
        self.held = 0
        self.began = began
        self._bodies = bodies
        self._task: asyncio.Task[object] | None = None
        self._gave_way = False

    def take(self, size: int) -> None:
        """Charge a piece as it arrives."""
        self._bodies.charge(self, size)
        self.held += size

    def complete(self) -> None:
        """All has arrived; the bytes stay charged until the share is left."""
        self._bodies.end(self)

    def give_way(self) -> int:
        """Interrupt the task, which waits for more of its body; the bytes that this frees."""
        assert self._task is not None  # noqa: S101 -- only an entered share arrives
        self._gave_way = True
        self._bodies.end(self)
        self._task.cancel()
        freed, self.held = self.held, 0
        return freed

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._bodies.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bodies.end(self)
        self._bodies.held -= self.held
        if self._gave_way and self._task is not None and self._task.uncancel() == 0:
            raise OverloadedError("a body that came more slowly than others made room") from None
