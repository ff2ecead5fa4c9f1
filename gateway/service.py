"""The gateway's parts put together: started in order, supervised, drained in order."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts import LeaseFigures
from gateway.commit.lease import LeaseKeeper
from gateway.commit.writer import Writer
from gateway.database.connection import DATABASE_ERRORS, Session, create_engine
from gateway.follow.followers import Followers
from gateway.observability.pace import Pace
from gateway.observability.telemetry import Telemetry
from gateway.publish.publisher import Publisher
from gateway.publish.recovery import Recovery
from gateway.publish.whereabouts import Finder
from gateway.read.reads import Reads
from gateway.read.replica import Replica
from gateway.settings import Settings
from runtime import release

log = logging.getLogger(__name__)

_NO_PROGRESS_SECONDS = 3.0
# For a task to end, beside a request to Kafka that is under way.
_END_SECONDS = 10.0


class Gateway:
    """One gateway process: what the routes use, and the tasks behind it.

    ``failed`` holds what ended a task that must never end; the process then stops and says so.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.telemetry = Telemetry(settings)
        self.engine: AsyncEngine = create_engine(settings)
        self._unpooled = create_engine(settings, pooled=False)
        self.draining = False
        self.failed: BaseException | None = None
        self.stopped = asyncio.Event()
        self._sessions = {name: self.session() for name in ("writer", "lease", "backlog")}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        instance = f"{socket.gethostname()}:{settings.gateway_port}#{os.getpid()}"
        self._pace = Pace(self.telemetry.metrics)
        self.keeper = LeaseKeeper(
            session=self._sessions["lease"],
            settings=settings,
            instance=instance,
            figures=self.figures,
            begin=lambda at: self.writer.floor.begin(at),
        )
        self.publisher = Publisher(
            keeper=self.keeper,
            session=self._sessions["backlog"],
            settings=settings,
            confirm=self._confirm,
            telemetry=self.telemetry,
        )
        self.writer = Writer(
            session=self._sessions["writer"],
            keeper=self.keeper,
            positions=self.publisher.positions,
            release=self.publisher.release,
            settings=settings,
            telemetry=self.telemetry,
        )
        self.recovery = Recovery(keeper=self.keeper, session=self.session, settings=settings, telemetry=self.telemetry)
        self.reads = Reads(self._unpooled)
        self.replica = self._replica()
        self.whereabouts = Finder(settings, self.reads)
        self.followers = Followers(
            keeper=self.keeper, primary=self.reads, replica=self.replica, most=settings.streams_max
        )

    def _replica(self) -> Replica | None:
        server = self.settings.postgresql_replica
        if server is None:
            return None
        engine = create_engine(self.settings, server, pooled=False)
        return Replica(engine, lease=lambda: self.keeper.lease, lag_max=self.settings.read_lag_seconds_max)

    def session(self) -> Session:
        """A connection for one task of its own: requests, however many, never take it, nor it theirs."""
        return Session(self._unpooled)

    def _confirm(self, batch: Any) -> None:
        self.writer.confirm(batch)

    def figures(self) -> LeaseFigures:
        """What this process writes into its lease row for the web view."""
        rate, p99_ms = self._pace.look(self.writer.committed)
        return {
            "at": time.time(),
            "monotonic": time.monotonic(),
            "floor": self.writer.floor.raised(),
            "followed": self.keeper.followed,
            "accepted": self.writer.committed,
            "published": self.publisher.published,
            "queued": len(self.writer.queue),
            "publisher": self.publisher.state,
            "version": release.version(),
            "url": self.settings.url,
            "replica": self.replica.report() if self.replica else None,
            "rate": rate,
            "p99_ms": p99_ms,
        }

    def start(self) -> None:
        """Start every task; none of them waits for PostgreSQL or Kafka to be there."""
        self._spawn("lease", self.keeper.run())
        self._spawn("writer", self.writer.run())
        self._spawn("deadlines", self.writer.expire())
        self._spawn("publisher", self.publisher.run())
        self._spawn("recovery", self.recovery.run())
        if self.replica is not None:
            self._spawn("replica", self.replica.run())

    def _spawn(self, name: str, task: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.create_task(task, name=name)
        self._tasks[name].add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (self.draining and task.exception() is None):
            return
        self.failed = task.exception() or RuntimeError(f"the task {task.get_name()} has ended")
        log.critical("The gateway stops: its task %s failed", task.get_name(), exc_info=self.failed)
        self.stopped.set()

    def begin_drain(self) -> None:
        """Not ready any more; what arrives on open connections is still served."""
        self.draining = True

    async def drain(self) -> None:
        """Commit, publish and confirm what was accepted, give the lease back. An absent broker is not waited for."""
        self.begin_drain()
        self.writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.commit_deadline_seconds + 2):
                await asyncio.gather(self._tasks["writer"], return_exceptions=True)
        await self._flush()
        outstanding = self.publisher.outstanding or self.recovery.busy
        await self._end_tasks()
        with suppress(*DATABASE_ERRORS):
            await self.writer.delete_confirmed()
            if not outstanding:
                await self.keeper.give_back()

    async def _end_tasks(self) -> None:
        """Bounded as every wait in a stop: what does not end is named, and ends with the process."""
        for task in self._tasks.values():
            task.cancel()
        ending = {*self._tasks.values(), asyncio.create_task(self.recovery.stop(), name="drains of claimed leases")}
        _, left = await asyncio.wait(ending, timeout=self.settings.send_timeout_seconds + _END_SECONDS)
        if left:
            log.error("These tasks do not end: %s", ", ".join(sorted(task.get_name() for task in left)))

    async def _flush(self) -> None:
        """Wait for the acknowledgements as long as they keep coming."""
        deadline = time.monotonic() + self.settings.drain_seconds
        while self.publisher.outstanding and time.monotonic() < deadline:
            before = self.publisher.published
            with suppress(TimeoutError):
                async with asyncio.timeout(_NO_PROGRESS_SECONDS):
                    await self.publisher.until_idle()
            if self.publisher.outstanding and self.publisher.published == before:
                log.warning("Kafka does not confirm; what is left stays in PostgreSQL for another gateway to publish")
                return

    async def close(self) -> None:
        """Drop every connection."""
        for session in self._sessions.values():
            await session.drop()
        await self.reads.close()
        await self.engine.dispose()
        await self._unpooled.dispose()
        if self.replica is not None:
            await self.replica.close()
        await self.telemetry.stop()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that runs inside the block and is drained at its end."""
    gateway = Gateway(settings)
    gateway.start()
    try:
        yield gateway
    finally:
        await gateway.drain()
        await gateway.close()
