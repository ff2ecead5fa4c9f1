"""The rate limit: so many applications (or other calls) per visitor and minute, in local memory or in Redis.

Header fields as in the IETF draft "RateLimit header fields for HTTP" (version 11). Redis away means local memory with
the full limit: visitors are rather let through than refused for a fault of ours. That is counted, and logged once.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from gateway.admission.window import SlidingWindow, Standing

if TYPE_CHECKING:
    from gateway.admission.shared_window import SharedWindow

log = logging.getLogger(__name__)

# After a failure Redis is left alone for this long, so that a silent one does not slow every request down.
RETRY_AFTER_SECONDS = 5.0


class RateLimiter:
    """One budget per visitor: ``limit``, or one of its own; without either (0) nobody asks.

    ``fallbacks`` counts the requests that were judged by memory for want of Redis.
    """

    def __init__(
        self,
        limit: int,
        *,
        storage: str = "memory://",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.fallbacks = 0
        self.window = SlidingWindow(limit, clock=clock)
        self._shared = None if storage.startswith("memory:") else _shared(storage, limit)
        self._monotonic = monotonic
        self._away_until = 0.0
        self._away = False

    @property
    def local(self) -> bool:
        """Whether memory alone decides: then ``window`` can be asked without waiting."""
        return self._shared is None

    @property
    def away(self) -> bool:
        """Whether the shared store did not answer the last time."""
        return self._away

    async def take(self, visitor: str, cost: int = 1, limit: int = 0) -> Standing:
        """Take as much of ``cost`` as the visitor has left; ``limit`` is its own, 0 for everybody's."""
        if self._shared is not None and self._monotonic() >= self._away_until:
            try:
                standing = await self._shared.take(visitor, cost, limit)
            except OSError as error:
                self._note_away(error)
            else:
                self._note_back()
                return standing
        self.fallbacks += self._shared is not None
        return self.window.take(visitor, cost, limit)

    async def wait(self, visitor: str, limit: int = 0) -> int:
        """Whole seconds until the visitor is granted something again."""
        if self._shared is not None and not self._away:
            try:
                return await self._shared.wait(visitor, limit)
            except OSError as error:
                self._note_away(error)
        return self.window.wait(visitor, limit)

    async def aclose(self) -> None:
        if self._shared is not None:
            await self._shared.aclose()

    def _note_away(self, error: Exception) -> None:
        self._away_until = self._monotonic() + RETRY_AFTER_SECONDS
        if not self._away:
            log.warning("Redis does not answer, the rate limit is kept in local memory: %s", error)
        self._away = True

    def _note_back(self) -> None:
        if self._away:
            log.warning("Redis answers again, the rate limit is shared again")
        self._away = False


@lru_cache(256)
def policy_header(limit: int) -> bytes:
    """The value of the field RateLimit-Policy."""
    return b'"default";q=%d;w=60' % limit


def standing_header(standing: Standing) -> bytes:
    """The value of the field RateLimit."""
    return b'"default";r=%d;t=%d' % (standing.remaining, standing.reset)


def _shared(storage: str, limit: int) -> "SharedWindow":
    """Imported where it is asked for: Redis's client costs a start as much as the gateway itself does."""
    made: SharedWindow = import_module("gateway.admission.shared_window").SharedWindow(storage, limit)
    return made
