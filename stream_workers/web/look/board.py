"""One look at everything, shared by all open pages; nothing is asked while nobody looks."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.journal import Position, position_from_json
from stream_workers.books.shelf import BOOKS
from stream_workers.chronicle.topic import Chronicle, Known
from stream_workers.exact.changelog import Follower, Newest
from stream_workers.kafka.backlog import SILENT_SECONDS
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import JOURNAL, KINDS, METRICS, Kind
from stream_workers.web.look.gateways import Database, Intake
from stream_workers.web.look.groups import Group, Groups
from stream_workers.web.look.pace import Pace
from stream_workers.web.look.polled import Polled, Reading
from stream_workers.web.look.rates import Rates
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.look.snapshot import Sample, Snapshot
from stream_workers.web.look.tail import Tail, Tailed

# Who asks at the board's pace finds a new look each time.
_EARLY = 0.9
# A page waits this long for answers that are due; what comes later is in the next look.
PATIENCE_SECONDS = 1.2
# After this long without a look, every connection of this module is closed.
IDLE_SECONDS = 30.0


@dataclass(frozen=True)
class Look:
    """Everything at one moment; ``at`` is in seconds since 1970.

    ``intake`` is None where no database is configured. ``rates``: events counted per second, where that is known.
    ``values`` are the states of each kind of worker by partition, ``complete`` once all of a kind's were read.
    """

    at: float
    counters: Snapshot
    trend: Sequence[Sample]
    intake: Reading[Intake] | None
    groups: Reading[Mapping[str, Group]]
    newest: Reading[Tailed]
    happened: Reading[Known]
    rates: Mapping[int, float]
    values: Mapping[str, Mapping[int, Newest]]
    complete: Mapping[str, bool]

    @property
    def kafka_silent_since(self) -> float | None:
        """When the broker was last heard, once that is longer ago than it should be or it is known to be away."""
        heard, away = self.counters.as_of, self.counters.kafka_away_since
        if away is not None:
            return min(heard or away, away)
        return heard if heard is not None and self.at - heard > SILENT_SECONDS else None

    @property
    def journal(self) -> Mapping[int, Position]:
        """How far the journal is on each partition."""
        return {partition: position_from_json(newest.value) for partition, newest in self.values[JOURNAL.name].items()}


class Board:
    """``look()`` is cheap to call often; what nobody has needed for a while is closed."""

    def __init__(
        self,
        *,
        kafka: Kafka,
        topics: Topics,
        broker: Broker,
        read_model: ReadModel,
        follower: Follower,
        database: Database | None,
        chronicle: Chronicle,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database = database
        self.pace = Pace()
        self._read_model = read_model
        self._clock = clock
        self._groups = Groups(kafka, topics.applications, [kind.group(topics) for kind in KINDS.values()])
        self._tail = Tail(kafka, topics.applications, broker)
        self._follower_of: Callable[[Kind], Follower] = lambda kind: Follower(
            kafka, kind.changelog(topics), broker, book=BOOKS[kind.name]
        )
        self._rates = Rates()
        self._followers = {METRICS.name: follower}
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._polled_groups = Polled(self._groups.ask, every=2.0)
        self._polled_tail = Polled(self._tail.read, every=1.0)
        self._polled_happened = Polled(chronicle.read, every=3.0)
        self._polled_intake = Polled(database.intake, every=2.0) if database else None
        self._closing: asyncio.Task[None] | None = None
        self._look: Look | None = None
        self._looking = asyncio.Lock()

    async def look(self) -> Look:
        """The newest look; another one is taken at the board's pace, whoever asks."""
        async with self._looking:
            if self._look is None or self._clock() - self._look.at >= self.pace.seconds * _EARLY:
                await self._refresh()
                self.pace.looked()
                with self.pace.showing():
                    self._look = self._taken()
            return self._look

    async def close(self) -> None:
        """Ask nobody any more; the next look begins anew."""
        async with self._looking:
            self._look = None
            for task in self._tasks:
                task.cancel()
            self._tasks = ()
            await self._groups.close()
            await self._tail.close()
            if self.database is not None:
                await self.database.close()

    async def _refresh(self) -> None:
        if not self._tasks:
            fresh = {kind.name: self._follower_of(kind) for kind in KINDS.values() if kind != METRICS}
            self._followers |= fresh
            following = [asyncio.create_task(follower.run()) for follower in fresh.values()]
            self._tasks = (*following, asyncio.create_task(self._close_when_idle()))
        sources = (self._polled_groups, self._polled_tail, self._polled_happened, self._polled_intake)
        asking = {task for source in sources if source and (task := source.refresh())}
        if asking:
            await asyncio.wait(asking, timeout=PATIENCE_SECONDS)

    async def _close_when_idle(self) -> None:
        while self._look is None or self._clock() - self._look.at < IDLE_SECONDS:  # noqa: ASYNC110 -- nobody tells that nobody looks
            await asyncio.sleep(IDLE_SECONDS / 3)
        self._closing = asyncio.create_task(self.close())

    def _taken(self) -> Look:
        counters = self._read_model.snapshot()
        return Look(
            at=self._clock(),
            counters=counters,
            trend=tuple(self._read_model.trend),
            intake=self._polled_intake.seen() if self._polled_intake else None,
            groups=self._polled_groups.seen(),
            newest=self._polled_tail.seen(),
            happened=self._polled_happened.seen(),
            rates=self._rates.of(self._clock(), {view.partition: view.last_offset for view in counters.partitions}),
            values={name: dict(follower.newest) for name, follower in self._followers.items()},
            complete={name: follower.complete for name, follower in self._followers.items()},
        )
