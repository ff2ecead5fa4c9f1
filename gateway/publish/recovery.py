"""Draining the lease of a gateway that is gone (or one's own former lease): promise 2 without Kafka transactions.

One drain goes ``claim`` (done by the lease keeper) → ``settle`` (wait out what may still arrive) → ``reconcile`` (read
the topic from the positions that the outbox rows carry to the log's end) → ``resend`` (what is missing, in order) →
``delete``; the lease is ``drained`` when its row is gone.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from gateway.commit.lease import LeaseKeeper
from gateway.commit.lease_statements import END, STILL_THERE
from gateway.database.connection import DATABASE_ERRORS, Session
from gateway.observability.telemetry import Telemetry
from gateway.publish import backlog
from gateway.publish.backlog import StoredBatch
from gateway.publish.events import Event
from gateway.publish.positions import PositionError, are_complete, starts_of
from gateway.publish.producer import MAX_BATCH_BYTES, ContentRefusedError, Producer, SendError
from gateway.publish.settlement import Settled, settle
from gateway.publish.topic import BROKER_ERRORS, batch_bytes_max, brokers, readable_ends
from gateway.publish.topic_scan import present
from gateway.settings import Settings

log = logging.getLogger(__name__)

# Each portion costs one reading of the topic from the positions on: few and large ones, but bounded in memory. However
# many leases are drained, one portion is in memory at a time; their waits, which are most of the time, overlap.
_EVENTS_AT_ONCE = 4_000
_CLOCKS_APART_MS = 10 * 60 * 1000
_RETRY_SECONDS = 2.0
_STOPPED_RETRY_SECONDS = 30.0
# For a drain to end, beside a request to Kafka that is under way.
_END_SECONDS = 5.0

_NEWER = "its gateway was of a newer version: one of that version publishes what it left, with all of its fields"


class Recovery:
    """Runs one drain for each lease that this gateway has claimed; stops them all when its own lease is lost."""

    def __init__(
        self,
        *,
        keeper: LeaseKeeper,
        session: Callable[[], Session],
        settings: Settings,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry or Telemetry(settings)
        self._keeper, self._session, self._settings = keeper, session, settings
        self._drains: dict[UUID, asyncio.Task[None]] = {}
        self._portion = asyncio.Lock()
        self.phases: dict[UUID, str] = {}
        self._stopped: dict[UUID, str] = {}
        self.claimed = self.already_there = self.sent = self.set_aside = 0
        keeper.before_the_next(self.stop)

    async def run(self) -> None:
        """Start a drain for whatever has been claimed, for ever."""
        while True:
            if self._keeper.lease is None:
                self._cancel()  # at once: the keeper may be waiting for a database that does not answer
            for row in self._keeper.claimed_by_me():
                if row.id not in self._drains:
                    self.claimed += 1
                    self._drains[row.id] = asyncio.create_task(self._drain(row), name=f"drain {row.id}")
            for lease, drain in list(self._drains.items()):
                if drain.done():
                    del self._drains[lease]
                    self.phases.pop(lease, None)
                    if not drain.cancelled():
                        drain.result()
            await self._keeper.next_change()

    @property
    def stopped(self) -> dict[UUID, str]:
        """What waits for a person, or for a gateway that knows more columns, and why; by lease."""
        return self._stopped | dict.fromkeys(self._keeper.left_to_newer, _NEWER)

    @property
    def busy(self) -> bool:
        """True while something claimed is not drained yet."""
        return bool(self._drains)

    async def stop(self) -> None:
        """Nothing is resent any more: the lease is lost, or the process ends."""
        drains = {*self._cancel()}
        while drains:
            _, drains = await asyncio.wait(drains, timeout=self._settings.send_timeout_seconds + _END_SECONDS)
            for deaf in drains:
                deaf.cancel()
        self._drains.clear()
        self.phases.clear()
        self._stopped.clear()

    def _cancel(self) -> list[asyncio.Task[None]]:
        """Tell each drain once: a second word would cut short how it ends, with a producer that is not yet aborted."""
        drains = list(self._drains.values())
        for drain in drains:
            if not drain.cancelling():
                drain.cancel()
        return drains

    # --- one drain ----------------------------------------------------------------------------------------------

    async def _drain(self, row: Row[Any]) -> None:
        """Drain one lease, whatever fails on the way: every attempt starts with settling again."""
        session = self._session()
        await self._keeper.until_drained(row.former)
        while not await self._attempt(row.id, session):  # noqa: ASYNC110 -- an attempt is not a state to wait for
            await asyncio.sleep(_STOPPED_RETRY_SECONDS if row.id in self._stopped else _RETRY_SECONDS)
        log.info("A claimed lease is drained", extra={"lease": str(row.id)})
        self._keeper.look_soon()

    async def _attempt(self, lease: UUID, session: Session) -> bool:
        try:
            settled = await self._settle(lease, session)
            await self._publish_missing(lease, session, settled)
            self._stopped.pop(lease, None)
            await session.execute(END, {"lease": lease})
            return not await session.execute(STILL_THERE, {"lease": lease})
        except PositionError as error:
            self._stopped[lease] = str(error)
            log.error("A claimed lease cannot be drained: %s", error, extra={"lease": str(lease)})  # noqa: TRY400 -- it says all
        except (*DATABASE_ERRORS, *BROKER_ERRORS, SendError) as error:
            log.warning("Draining a claimed lease starts over: %r", error, extra={"lease": str(lease)})
        finally:
            await session.drop()
        return False

    async def _settle(self, lease: UUID, session: Session) -> Settled | None:
        """None: the lease owes nothing, so there is nothing to wait for."""
        self.phases[lease] = "settle"
        if not await backlog.owes(session, lease):
            return None
        await session.drop()  # nothing that others need is held through the wait (rule 17)
        settings = self._settings
        return await settle(
            kafka=settings.kafka,
            topic=settings.topics.applications,
            request_seconds=settings.send_timeout_seconds,
        )

    async def _publish_missing(self, lease: UUID, session: Session, settled: Settled | None) -> None:
        if settled is None:
            return
        producer = _Resender(self._settings, self._telemetry)
        after: UUID | None = backlog.FIRST
        try:
            while after is not None:
                async with self._portion:
                    after = await self._publish_portion(lease, session, after, settled=settled, producer=producer)
        finally:
            await producer.abort()

    async def _publish_portion(
        self, lease: UUID, session: Session, after: UUID, *, settled: Settled, producer: "_Resender"
    ) -> UUID | None:
        """The next batches; returns the last one, None where there were none. What was read lives no longer than this:
        a drain that waits for its turn holds nothing.
        """
        batches = await backlog.read(session, lease=lease, after=after, events=_EVENTS_AT_ONCE)
        if not batches:
            return None
        self.phases[lease] = "reconcile"
        missing = await self._missing(batches, settled)
        self.phases[lease] = "resend"
        for event, reason in await producer.send(missing):
            self.set_aside += 1
            batch = next(batch.id for batch in batches if event in batch.events)
            await backlog.set_aside(session, event, batch=batch, reason=reason)
        self.sent += len(missing)
        self.phases[lease] = "delete"
        await backlog.delete(session, [batch.id for batch in batches])
        await session.drop()
        return batches[-1].id

    async def _missing(self, batches: Sequence[StoredBatch], settled: Settled) -> list[Event]:
        """What of these batches is not on the topic between their positions and the settled end."""
        owed = [batch for batch in batches if batch.events]
        events = [event for batch in owed for event in batch.events]
        if not events:
            return []
        there = await present(
            {event.id for event in events},
            kafka=self._settings.kafka,
            topic=self._settings.topics.applications,
            starts=await self._starts(owed, settled),
            ends=settled.ends,
        )
        self.already_there += len(there)
        return [event for event in events if event.id not in there]

    async def _starts(self, owed: Sequence[StoredBatch], settled: Settled) -> dict[int, int]:
        """Rows that were committed before Kafka was first reached have no positions: their own time is one."""
        stored = [batch.positions for batch in owed]
        if are_complete(stored, settled):
            return starts_of(stored, settled)
        async with brokers(self._settings.kafka) as client:
            topic = self._settings.topics.applications
            oldest = min(event.timestamp_ms for batch in owed for event in batch.events)
            found = await readable_ends(client, topic, settled.state, at=oldest - _CLOCKS_APART_MS)
        since = {number: found[number] if found[number] >= 0 else end for number, end in settled.ends.items()}
        return starts_of(stored, settled, since=since)


class _Resender:
    """A producer for one drain, replaced when a broker refuses an event for its content."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._settings, self._telemetry = settings, telemetry
        self._producer: Producer | None = None

    async def send(self, events: Sequence[Event]) -> list[tuple[Event, str]]:
        """Send in order; returns the events that a broker refuses for what they contain, found by bisection."""
        refused: list[tuple[Event, str]] = []
        parts = [events]  # what is next comes last
        while parts:
            if not (part := parts.pop()):
                continue
            try:
                producer = await self._started()
                with self._telemetry.sending(part, recovered=True):
                    await producer.send(part)
            except ContentRefusedError as error:
                await self.abort()
                parts.append(error.unsent)
                if len(error.refused) == 1:
                    refused.append((error.refused[0], str(error)))
                else:
                    middle = len(error.refused) // 2
                    parts += error.refused[middle:], error.refused[:middle]
        return refused

    async def _started(self) -> Producer:
        if self._producer is None:
            kafka, topic = self._settings.kafka, self._settings.topics.applications
            async with brokers(kafka) as client:
                limit = await batch_bytes_max(client, topic)
            self._producer = Producer(
                kafka=kafka,
                topic=topic,
                request_seconds=self._settings.send_timeout_seconds,
                batch_bytes=limit or MAX_BATCH_BYTES,
            )
            await self._producer.start()
        return self._producer

    async def abort(self) -> None:
        """Drop the producer; nothing more is sent by it."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(*BROKER_ERRORS):
                await producer.abort()
