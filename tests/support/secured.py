"""A stack on a Kafka that is got into as a managed one, with no more rights than the documentation asks for."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cli.settings import Shape
from cli.topics.create import create
from cli.topics.rights import rights
from contracts import Topics
from devstack.kafka.access import Access
from devstack.kafka.acls import AUTHORIZER, allow
from devstack.kafka.brokers import Brokers
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.pipeline.workers import WorkerProcess
from tests.support.gateways import GatewayProcess

TOPICS = Topics("secured.")


@dataclass
class Secured:
    """Brokers, a gateway and workers, all by the same settings; ``fresh``: each a Python of its own."""

    brokers: Brokers
    environment: Mapping[str, str]
    folder: Path
    fresh: bool = False
    gateway: GatewayProcess = field(init=False)
    workers: list[WorkerProcess] = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = GatewayProcess(self.environment, self.folder / "gateway.log", fresh=self.fresh)
        env = {**os.environ, **self.environment}
        self.workers = [
            WorkerProcess(kind, env, self.folder / f"{kind}.log", fresh=self.fresh) for kind in ("metrics", "journal")
        ]

    @property
    def kafka(self) -> Kafka:
        return self.brokers.kafka

    def settings(self, **changed: str | None) -> Settings:
        """As a command reads them."""
        values: dict[str, Any] = {**self.environment, **changed}
        return Settings(_env_file=None, **{name.lower(): value for name, value in values.items()})

    async def start(self) -> None:
        self.gateway.start()
        for worker in self.workers:
            worker.start()
        await self.gateway.ready()

    async def post(self, numbers: Sequence[int]) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.gateway.port}", timeout=60) as client:
            for number in numbers:
                body = {"user_name": f"user {number % 50}", "description": f"number {number}"}
                assert (await client.post("/applications", json=body)).status_code == 201

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def kill(self) -> None:
        if self.gateway.alive:
            self.gateway.kill()
        for worker in self.workers:
            if worker.running:
                worker.kill()


@asynccontextmanager
async def secured(
    access: Access, *, database_url: str, folder: Path, config: Mapping[str, str] | None = None
) -> AsyncIterator[Secured]:
    """Brokers with their topics, made with the rights of Headgate; the services are for the test to start."""
    brokers = Brokers(folder / "kafka", 1, access=access, config={**AUTHORIZER, **(config or {})})
    try:
        await asyncio.to_thread(brokers.start)
        await allow(brokers.nodes[0].inner, rights(TOPICS))
        await create(brokers.kafka, TOPICS, Shape())
        more = {"DATABASE_URL": database_url, "KAFKA_PREFIX": TOPICS.prefix, "RATE_LIMIT_PER_MINUTE": "0"}
        stack = Secured(brokers, brokers.settings | more, folder)
        try:
            yield stack
        finally:
            await asyncio.to_thread(stack.kill)
    finally:
        await asyncio.to_thread(brokers.stop)
