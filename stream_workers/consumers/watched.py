"""The groups as they are and as they were: what Kafka says now, beside what it said in the last quarter of an hour."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.kafka.clients import Kafka
from stream_workers.books.state import State
from stream_workers.consumers.age import oldest_waiting, slope
from stream_workers.consumers.asked import Asked, ask_groups
from stream_workers.errors import NoTopicError
from stream_workers.kafka.broker import Broker

# A sample a minute, or as often as somebody looks; a quarter of an hour of them.
SAMPLE_SECONDS = 60.0
_LEAST_SECONDS = 1.0
_TREND_SECONDS = 900.0
_TREND_MAX = 450


@dataclass(frozen=True)
class Partition:
    """One partition as a group has it; ``committed`` is None where nothing was. ``lost`` were deleted unread."""

    partition: int
    committed: int | None
    end: int
    lag: int
    lost: int
    member: str | None


@dataclass(frozen=True)
class Consumer:
    """One group. ``growth`` is of its lag in events a second, ``moved_at`` when it was seen to commit, since ``since``.

    ``too_late_in``: seconds until its next event falls out of retention at this rate; infinite where it does not,
    None where that is not known.
    """

    group: str
    state: str | None
    members: Mapping[str, Sequence[int]] | None
    lag: int | None
    lag_seconds: float | None
    growth: float | None
    moved_at: float | None
    since: float
    lost: int
    too_late_in: float | None
    partitions: Sequence[Partition]
    why: str | None


@dataclass(frozen=True)
class Consumers:
    """Those that read the topic, the worst first, of ``total`` groups that Kafka lists."""

    found: Sequence[Consumer]
    total: int
    retention_seconds: float | None
    retention_why: str | None


@dataclass
class _Past:
    since: float
    committed: Mapping[int, int]
    moved_at: float | None = None
    points: deque[tuple[float, int, float | None]] = field(default_factory=lambda: deque(maxlen=_TREND_MAX))


class Watched:
    """``ask`` raises where Kafka does not answer; ``states`` are the counters' of each partition."""

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        broker: Broker,
        states: Callable[[], Mapping[int, State]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kafka, self._topic, self._broker = kafka, topic, broker
        self._states, self._clock = states, clock
        self._past: dict[str, _Past] = {}

    async def ask(self) -> Consumers:
        """All of them now."""
        partitions = sorted(await self._broker.partitions(self._topic))
        if not partitions:
            raise NoTopicError(self._topic)
        client = self._kafka.admin(request_timeout_ms=8_000)
        try:
            await client.start()
            groups = await ask_groups(client, self._topic, partitions)
        finally:
            await client.close()
        starts = await self._broker.first_offsets(self._topic, partitions)
        ends = await self._broker.end_offsets(self._topic, partitions)
        kept = groups.retention_seconds
        found = [self._consumer(group, starts=starts, ends=ends, kept=kept) for group in groups.found]
        self._past = {group.group: self._past[group.group] for group in found}
        return Consumers(sorted(found, key=_worst_first), groups.total, kept, groups.retention_why)

    def _consumer(
        self, asked: Asked, *, starts: Mapping[int, int], ends: Mapping[int, int], kept: float | None
    ) -> Consumer:
        owners = {partition: name for name, held in (asked.members or {}).items() for partition in held}
        rows = [
            _partition(partition, asked.committed.get(partition), starts[partition], end, owners.get(partition))
            for partition, end in sorted(ends.items())
        ]
        now = self._clock()
        lag = None if asked.why else sum(row.lag for row in rows)
        lag_seconds = self._age(rows, ends, now) if lag is not None else None
        past = self._remembered(asked, lag, lag_seconds, now)
        lost = sum(row.lost for row in rows)
        return Consumer(
            group=asked.name,
            state=asked.state,
            members=asked.members,
            lag=lag,
            lag_seconds=lag_seconds,
            growth=slope([(at, events) for at, events, _ in past.points]),
            moved_at=past.moved_at,
            since=past.since,
            lost=lost,
            too_late_in=0.0 if lost else _too_late_in(past, lag_seconds, kept),
            partitions=rows,
            why=asked.why,
        )

    def _age(self, rows: Sequence[Partition], ends: Mapping[int, int], now: float) -> float | None:
        due = {row.partition: row.end - row.lag for row in rows if row.lag}
        if not due:
            return 0.0
        oldest = oldest_waiting(self._states(), due, ends)
        return None if oldest is None else max(0.0, now - oldest)

    def _remembered(self, asked: Asked, lag: int | None, lag_seconds: float | None, now: float) -> _Past:
        past = self._past.setdefault(asked.name, _Past(now, asked.committed))
        if asked.why is None and asked.committed != past.committed:
            past.committed, past.moved_at = asked.committed, now
        if lag is not None and (not past.points or now - past.points[-1][0] >= _LEAST_SECONDS):
            past.points.append((now, lag, lag_seconds))
        while past.points and now - past.points[0][0] > _TREND_SECONDS:
            past.points.popleft()
        return past


async def sampled(ask: Callable[[], "asyncio.Task[None] | None"]) -> None:
    """Ask once a minute, for ever, so that there is a trend when somebody looks."""
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        ask()


def _partition(partition: int, committed: int | None, start: int, end: int, member: str | None) -> Partition:
    """What was never committed is read from its start, or from its end: what waits is not known, and not counted."""
    if committed is None:
        return Partition(partition, None, end, 0, 0, member)
    waits_from = max(committed, start)
    return Partition(partition, committed, end, max(0, end - waits_from), max(0, min(start, end) - committed), member)


def _too_late_in(past: _Past, age: float | None, kept: float | None) -> float | None:
    if kept is None or age is None:
        return None
    if age == 0 or kept == float("inf"):
        return float("inf")
    growth = slope([(at, seconds) for at, _, seconds in past.points if seconds is not None])
    if growth is None:
        return None
    return float("inf") if growth <= 0 else max(0.0, (kept - age) / growth)


def _worst_first(consumer: Consumer) -> tuple[bool, float, str]:
    return (not consumer.lost, -(consumer.lag_seconds or 0.0), consumer.group)
