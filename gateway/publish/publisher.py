"""The one task that sends this gateway's own applications to the topic, in order of commit.

States: ``waiting`` (no lease, or the former one is not drained yet), ``memory`` (first sends, straight from the
commits), ``backlog`` (spilled: read back from PostgreSQL, never handed to a producer before), ``condemned`` (a send
failed) and ``fenced`` (the lease was lost). From the last two a new lease leads out: everything that may have been
handed over belongs to the former lease then, and whoever drains that one compares it with the topic (recovery.py).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

from gateway.commit.lease import LeaseKeeper
from gateway.commit.submission import Batch
from gateway.database.connection import DATABASE_ERRORS, Session
from gateway.observability.telemetry import Telemetry
from gateway.publish import backlog
from gateway.publish.events import Event, from_submission
from gateway.publish.producer import MAX_BATCH_BYTES, Producer, SendError
from gateway.publish.topic import BROKER_ERRORS, batch_bytes_max, brokers, look, readable_ends
from gateway.settings import Settings

log = logging.getLogger(__name__)

_BACKLOG_EVENTS = 2_000
_CYCLE_EVENTS = 2_000
# Under load a cycle begins at most so often: a request costs the broker and this process far more than an event in it.
_CYCLE_SECONDS = 0.02
_RETRY_SECONDS = 0.5
_POSITIONS_SECONDS = 60.0


class Publisher:
    """Publishes what the writer releases; the outbox row of a batch is confirmed when all of it is acknowledged."""

    def __init__(
        self,
        *,
        keeper: LeaseKeeper,
        session: Session,
        settings: Settings,
        confirm: Callable[[UUID], None],
        telemetry: Telemetry | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._telemetry = telemetry or Telemetry(settings)
        self._keeper, self._session, self._settings, self._confirm = keeper, session, settings, confirm
        self._clock, self._cycle_began = clock, -_CYCLE_SECONDS
        self._memory: deque[Batch] = deque()
        self._memory_events = self._memory_bytes = 0
        self._lease: UUID | None = None
        self._spilled = False
        self._handed = self._released = backlog.FIRST
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        self._producer: Producer | None = None
        self._topic_id: UUID | None = None
        self._next: dict[int, int] = {}
        self._batch_bytes = MAX_BATCH_BYTES
        self.state: Literal["waiting", "memory", "backlog", "condemned", "fenced"] = "waiting"
        self.published = 0
        keeper.before_the_next(self._stop_sending)

    # --- what the writer sees -----------------------------------------------------------------------------------

    def positions(self) -> dict[str, Any]:
        """The topic's id and the next offset after the last acknowledged one, per partition; goes into outbox rows."""
        if self._topic_id is None:
            return {}
        return {"topic": self._topic_id.hex, "next": {str(number): offset for number, offset in self._next.items()}}

    def release(self, batch: Batch, lease: UUID) -> None:
        """A batch was committed under this lease. Batches come in order; a former lease's are left to its drain."""
        if lease != self._keeper.lease:
            return
        if lease != self._lease:
            self._begin(lease)
        self._released = batch.id
        if self._spilled or self._is_full(batch):
            self._spilled = True
        else:
            self._memory.append(batch)
            self._memory_events += len(batch.submissions)
            self._memory_bytes += batch.size
        self._idle.clear()
        self._wake.set()

    def _begin(self, lease: UUID) -> None:
        self._lease, self._spilled = lease, False
        self._memory.clear()
        self._memory_events = self._memory_bytes = 0
        self._handed = self._released = backlog.FIRST

    def _is_full(self, batch: Batch) -> bool:
        settings = self._settings
        return (
            self._memory_events + len(batch.submissions) > settings.publish_memory_max
            or self._memory_bytes + batch.size > settings.publish_memory_max_bytes
        )

    @property
    def in_memory(self) -> int:
        """Events that wait in memory."""
        return self._memory_events

    async def until_idle(self) -> None:
        """Returns when everything released so far is acknowledged."""
        await self._idle.wait()

    @property
    def outstanding(self) -> bool:
        """True while something may have been handed to a producer and is not acknowledged."""
        return not self._idle.is_set()

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish under one lease after the other, for ever."""
        while True:
            lease = await self._keeper.held()
            sending = asyncio.create_task(self._publish(lease), name="publish")
            watching = asyncio.create_task(self._watch_topic(lease), name="positions")
            lost = asyncio.create_task(self._keeper.until_lost(lease))
            try:
                await asyncio.wait({sending, lost}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                lost.cancel()
                watching.cancel()
                sending.cancel()
                await self._abort()
                # Not awaited itself: its cancellation could not be told from one of this task.
                await asyncio.wait({sending})
            error = None if sending.cancelled() else sending.exception()
            if error is not None and not isinstance(error, (SendError, *BROKER_ERRORS)):
                raise error
            if self._keeper.lease != lease:
                self.state = "fenced"
            else:
                self.state = "condemned"
                self._keeper.lost(lease, f"a send failed ({error}), what was handed over is compared with the topic")

    async def _publish(self, lease: UUID) -> None:
        """Everything of one lease, until a send fails (SendError) or the lease is lost (cancelled)."""
        if lease != self._lease:
            self._begin(lease)
        self._idle.set() if self._released == self._handed else self._idle.clear()
        self.state = "waiting"
        await self._keeper.until_drained(self._keeper.former)
        self._stopped.clear()
        self._producer = producer = await self._connect()
        while True:
            if self._memory:
                self.state = "memory"
                await self._until_worth_it()
                await self._send_from_memory(producer)
            elif self._spilled:
                self.state = "backlog"
                await self._send_from_backlog(producer, lease)
            else:
                self.state = "memory"
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()

    async def _connect(self) -> Producer:
        """A fresh producer, and positions for the outbox rows to come; waits while the brokers are away."""
        told = False
        while True:
            producer = Producer(
                kafka=self._settings.kafka,
                topic=self._settings.topics.applications,
                request_seconds=self._settings.send_timeout_seconds,
                batch_bytes=self._batch_bytes,
            )
            try:
                await producer.start()
                if await self._seed_positions():
                    return producer
                await producer.abort()  # batches are smaller here than this producer makes them
            except BROKER_ERRORS as error:
                if not told:
                    log.warning("Kafka does not take events; they are kept in PostgreSQL: %s", error)
                told = True
                await producer.abort()
                await asyncio.sleep(_RETRY_SECONDS)
            except asyncio.CancelledError:
                await producer.abort()
                raise

    async def _seed_positions(self) -> bool:
        """Where the log ends now: what is committed from here on will not be found before it. False where the topic
        takes only smaller batches than was known.
        """
        async with brokers(self._settings.kafka) as client:
            topic = self._settings.topics.applications
            state = await look(client, topic)
            ends = await readable_ends(client, topic, state)
            limit = await batch_bytes_max(client, topic) or MAX_BATCH_BYTES
        if state.topic_id != self._topic_id:
            self._topic_id, self._next = state.topic_id, {}
        self._reached(ends)
        before, self._batch_bytes = self._batch_bytes, min(limit, MAX_BATCH_BYTES)
        return self._batch_bytes >= before

    def _reached(self, ends: Mapping[int, int]) -> None:
        """Positions go forward only: a log that ends before one has lost records, which is for the drain to say."""
        self._next |= {number: max(end, self._next.get(number, 0)) for number, end in ends.items()}

    async def _watch_topic(self, lease: UUID) -> None:
        """Positions grow old by themselves where nothing is published (rule 16): read them again every minute."""
        while True:
            await self._sleep(_POSITIONS_SECONDS)
            before = self._topic_id
            with suppress(*BROKER_ERRORS):
                await self._seed_positions()
            if before is not None and self._topic_id != before:
                self._keeper.lost(lease, "the topic was deleted and made anew")
                return

    async def _until_worth_it(self) -> None:
        """Let events gather, unless the last cycle is long over or a cycle's worth of them waits."""
        left = self._cycle_began + _CYCLE_SECONDS - self._clock()
        if left > 0 and self._memory_events < _CYCLE_EVENTS:
            await asyncio.sleep(left)
        self._cycle_began = self._clock()

    async def _send_from_memory(self, producer: Producer) -> None:
        """One cycle: all that has gathered during the last one, up to a bound."""
        batches: list[Batch] = []
        events: list[Event] = []
        while self._memory and len(events) < _CYCLE_EVENTS:
            batch = self._memory.popleft()
            batches.append(batch)
            events += map(from_submission, batch.submissions)
        self._handed = batches[-1].id
        await self._send(producer, events)
        for batch in batches:
            self._memory_events -= len(batch.submissions)
            self._memory_bytes -= batch.size
            self._confirm(batch.id)

    async def _send_from_backlog(self, producer: Producer, lease: UUID) -> None:
        """The next batches from PostgreSQL; memory takes over once the last released one has been read."""
        released = self._released
        try:
            batches = await backlog.read(self._session, lease=lease, after=self._handed, events=_BACKLOG_EVENTS)
        except DATABASE_ERRORS:
            await asyncio.sleep(_RETRY_SECONDS)
            return
        batches = [batch for batch in batches if batch.id <= released]
        self._handed = batches[-1].id if batches else released
        await self._send(producer, [event for batch in batches for event in batch.events])
        for batch in batches:
            self._confirm(batch.id)
        if self._handed == self._released:
            self._spilled = False

    async def _send(self, producer: Producer, events: Sequence[Event]) -> None:
        if events:
            with self._telemetry.sending(events):
                await producer.send(events)
            self._reached(producer.acknowledged)
            self.published += len(events)

    async def _abort(self) -> None:
        if self._producer is not None:
            await self._producer.abort()
            self._producer = None
        self._stopped.set()

    async def _stop_sending(self) -> None:
        """For the keeper: a new lease is taken only once nothing is sent under the former one any more."""
        await self._stopped.wait()
