"""One redrive at a time, whoever runs it: a consumer group is the lock, as every redrive can reach Kafka.

Whoever has partition 0 of the dead letters in it has the turn. A process that was killed loses it after its session;
one that was paused for longer than that may still send the letters that it was about to.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.errors import KafkaAwayError, WorkerError, why
from stream_workers.kafka.group import members

SESSION_SECONDS = 10.0
# Longer than a session, so that the redrive after a killed one only waits.
WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.5
# Nothing is ever read in this group.
_NO_POLL_MS = 24 * 60 * 60 * 1000


class BusyError(WorkerError):
    """Another redrive has the turn."""

    def __init__(self, group: str) -> None:
        super().__init__(f"another redrive is running (or Kafka does not say who is in the group {group}): try again")


class Turn(ConsumerRebalanceListener):
    """Held while this process has the lock's partition; it is never taken away amid a ``step``."""

    def __init__(self, group: str, lock: TopicPartition) -> None:
        self._group = group
        self._lock = lock
        self._held = False
        self._step = asyncio.Lock()
        self.given = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002 -- all of them are
        async with self._step:
            self._held = False

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._held = self._lock in assigned
        if self._held:
            self.given.set()

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """BusyError if another one has the turn by now."""
        async with self._step:
            if not self._held:
                raise BusyError(self._group)
            yield


@asynccontextmanager
async def turn(kafka: Kafka, topics: Topics) -> AsyncIterator[Turn]:
    """Wait for the turn, not for ever: BusyError, or KafkaAwayError where Kafka does not answer."""
    group = f"{topics.prefix}redrive"
    mine = Turn(group, TopicPartition(topics.dead_letters, 0))
    consumer = kafka.consumer(
        group_id=group,
        enable_auto_commit=False,
        session_timeout_ms=int(SESSION_SECONDS * 1000),
        max_poll_interval_ms=_NO_POLL_MS,
    )
    try:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await _until_free(kafka, group)
                await consumer.start()
                consumer.subscribe([topics.dead_letters], listener=mine)
                await mine.given.wait()
        except TimeoutError:
            raise BusyError(group) from None
        except KafkaError as error:
            raise KafkaAwayError(f"Kafka at {kafka} does not answer: {why(error)}") from error
        yield mine
    finally:
        await consumer.stop()


async def _until_free(kafka: Kafka, group: str) -> None:
    """Nobody is in the group. A broker without any group yet makes them when it is asked, and needs a moment."""
    while True:
        with suppress(KafkaAwayError):
            if not await members(kafka, group):
                return
        await asyncio.sleep(_LOOK_SECONDS)
