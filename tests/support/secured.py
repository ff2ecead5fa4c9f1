"""A stack on a Kafka that is got into as a managed one, with no more rights than the documentation asks for."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from cli.topics.rights import Right, rights
from contracts import Topics
from devstack.kafka.access import USER, Access
from devstack.kafka.brokers import Brokers
from runtime.kafka.clients import Kafka
from tests.pipeline.workers import WorkerProcess
from tests.support.gateways import GatewayProcess

# The codes of Kafka's protocol.
_RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "DescribeConfigs": 10}
_LITERAL, _ALLOW = 3, 3
RIGHTS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


@dataclass
class Secured:
    """Brokers, a gateway and workers, all by the same settings."""

    brokers: Brokers
    environment: Mapping[str, str]
    topics: Topics
    folder: Path
    gateway: GatewayProcess = field(init=False)
    workers: list[WorkerProcess] = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = GatewayProcess(self.environment, self.folder / "gateway.log")
        env = {**os.environ, **self.environment}
        self.workers = [WorkerProcess(kind, env, self.folder / f"{kind}.log") for kind in ("metrics", "journal")]

    @property
    def kafka(self) -> Kafka:
        return self.brokers.kafka

    async def headgate(self, *words: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "cli", *words]
        env = {**os.environ, **self.environment, **changed, "COLUMNS": "400"}
        return await asyncio.to_thread(
            subprocess.run, command, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    async def audited(self) -> dict[str, Any]:
        done = await self.headgate("audit", "--json")
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    async def post(self, count: int, *, start: int = 0) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.gateway.port}", timeout=30) as client:
            for number in range(start, start + count):
                body = {"user_name": f"user {number % 50}", "description": f"number {number}"}
                assert (await client.post("/applications", json=body)).status_code == 201

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


async def allow(kafka: Kafka, wanted: list[Right]) -> None:
    """Give the user of Headgate these rights; by whoever may."""
    async with _administrator(kafka) as ask:
        for right in wanted:
            for operation in right.operations:
                answer = await ask(_creation(right, _OPERATIONS[operation]))
                assert [code for code, _ in answer.creation_responses] == [0], answer


async def forbid(kafka: Kafka, right: Right) -> None:
    """Take these away again."""
    async with _administrator(kafka) as ask:
        for operation in right.operations:
            code = _OPERATIONS[operation]
            await ask(
                DeleteAclsRequest(_RESOURCES[right.resource], right.name, _LITERAL, f"User:{USER}", "*", code, _ALLOW)
            )


def _creation(right: Right, operation: int) -> CreateAclsRequest:
    return CreateAclsRequest(_RESOURCES[right.resource], right.name, _LITERAL, f"User:{USER}", "*", operation, _ALLOW)


@asynccontextmanager
async def _administrator(kafka: Kafka) -> AsyncIterator[Any]:
    client = kafka.client()
    await client.bootstrap()

    async def ask(request: Any) -> Any:
        return await client.send(client.get_random_node(), request)

    try:
        yield ask
    finally:
        await client.close()


@asynccontextmanager
async def secured(
    access: Access, *, database_url: str, topics: Topics, folder: Path, config: Mapping[str, str] | None = None
) -> AsyncIterator[Secured]:
    """Brokers with their topics, made by the command; the services are for the test to start."""
    brokers = Brokers(folder / "kafka", 1, access=access, config={**RIGHTS, **(config or {})})
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_PREFIX": topics.prefix,
        "RATE_LIMIT_PER_MINUTE": "0",
    }
    stack: Secured | None = None
    try:
        await asyncio.to_thread(brokers.start)
        environment |= brokers.settings
        await allow(brokers.nodes[0].inner, rights(topics))
        stack = Secured(brokers, environment, topics, folder)
        made = await stack.headgate("topics", "create")
        assert made.returncode == 0, made.stderr
        yield stack
    finally:
        if stack is not None:
            if stack.gateway.alive:
                stack.gateway.kill()
            for worker in stack.workers:
                if worker.running:
                    worker.kill()
        await asyncio.to_thread(brokers.stop)
