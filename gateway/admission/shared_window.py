"""The window of the rate limit that all gateways share: kept in Redis, by the library `limits`."""

import asyncio
import math
import time
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from gateway.admission.window import Standing

_TIMEOUT_SECONDS = 1.0

_Answer = TypeVar("_Answer")


async def _bounded(call: Coroutine[Any, Any, _Answer]) -> _Answer:
    """TimeoutError, as OSError, where it takes too long; whatever Redis says of itself is one too."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS * 2):
            return await call
    except RedisError as error:
        raise OSError(str(error)) from error


_per_minute = lru_cache(256)(RateLimitItemPerMinute)


class SharedWindow:
    """As SlidingWindow, in Redis: atomic there, so exact for any number of gateways. OSError where it is away."""

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
        self._limit = limit

    async def take(self, visitor: str, cost: int, limit: int = 0) -> Standing:
        item = self._item(limit)
        if await _bounded(self._limiter.hit(item, visitor, cost=cost)):
            return await self._standing(item, visitor, cost)
        standing = await self._standing(item, visitor, 0)
        granted = min(cost - 1, standing.remaining)
        # Between the two calls another request may have taken what was left: then nothing is granted now.
        if granted < 1 or not await _bounded(self._limiter.hit(item, visitor, cost=granted)):
            return standing
        return await self._standing(item, visitor, granted)

    async def wait(self, visitor: str, limit: int = 0) -> int:
        return max(1, (await self._standing(self._item(limit), visitor, 0)).reset)

    def _item(self, limit: int) -> RateLimitItemPerMinute:
        return _per_minute(limit or self._limit)

    async def _standing(self, item: RateLimitItemPerMinute, visitor: str, granted: int) -> Standing:
        reset, remaining = await _bounded(self._limiter.get_window_stats(item, visitor))
        return Standing(granted, remaining, max(0, math.ceil(reset - time.time())))

    async def aclose(self) -> None:
        client: Redis = self._storage.bridge.storage  # type: ignore[attr-defined]  # not in the bridge's types
        await client.aclose()
