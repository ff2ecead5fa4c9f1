"""What one worker is made of: the Faust app, what runs beside its agent, and why it may have to end."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from stream_workers.exact.changelog import Follower
from stream_workers.exact.lag import Lag
from stream_workers.exact.partitions import Partitions
from stream_workers.exact.telemetry import Telemetry
from stream_workers.exact.watchdog import Watchdog
from stream_workers.kafka.backlog import POLL_SECONDS, Backlog
from stream_workers.kafka.batches import BatchApp, StateTable
from stream_workers.kinds import Kind
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.trends.keeper import Keeper


@dataclass(frozen=True)
class Worker:
    """One worker: the Faust app, its table and the partitions that it owns."""

    kind: Kind
    app: BatchApp
    table: StateTable
    partitions: Partitions[Any]
    follower: Follower
    backlog: Backlog
    watchdog: Watchdog
    read_model: ReadModel | None
    keeper: Keeper | None
    lag: Lag
    telemetry: Telemetry
    failed: "asyncio.Future[BaseException]"

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the agent for as long as the worker does."""
        return [
            self.partitions.run_writer(),
            self.partitions.run_rewinds(),
            self.follower.run(),
            self._look(),
            self.watchdog.run(),
            *([self.keeper.run()] if self.keeper else []),
        ]

    async def _look(self) -> None:
        while True:
            await self.backlog.ask()
            self.lag.look()
            if self.backlog.away_since is None:
                await self.partitions.pass_empty_ends(self.backlog.ends)
            if self.read_model is not None:
                self.read_model.sample()
            await asyncio.sleep(POLL_SECONDS)

    def fail(self, error: BaseException) -> None:
        """End the worker: the first failure is the one that is told."""
        if not self.failed.done():
            self.failed.set_result(error)

    def missing(self) -> str | None:
        """Why this worker is not ready, or None."""
        if self.backlog.away_since is not None:
            return "Kafka does not answer"
        return None if self.app.settled else "joining the group, or recovering"
