"""A source that is asked only while somebody looks, at most every few seconds, and never shown fresher than it is."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from stream_workers.errors import why

log = logging.getLogger(__name__)

T = TypeVar("T")

Freshness = Literal["fresh", "stale", "unknown"]


@dataclass(frozen=True)
class Reading(Generic[T]):
    """The last answer and when it came (seconds since 1970); ``silent_since`` is set while there is no newer one.

    ``why`` says what the last failed question ended with.
    """

    value: T | None = None
    as_of: float | None = None
    silent_since: float | None = None
    why: str | None = None

    @property
    def freshness(self) -> Freshness:
        if self.value is None:
            return "unknown"
        return "fresh" if self.silent_since is None else "stale"


class Polled(Generic[T]):
    """``ask`` may raise anything; ``reading`` keeps the last value and says how old it is."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[T]],
        *,
        every: float,
        timeout: float = 4.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.reading: Reading[T] = Reading()
        self._ask = ask
        self._every = every
        self._timeout = timeout
        self._clock = clock
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    def seen(self) -> Reading[T]:
        """The reading as it is worth now: stale too while an answer that should have come is still out."""
        last = self.reading
        overdue = last.as_of is not None and self._clock() - last.as_of > self._every + self._timeout
        return replace(last, silent_since=last.as_of) if overdue and last.silent_since is None else last

    def refresh(self) -> "asyncio.Task[None] | None":
        """Ask if the last question is old enough; the task of a question under way, None when all is fresh enough."""
        if self._asking is not None and not self._asking.done():
            return self._asking
        if self._clock() - self._asked_at < self._every:
            return None
        self._asked_at = self._clock()
        self._asking = asyncio.create_task(self._ask_once())
        return self._asking

    async def _ask_once(self) -> None:
        started = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                value = await self._ask()
        except Exception as error:  # noqa: BLE001 -- a source that is away is a state to show, whatever it raises
            known = self.reading
            log.debug("a source of the web view is silent: %r", error)
            self.reading = Reading(known.value, known.as_of, known.silent_since or started, why(error))
        else:
            self.reading = Reading(value, started)
