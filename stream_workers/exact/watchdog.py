"""Ends a worker that stands still while events wait: Faust only logs it, and a new start heals it."""

import asyncio
from typing import Any

from stream_workers.errors import RecreatedTopicError, StuckError
from stream_workers.exact.partitions import Partitions
from stream_workers.kafka.backlog import POLL_SECONDS, Backlog
from stream_workers.kafka.batches import BatchApp


class Watchdog:
    """Compares what this worker owns with what the broker has; judges nothing while the broker is silent."""

    def __init__(self, app: BatchApp, partitions: Partitions[Any], backlog: Backlog, *, stuck_seconds: float) -> None:
        self._app = app
        self._partitions = partitions
        self._backlog = backlog
        self._stuck_seconds = stuck_seconds
        self._moved_at: dict[int, tuple[int, float]] = {}
        self._settled_at: float | None = None

    async def run(self) -> None:
        """Watch for ever; raises what ends the worker."""
        loop = asyncio.get_running_loop()
        while True:
            self.check(loop.time())
            await asyncio.sleep(POLL_SECONDS)

    def check(self, now: float) -> None:
        """One look; ``now`` is monotonic."""
        if self._backlog.away_since is not None or self._backlog.as_of is None:
            self._moved_at.clear()
            self._settled_at = now
            return
        self._check_group(now)
        for partition in self._partitions.owned:
            self._check_partition(partition, now)

    def _check_group(self, now: float) -> None:
        if self._settled_at is None or self._app.settled:
            self._settled_at = now
        elif now - self._settled_at > self._stuck_seconds:
            raise StuckError(
                f"no assignment and no recovery for {now - self._settled_at:.0f} s, and Kafka answers. "
                "The state is safe in Kafka: a new start goes on from it."
            )

    def _check_partition(self, partition: int, now: float) -> None:
        state = self._partitions.owned[partition].state
        if self._backlog.topic_id not in {None, state.topic_id}:
            raise RecreatedTopicError(
                table=self._partitions.table_name,
                topic=self._app.source,
                partition=partition,
                why=f"its id is {self._backlog.topic_id} now, the state's is {state.topic_id}",
            )
        waiting = self._backlog.ends.get(partition, 0) - (state.last_offset + 1)
        offset, since = self._moved_at.get(partition, (None, now))
        if waiting <= 0 or offset != state.last_offset:
            self._moved_at[partition] = (state.last_offset, now)
        elif now - since > self._stuck_seconds:
            raise StuckError(
                f"{self._app.source}[{partition}]: {waiting} events wait, and nothing after offset {state.last_offset} "
                f"was read for {now - since:.0f} s. The state is safe in Kafka: a new start goes on from it."
            )
