"""Two gateways behind nginx and HAProxy, as docs/proxies.md shows them: restarted in turn, no request fails."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from contracts import Topics
from runtime.kafka.clients import Kafka
from tests.support.front_proxies import haproxy, needs_proxies, nginx
from tests.support.gateways import GatewayProcess
from tests.support.write_path import eventually, outbox_is_empty, rows

pytestmark = needs_proxies

ROOT = "/headgate"


@dataclass
class Clients:
    """Each submits through one of the addresses, on one connection, and never tries again."""

    addresses: list[str]
    statuses: Counter[int | str] = field(default_factory=Counter)
    stopped: bool = False

    async def run(self) -> None:
        await asyncio.gather(*(self._submit(address) for address in self.addresses for _ in range(6)))

    async def _submit(self, address: str) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
            while not self.stopped:
                try:
                    answer = await client.post("/applications", json={"user_name": "Ann", "description": "text"})
                    self.statuses[answer.status_code] += 1
                except httpx.HTTPError as error:
                    self.statuses[type(error).__name__] += 1

    async def until_answered(self, more: int) -> None:
        target = self.statuses.total() + more

        async def reached() -> bool:
            return self.statuses.total() >= target

        await eventually(reached, seconds=120, what=f"{more} more answers")


async def both_answer(address: str) -> bool:
    """Whether the proxy has seen that both are there: each names its requests by a prefix of its own."""
    async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
        names = [(await client.get("/livez")).headers.get("x-request-id", "") for _ in range(8)]
    return len({name.partition("-")[0] for name in names if name}) == 2


async def test_a_rolling_restart_behind_them_fails_no_request(
    database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "RATE_LIMIT_PER_MINUTE": "0",
        "ROOT_PATH": ROOT,
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "LAME_DUCK_SECONDS": "2",
    }
    gateways = [GatewayProcess(environment, tmp_path / f"gateway-{number}.log") for number in (1, 2)]
    async with AsyncExitStack() as stack:
        for gateway in gateways:
            gateway.start()
            stack.callback(gateway.kill)
        await asyncio.gather(*(gateway.ready() for gateway in gateways))
        opened = [proxy(tmp_path, [one.port for one in gateways], {}) for proxy in (nginx, haproxy)]
        ports = [await stack.enter_async_context(proxy) for proxy in opened]
        clients = Clients([f"http://127.0.0.1:{port}{ROOT}" for port in ports])
        submitting = asyncio.create_task(clients.run())
        for gateway in gateways:
            await clients.until_answered(300)
            assert await gateway.stop() == 0
            await clients.until_answered(100)
            gateway.start()
            await gateway.ready()
            for address in clients.addresses:
                await eventually(partial(both_answer, address), what=f"both gateways behind {address}")
        await clients.until_answered(300)
        clients.stopped = True
        await submitting
        assert set(clients.statuses) == {201}, clients.statuses
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    [stored] = await rows(database_url, "SELECT count(*) AS number FROM applications")
    assert stored["number"] == clients.statuses[201]
