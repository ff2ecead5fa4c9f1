"""The rate limit: so many applications (or other calls) per visitor and minute, in local memory or in Redis.

Header fields as in the IETF draft "RateLimit header fields for HTTP" (version 11). Redis away means local memory with
the full limit: visitors are rather let through than refused for a fault of ours. That is counted, and logged once.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from gateway.admission.window import SlidingWindow, Standing

log = logging.getLogger(__name__)

# After a failure Redis is left alone for this long, so that a silent one does not slow every request down.
RETRY_AFTER_SECONDS = 5.0
_TIMEOUT_SECONDS = 1.0

_Answer = TypeVar("_Answer")


async def _bounded(call: Coroutine[Any, Any, _Answer]) -> _Answer:
    async with asyncio.timeout(_TIMEOUT_SECONDS * 2):
        return await call


class RateLimiter:
    """One budget per visitor. ``fallbacks`` counts the requests that were judged by memory for want of Redis."""

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
        self.policy = b'"default";q=%d;w=60' % limit
        self.window = SlidingWindow(limit, clock=clock)
        self._shared = None if storage.startswith("memory:") else _Redis(storage, limit)
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

    async def take(self, visitor: str, cost: int = 1) -> Standing:
        """Take as much of ``cost`` as the visitor has left."""
        if self._shared is not None and self._monotonic() >= self._away_until:
            try:
                standing = await self._shared.take(visitor, cost)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
            else:
                self._note_back()
                return standing
        self.fallbacks += self._shared is not None
        return self.window.take(visitor, cost)

    async def wait(self, visitor: str) -> int:
        """Whole seconds until the visitor is granted something again."""
        if self._shared is not None and not self._away:
            try:
                return await self._shared.wait(visitor)
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
        return self.window.wait(visitor)

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


def standing_header(standing: Standing) -> bytes:
    """The value of the field RateLimit."""
    return b'"default";r=%d;t=%d' % (standing.remaining, standing.reset)


class _Redis:
    """The same budget kept in Redis by `limits`: atomic there, so exact for any number of gateways."""

    def __init__(self, uri: str, limit: int) -> None:
        # limits would take coredis by default. One retry, at once: a pooled connection may date from before a restart.
        self._storage = RedisStorage(
            f"async+{uri}",
            implementation="redispy",
            key_prefix="headgate",
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),  # type: ignore[arg-type]  # handed on to redis-py as it is
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._item = RateLimitItemPerMinute(limit)

    async def take(self, visitor: str, cost: int) -> Standing:
        if await _bounded(self._limiter.hit(self._item, visitor, cost=cost)):
            return await self._standing(visitor, cost)
        standing = await self._standing(visitor, 0)
        granted = min(cost - 1, standing.remaining)
        # Between the two calls another request may have taken what was left: then nothing is granted now.
        if granted < 1 or not await _bounded(self._limiter.hit(self._item, visitor, cost=granted)):
            return standing
        return await self._standing(visitor, granted)

    async def wait(self, visitor: str) -> int:
        return max(1, (await self._standing(visitor, 0)).reset)

    async def _standing(self, visitor: str, granted: int) -> Standing:
        reset, remaining = await _bounded(self._limiter.get_window_stats(self._item, visitor))
        return Standing(granted, remaining, max(0, math.ceil(reset - time.time())))

    async def aclose(self) -> None:
        client: Redis = self._storage.bridge.storage  # type: ignore[attr-defined]  # not in the bridge's types
        await client.aclose()
