"""A stack of one's own (PostgreSQL, broker, gateways, a crowd) and the faults that are done to it, seeded."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from tests.support.crowd import Crowd
from tests.support.gateways import GatewayProcess
from tests.support.verdict import Verdict, judge
from tests.support.write_path import eventually, outbox_is_empty, rows


@dataclass
class Stack:
    """Everything that one series needs; ``kills`` counts what was done, for the report."""

    postgres: Postgres
    broker: Broker
    database_url: str
    topics: Topics
    gateways: list[GatewayProcess]
    crowd: Crowd
    rng: random.Random
    kills: int = 0
    memory: list[int] = field(default_factory=list)

    async def until_accepted(self, more: int, *, seconds: float = 120) -> None:
        """Let the crowd get this many more 201s."""
        target = len(self.crowd.receipts) + more

        async def reached() -> bool:
            return len(self.crowd.receipts) >= target

        await eventually(reached, seconds=seconds, what=f"{more} more applications accepted")

    async def replace(self, gateway: GatewayProcess) -> None:
        """SIGKILL, and a new process on the same port."""
        gateway.kill()
        self.kills += 1
        gateway.start()

    async def watch_memory(self) -> None:
        """Note the gateways' memory twice a second, until cancelled."""
        while True:
            self.memory.append(max(gateway.note_memory() for gateway in self.gateways))
            await asyncio.sleep(0.5)


Fault = Callable[[Stack], Awaitable[None]]
OpenStack = Callable[..., AbstractAsyncContextManager[Stack]]


@asynccontextmanager
async def stack(
    *,
    postgres: Postgres,
    broker: Broker,
    database_url: str,
    topics: Topics,
    folder: Path,
    seed: int,
    gateways: int = 2,
    users: int = 16,
    module: str = "gateway",
    more: Mapping[str, str] | None = None,
    shape: Shape | None = None,
    fresh: bool = False,
) -> AsyncIterator[Stack]:
    """A running stack with a crowd that has begun; whatever still runs at the end is killed.

    ``fresh`` gateways have only their own modules in memory.
    """
    await create(broker.kafka, topics, shape or Shape())
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "KAFKA_PREFIX": topics.prefix,
        "RATE_LIMIT_PER_MINUTE": "0",
        "LEASE_SECONDS": "8",
        "SEND_TIMEOUT_SECONDS": "2",
        **(more or {}),
    }
    processes = [
        GatewayProcess(environment, folder / f"gateway-{number}.log", module=module, fresh=fresh)
        for number in range(gateways)
    ]
    for process in processes:
        process.start()
    try:
        await asyncio.gather(*(process.ready() for process in processes))
        crowd = Crowd(processes, users=users, seed=seed)
        yield Stack(postgres, broker, database_url, topics, processes, crowd, random.Random(seed))
    finally:
        for process in processes:
            process.kill()


async def run(one: Stack, fault: Fault, *, settle_seconds: float = 180) -> Verdict:
    """The crowd submits while the fault is done; then everything comes to rest and is compared."""
    submitting = asyncio.create_task(one.crowd.run())
    watching = asyncio.create_task(one.watch_memory())
    try:
        await fault(one)
        await one.until_accepted(50)
    finally:
        one.crowd.stop()
        await submitting
    await asyncio.gather(*(gateway.ready() for gateway in one.gateways if gateway.alive))
    await eventually(lambda: at_rest(one.database_url), seconds=settle_seconds, what="an empty outbox")
    watching.cancel()
    return await judge(one.database_url, one.broker.kafka, one.topics.applications, one.crowd.receipts)


async def at_rest(database_url: str) -> bool:
    """Nothing owed, and no lease of the dead left (a commit of theirs could still come)."""
    if not await outbox_is_empty(database_url):
        return False
    dead = "SELECT FROM gateway_leases WHERE claimed_by IS NOT NULL OR renewed_at < now() - interval '10 seconds'"
    return not await rows(database_url, dead)
